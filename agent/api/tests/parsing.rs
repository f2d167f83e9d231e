use std::fmt::Write as _;

use minicloud_agent_api::{Fault, MAX_LABELS, MAX_LINE_BYTES, MAX_SAMPLES, ParseError, parse};

#[test]
fn samples_are_read_with_labels_and_timestamps() {
    let samples = parse(concat!(
        "# HELP up Whether { the } target is up\n",
        "# TYPE up gauge\n",
        "\n",
        "up 1\n",
        "  cpu:use_total {id=\"/docker/a\" , mode = \"us\\\"er\\\\\\n\",} 1.5e3\t1700000000123 \n",
        "empty{} -Inf -5",
    ))
    .unwrap();
    assert_eq!(samples.len(), 3);
    assert_eq!((samples[0].name.as_str(), samples[0].value), ("up", 1.0));
    assert_eq!(samples[0].timestamp, None);
    assert_eq!(samples[1].name, "cpu:use_total");
    assert_eq!(samples[1].label("id"), Some("/docker/a"));
    assert_eq!(samples[1].label("mode"), Some("us\"er\\\n"));
    assert_eq!(samples[1].value, 1500.0);
    assert_eq!(samples[1].timestamp, Some(1_700_000_000_123));
    assert_eq!(samples[2].value, f64::NEG_INFINITY);
    assert_eq!(samples[2].timestamp, Some(-5));
}

#[test]
fn numbers_that_are_not_finite_are_read() {
    let values: Vec<f64> = parse("a NaN\na +Inf\na -Inf\n")
        .unwrap()
        .iter()
        .map(|sample| sample.value)
        .collect();
    assert!(values[0].is_nan());
    assert_eq!(values[1..], [f64::INFINITY, f64::NEG_INFINITY]);
}

#[test]
fn faults_name_their_line() {
    for (line, fault) in [
        ("1abc 2", Fault::MetricName),
        ("{a=\"b\"} 2", Fault::MetricName),
        ("é 2", Fault::MetricName),
        ("up", Fault::Value),
        ("up one", Fault::Value),
        ("up{a=\"b\"}", Fault::Value),
        ("up 1 soon", Fault::Timestamp),
        ("up 1 1.5", Fault::Timestamp),
        ("up 1 99999999999999999999", Fault::Timestamp),
        ("up 1 2 3", Fault::TrailingText),
        ("up{1a=\"b\"} 1", Fault::LabelName),
        ("up{a:b=\"b\"} 1", Fault::LabelName),
        ("up{a} 1", Fault::LabelName),
        ("up{", Fault::LabelName),
        ("up{,} 1", Fault::LabelName),
        ("up{a=b} 1", Fault::UnquotedLabel),
        ("up{a=\"b} 1", Fault::Unclosed),
        ("up{a=\"b\\", Fault::Unclosed),
        ("up{a=\"b\" c=\"d\"} 1", Fault::Unclosed),
        ("up{a=\"\\t\"} 1", Fault::Escape),
        ("up{a=\"1\",a=\"2\"} 1", Fault::DuplicateLabel),
        ("up 1\r", Fault::Value),
    ] {
        assert_eq!(
            parse(&format!("# fine\nfine 1\n{line}\nfine 2\n")),
            Err(ParseError { line: 3, fault }),
            "{line}"
        );
    }
}

#[test]
fn an_error_reads_as_a_sentence() {
    assert_eq!(
        parse("a 1\nb").unwrap_err().to_string(),
        "line 2 of the exposition has a value that is not a number"
    );
}

#[test]
fn sizes_are_bounded() {
    let fault = |text: &str| parse(text).unwrap_err().fault;

    let long = format!("up{{a=\"{}\"}} 1", "x".repeat(MAX_LINE_BYTES));
    assert_eq!(fault(&long), Fault::LineTooLong);

    let mut labels = String::new();
    for index in 0..=MAX_LABELS {
        write!(labels, "l{index}=\"\",").unwrap();
    }
    assert_eq!(fault(&format!("up{{{labels}}} 1")), Fault::TooManyLabels);

    assert_eq!(
        parse(&"a 1\n".repeat(MAX_SAMPLES)).unwrap().len(),
        MAX_SAMPLES
    );
    assert_eq!(
        fault(&"a 1\n".repeat(MAX_SAMPLES + 1)),
        Fault::TooManySamples
    );
}
