use super::*;
use crate::scaling_policy::{ComparisonOperator, MetricSpecification, PredefinedMetric};

fn alarm(evaluation_periods: u32, datapoints: u32, treat: TreatMissingData) -> MetricAlarm {
    MetricAlarm {
        metric: MetricSpecification::predefined(PredefinedMetric::QueueLength),
        statistic: Statistic::Average,
        comparison_operator: ComparisonOperator::GreaterThanThreshold,
        threshold: 10.0,
        period: Duration::from_secs(60),
        evaluation_periods,
        datapoints_to_alarm: Some(datapoints),
        treat_missing_data: treat,
    }
}

fn spread(value: f64) -> Spread {
    Spread {
        sum: value,
        count: 1,
        lowest: value,
        highest: value,
        span: Duration::from_secs(60),
    }
}

fn at(start: Instant, second: u64) -> Now {
    Now {
        mono: start + Duration::from_secs(second),
        wall: Timestamp::UNIX_EPOCH + Duration::from_secs(second),
    }
}

/// The state after each period: `X` breaches, `o` does not, `-` is missing; in the answer `A`
/// is ALARM, `O` is OK and `?` INSUFFICIENT_DATA.
fn states(alarm: &MetricAlarm, periods: &str) -> String {
    let start = Instant::now();
    let mut state = AlarmState::default();
    state.advance(alarm, at(start, 0), |_| None);
    let mut seen = String::new();
    for (index, period) in (1..).zip(periods.chars()) {
        let look = match period {
            'X' => Some(spread(11.0)),
            'o' => Some(spread(10.0)),
            _ => None,
        };
        assert!(state.advance(alarm, at(start, 60 * index), |_| look));
        seen.push(match state.value() {
            StateValue::Alarm => 'A',
            StateValue::Ok => 'O',
            StateValue::InsufficientData => '?',
        });
    }
    seen
}

#[test]
fn m_of_n_datapoints_alarm() {
    use TreatMissingData::{Breaching, Ignore, Missing, NotBreaching};
    for (n, m, treat, periods, expected) in [
        (1, 1, Missing, "oXoX", "OAOA"),
        (3, 3, Missing, "XXXoXXX", "??AOOOA"),
        (3, 2, Missing, "XoXXooo", "?OAAAOO"),
        // All missing: nobody knows. Some missing: what is there decides.
        (2, 2, Missing, "XX---o", "?AA??O"),
        (2, 2, Breaching, "o---o", "OOAAO"),
        (2, 2, NotBreaching, "XX--", "?AOO"),
        (2, 2, Ignore, "XX---o", "?AAAAO"),
        (2, 1, Ignore, "o--X-", "OOOAA"),
    ] {
        let alarm = alarm(n, m, treat);
        assert_eq!(
            states(&alarm, periods),
            expected,
            "{m} of {n}, {treat:?}, {periods}"
        );
    }
}

#[test]
fn a_gap_is_missing_data_and_not_idleness() {
    let alarm = alarm(3, 3, TreatMissingData::Missing);
    let start = Instant::now();
    let mut state = AlarmState::default();
    for second in 0..=180 {
        state.advance(&alarm, at(start, second), |_| Some(spread(11.0)));
    }
    assert_eq!(state.value(), StateValue::Alarm);
    // Asleep for an hour: one new datapoint beside two that nobody has seen.
    state.advance(&alarm, at(start, 3780), |_| Some(spread(0.0)));
    assert_eq!(state.datapoints, [None, None, Some(0.0)]);
    assert_eq!(state.value(), StateValue::Ok);
}

#[test]
fn long_periods_are_made_of_parts() {
    let alarm = MetricAlarm {
        period: Duration::from_secs(180),
        statistic: Statistic::Maximum,
        ..alarm(1, 1, TreatMissingData::Missing)
    };
    let start = Instant::now();
    let mut state = AlarmState::default();
    let mut looked = 0;
    for second in 0..=180 {
        let ended = state.advance(&alarm, at(start, second), |window| {
            assert_eq!(window, Duration::from_secs(60));
            looked += 1;
            Some(spread(f64::from(looked)))
        });
        assert_eq!(ended, second == 180, "{second}");
    }
    assert_eq!((looked, state.latest()), (3, Some(3.0)));
}

#[test]
fn transitions_carry_cloudwatchs_words() {
    let alarm = alarm(1, 1, TreatMissingData::Missing);
    let start = Instant::now();
    let mut state = AlarmState::default();
    state.advance(&alarm, at(start, 0), |_| None);
    assert_eq!(state.reason(), "Unchecked: Initial alarm creation");
    for (index, look) in (1..).zip([Some(11.0), Some(12.0), Some(3.0), None]) {
        state.advance(&alarm, at(start, 60 * index), |_| look.map(spread));
    }
    let transitions = state.take_transitions();
    let told: Vec<_> = transitions
        .iter()
        .map(|t| (t.to, t.state_reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (
                StateValue::Alarm,
                "Threshold Crossed: 1 out of the last 1 datapoints [11.0] were greater than the threshold (10.0) (minimum 1 for OK -> ALARM transition)."
            ),
            (
                StateValue::Ok,
                "Threshold Crossed: 1 datapoints [3.0] were not greater than the threshold (10.0)."
            ),
            (
                StateValue::InsufficientData,
                "Insufficient Data: 1 datapoints were unknown."
            ),
        ]
    );
    assert_eq!(state.updated(), Some(at(start, 240).wall));
    assert_eq!(state.take_transitions(), []);
}
