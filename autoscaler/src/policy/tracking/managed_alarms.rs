use std::time::Duration;

use super::{aws, fast};
use crate::{
    config::Pace,
    scaling_policy::{
        ComparisonOperator, MetricAlarm, Statistic, TargetTracking, TreatMissingData,
    },
};

/// The alarms that target tracking keeps for itself, high and low. At `pace: aws` they are
/// what it acts on; at `pace: fast` they show its rules, which look at each second.
pub fn managed_alarms(policy: &TargetTracking, pace: Pace) -> [MetricAlarm; 2] {
    let alarm = |comparison_operator, factor, period, evaluation_periods| MetricAlarm {
        metric: policy.metric.clone(),
        statistic: Statistic::Average,
        comparison_operator,
        threshold: policy.target_value * factor,
        period,
        evaluation_periods,
        datapoints_to_alarm: Some(evaluation_periods),
        treat_missing_data: TreatMissingData::Missing,
    };
    let (high, low) = (
        ComparisonOperator::GreaterThanThreshold,
        ComparisonOperator::LessThanThreshold,
    );
    match pace {
        Pace::Fast => [
            alarm(high, fast::SCALE_OUT_TOLERANCE, fast::SCALE_OUT_WINDOW, 1),
            alarm(low, fast::SCALE_IN_MARGIN, fast::SCALE_IN_WINDOW, 1),
        ],
        Pace::Aws => {
            const PERIOD: Duration = aws::PERIOD;
            [
                alarm(high, 1.0, PERIOD, aws::HIGH_DATAPOINTS),
                alarm(low, aws::LOW_FACTOR, PERIOD, aws::LOW_DATAPOINTS),
            ]
        }
    }
}
