use minicloud_agent_api::{Exposition, Kind, Sample, container_id, names, parse};
use proptest::prelude::*;

fn written(samples: &[Sample]) -> String {
    let mut text = Exposition::new();
    let mut family = text.family(
        names::CONTAINER_CPU_USAGE_SECONDS_TOTAL,
        Kind::Counter,
        "CPU time used.",
    );
    for sample in samples {
        let labels: Vec<(&str, &str)> = sample
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        family.sample(&labels, sample.value, sample.timestamp);
    }
    text.finish()
}

prop_compose! {
    fn any_sample()(
        labels in prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,8}", any::<String>(), 0..6),
        value in any::<f64>().prop_filter("NaN is equal to nothing", |value| !value.is_nan()),
        timestamp in any::<Option<i64>>(),
    ) -> Sample {
        let name = names::CONTAINER_CPU_USAGE_SECONDS_TOTAL.to_owned();
        Sample { name, labels: labels.into_iter().collect(), value, timestamp }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(samples in prop::collection::vec(any_sample(), 0..8)) {
        prop_assert_eq!(parse(&written(&samples)).unwrap(), samples);
    }

    #[test]
    fn any_label_value_survives(bytes in any::<Vec<u8>>()) {
        let value = String::from_utf8_lossy(&bytes).into_owned();
        let sample = Sample {
            name: names::CONTAINER_CPU_USAGE_SECONDS_TOTAL.to_owned(),
            labels: vec![(names::ID.to_owned(), value)],
            value: 1.0,
            timestamp: None,
        };
        prop_assert_eq!(parse(&written(std::slice::from_ref(&sample))).unwrap(), [sample]);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = parse(&text);
        let _ = container_id(&text);
    }

    #[test]
    fn almost_right_text_never_panics(text in "[a{}=\",\\\\n# \t\r\n1.eé+-]{0,64}") {
        let _ = parse(&text);
    }
}
