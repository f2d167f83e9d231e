use std::time::Duration;

use hyper::Uri;

use super::{
    AdjustmentType, CustomizedMetric, MetricAlarm, MetricSpecification, PolicyKind,
    PredefinedMetric, ScalingPolicy, SimpleScaling, StepAdjustment, StepScaling, TargetTracking,
};

/// `XmlStringMaxLen255`.
pub const MAX_POLICY_NAME: usize = 255;
/// AWS's quota of step adjustments per policy.
pub const MAX_STEP_ADJUSTMENTS: usize = 20;
/// `TargetValue`: "up to 1.174271e+108".
const MAX_TARGET_VALUE: f64 = 1.174271e108;
/// An alarm remembers one figure for each.
const MAX_EVALUATION_PERIODS: u32 = 1440;
/// CloudWatch: period times evaluation periods is a week at most, a day for short periods.
const LONGEST_EVALUATION: Duration = Duration::from_secs(7 * 86_400);
const LONGEST_QUICK_EVALUATION: Duration = Duration::from_secs(86_400);
/// Two hours, EC2 Auto Scaling's own bound on waiting for an instance.
const LONGEST_WAIT: Duration = Duration::from_secs(7200);
/// Longer than any PromQL that one would maintain in this place.
const MAX_TEXT: usize = 4096;
const MAX_LABELS: usize = 30;

/// Something wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct PolicyFault {
    /// From the policy on: `step_scaling.step_adjustments[1].scaling_adjustment`.
    pub path: String,
    pub message: String,
}

impl PolicyFault {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

/// 1 to 255 characters, none a control character but those of XML's white space.
pub fn check_policy_name(name: &str) -> Result<(), PolicyFault> {
    let is_valid = |c: char| c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}';
    let length = name.chars().count();
    if (1..=MAX_POLICY_NAME).contains(&length) && name.chars().all(is_valid) {
        return Ok(());
    }
    Err(PolicyFault::new(
        "name",
        format!("a policy's name has 1 to {MAX_POLICY_NAME} characters and no control character"),
    ))
}

impl ScalingPolicy {
    /// Everything wrong with the policy by itself.
    pub fn faults(&self) -> Vec<PolicyFault> {
        let mut faults = Vec::new();
        // The body of a request has its name in the path.
        if !self.name.is_empty() {
            faults.extend(check_policy_name(&self.name).err());
        }
        let (key, inner) = match &self.kind {
            PolicyKind::TargetTracking(tracking) => ("target_tracking", tracking.faults()),
            PolicyKind::StepScaling(step) => ("step_scaling", step.faults()),
            PolicyKind::SimpleScaling(simple) => ("simple_scaling", simple.faults()),
        };
        faults.extend(inner.into_iter().map(|fault| PolicyFault {
            path: format!("{key}.{}", fault.path),
            ..fault
        }));
        faults
    }

    /// What is wrong with the policy in a group with these target groups.
    pub fn faults_in_group(&self, target_groups: &[String]) -> Vec<PolicyFault> {
        let path = match self.kind {
            PolicyKind::TargetTracking(_) => "target_tracking",
            PolicyKind::StepScaling(_) => "step_scaling.alarm",
            PolicyKind::SimpleScaling(_) => "simple_scaling.alarm",
        };
        let MetricSpecification::Predefined {
            metric,
            resource_label,
        } = self.metric()
        else {
            return Vec::new();
        };
        if metric.needs_target_group() && target_groups.is_empty() {
            let message = format!(
                "{metric} is measured at a target group, and the group has none; add target_groups"
            );
            return vec![PolicyFault::new(format!("{path}.metric"), message)];
        }
        match resource_label {
            Some(label) if !target_groups.contains(label) => {
                let message = format!(
                    "the group's instances are not registered with `{label}`; its target groups are: {}",
                    target_groups.join(", ")
                );
                vec![PolicyFault::new(format!("{path}.resource_label"), message)]
            }
            _ => Vec::new(),
        }
    }
}

impl TargetTracking {
    fn faults(&self) -> Vec<PolicyFault> {
        let mut faults = metric_faults(&self.metric);
        if let MetricSpecification::Predefined { metric, .. } = self.metric
            && !metric.can_be_tracked()
        {
            faults.push(PolicyFault::new(
                "metric",
                format!(
                    "{metric} does not fall as instances are added in proportion: use it in an alarm of step_scaling"
                ),
            ));
        }
        let highest = match self.metric.is(PredefinedMetric::AsgAverageCpuUtilization) {
            true => 100.0,
            false => MAX_TARGET_VALUE,
        };
        if !(self.target_value > 0.0 && self.target_value <= highest) {
            let most = match highest > 100.0 {
                true => "1.174271e108",
                false => "100",
            };
            let message = format!(
                "`{}` is out of range; write more than 0, up to {most}",
                self.target_value
            );
            faults.push(PolicyFault::new("target_value", message));
        }
        faults.extend(wait_fault("scale_in_cooldown", self.scale_in_cooldown));
        faults.extend(wait_fault(
            "estimated_instance_warmup",
            self.estimated_instance_warmup,
        ));
        faults
    }
}

impl StepScaling {
    fn faults(&self) -> Vec<PolicyFault> {
        let mut faults = alarm_faults(&self.alarm);
        faults.extend(magnitude_fault(
            self.adjustment_type,
            self.min_adjustment_magnitude,
        ));
        for (index, step) in self.step_adjustments.iter().enumerate() {
            faults.extend(adjustment_fault(
                format!("step_adjustments[{index}].scaling_adjustment"),
                self.adjustment_type,
                step.scaling_adjustment,
            ));
        }
        faults.extend(step_fault(&self.step_adjustments));
        faults.extend(wait_fault(
            "estimated_instance_warmup",
            self.estimated_instance_warmup,
        ));
        faults
    }
}

impl SimpleScaling {
    fn faults(&self) -> Vec<PolicyFault> {
        let mut faults = alarm_faults(&self.alarm);
        faults.extend(magnitude_fault(
            self.adjustment_type,
            self.min_adjustment_magnitude,
        ));
        faults.extend(adjustment_fault(
            "scaling_adjustment".to_owned(),
            self.adjustment_type,
            self.scaling_adjustment,
        ));
        faults.extend(wait_fault("cooldown", self.cooldown));
        faults
    }
}

fn wait_fault(path: &str, wait: Option<Duration>) -> Option<PolicyFault> {
    wait.filter(|wait| *wait > LONGEST_WAIT)
        .map(|_| PolicyFault::new(path, "at most 7200 seconds"))
}

fn adjustment_fault(path: String, kind: AdjustmentType, adjustment: i32) -> Option<PolicyFault> {
    (kind == AdjustmentType::ExactCapacity && adjustment < 0).then(|| {
        PolicyFault::new(
            path,
            "for ExactCapacity, you must specify a non-negative value",
        )
    })
}

fn magnitude_fault(kind: AdjustmentType, magnitude: Option<u32>) -> Option<PolicyFault> {
    let message = match magnitude? {
        0 => "at least 1",
        _ if kind != AdjustmentType::PercentChangeInCapacity => {
            "MinAdjustmentMagnitude is only supported with PercentChangeInCapacity"
        }
        _ => return None,
    };
    Some(PolicyFault::new("min_adjustment_magnitude", message))
}

/// The rules of `StepAdjustment`, in the words of AWS's API reference.
fn step_fault(steps: &[StepAdjustment]) -> Option<PolicyFault> {
    let refuse = |message: &str| Some(PolicyFault::new("step_adjustments", message));
    if !(1..=MAX_STEP_ADJUSTMENTS).contains(&steps.len()) {
        return Some(PolicyFault::new(
            "step_adjustments",
            format!("a step scaling policy has 1 to {MAX_STEP_ADJUSTMENTS} step adjustments"),
        ));
    }
    let low = |step: &StepAdjustment| {
        step.metric_interval_lower_bound
            .unwrap_or(f64::NEG_INFINITY)
    };
    let high = |step: &StepAdjustment| step.metric_interval_upper_bound.unwrap_or(f64::INFINITY);
    let is_open_below = |step: &&StepAdjustment| step.metric_interval_lower_bound.is_none();
    let is_open_above = |step: &&StepAdjustment| step.metric_interval_upper_bound.is_none();
    if steps.iter().any(|step| {
        let bounds = [
            step.metric_interval_lower_bound,
            step.metric_interval_upper_bound,
        ];
        bounds.into_iter().flatten().any(|bound| !bound.is_finite())
    }) {
        return refuse("a bound must be a finite number; leave it out for infinity");
    }
    if steps
        .iter()
        .any(|step| is_open_below(&step) && is_open_above(&step))
    {
        return refuse("the upper and lower bound can't be null in the same step adjustment");
    }
    if steps.iter().filter(is_open_below).count() > 1 {
        return refuse("at most one step adjustment can have a null lower bound");
    }
    if steps.iter().filter(is_open_above).count() > 1 {
        return refuse("at most one step adjustment can have a null upper bound");
    }
    if steps.iter().any(|step| low(step) >= high(step)) {
        return refuse("the upper bound must be greater than the lower bound");
    }
    let mut sorted = steps.to_vec();
    sorted.sort_by(|one, other| low(one).total_cmp(&low(other)));
    for pair in sorted.windows(2) {
        let (below, above) = (high(&pair[0]), low(&pair[1]));
        if below > above {
            return refuse("the ranges of your step adjustments can't overlap");
        }
        if below < above {
            return refuse("the ranges of your step adjustments can't have a gap");
        }
    }
    if steps.iter().any(|step| low(step) < 0.0) && !steps.iter().any(|step| is_open_below(&step)) {
        return refuse(
            "if one step adjustment has a negative lower bound, then there must be a step adjustment with a null lower bound",
        );
    }
    if steps.iter().any(|step| high(step) > 0.0) && !steps.iter().any(|step| is_open_above(&step)) {
        return refuse(
            "if one step adjustment has a positive upper bound, then there must be a step adjustment with a null upper bound",
        );
    }
    None
}

fn alarm_faults(alarm: &MetricAlarm) -> Vec<PolicyFault> {
    let mut faults = metric_faults(&alarm.metric);
    let seconds = alarm.period.as_secs();
    if !(matches!(seconds, 10 | 20 | 30) || (seconds > 0 && seconds.is_multiple_of(60)))
        || alarm.period.subsec_nanos() > 0
        || alarm.period > LONGEST_QUICK_EVALUATION
    {
        faults.push(PolicyFault::new(
            "period",
            "a period is 10, 20 or 30 seconds, or a multiple of 60 up to a day",
        ));
    }
    let periods = alarm.evaluation_periods;
    if !(1..=MAX_EVALUATION_PERIODS).contains(&periods) {
        faults.push(PolicyFault::new(
            "evaluation_periods",
            format!("1 to {MAX_EVALUATION_PERIODS}"),
        ));
    }
    let longest = match seconds < 60 {
        true => LONGEST_QUICK_EVALUATION,
        false => LONGEST_EVALUATION,
    };
    if alarm.period.saturating_mul(periods) > longest {
        faults.push(PolicyFault::new(
            "evaluation_periods",
            "period times evaluation_periods is at most a week, and a day for periods below 60 seconds",
        ));
    }
    if !(1..=periods.max(1)).contains(&alarm.datapoints_to_alarm()) {
        faults.push(PolicyFault::new(
            "datapoints_to_alarm",
            format!("1 to evaluation_periods, which is {periods}"),
        ));
    }
    if !alarm.threshold.is_finite() {
        faults.push(PolicyFault::new("threshold", "a finite number"));
    }
    let inside = |fault: PolicyFault| PolicyFault {
        path: format!("alarm.{}", fault.path),
        ..fault
    };
    faults.into_iter().map(inside).collect()
}

fn metric_faults(specification: &MetricSpecification) -> Vec<PolicyFault> {
    match specification {
        MetricSpecification::Predefined {
            metric,
            resource_label: Some(_),
        } if *metric != PredefinedMetric::AlbRequestCountPerTarget => vec![PolicyFault::new(
            "resource_label",
            "only ALBRequestCountPerTarget has one",
        )],
        MetricSpecification::Predefined { .. } => Vec::new(),
        MetricSpecification::Customized(metric) => customized_faults(metric),
    }
}

fn customized_faults(metric: &CustomizedMetric) -> Vec<PolicyFault> {
    let (key, url) = match metric {
        CustomizedMetric::Scrape(scrape) => ("scrape", &scrape.url),
        CustomizedMetric::PrometheusQuery(query) => ("prometheus_query", &query.url),
    };
    let at = |field: &str, message: &str| {
        PolicyFault::new(format!("customized_metric.{key}.{field}"), message)
    };
    let mut faults = Vec::new();
    if let Err(message) = check_url(url) {
        faults.push(at("url", message));
    }
    match metric {
        CustomizedMetric::Scrape(scrape) => {
            if !is_metric_name(&scrape.metric_name) {
                let message = "not a metric's name: letters, digits, _ and :, no digit first";
                faults.push(at("metric_name", message));
            }
            if scrape.labels.len() > MAX_LABELS
                || scrape.labels.iter().any(|(name, value)| {
                    !is_metric_name(name) || name.contains(':') || value.len() > MAX_TEXT
                })
            {
                faults.push(at("labels", "up to 30 labels by name, with their values"));
            }
        }
        CustomizedMetric::PrometheusQuery(query) => {
            if query.query.trim().is_empty() || query.query.len() > MAX_TEXT {
                faults.push(at("query", "PromQL of 1 to 4096 characters"));
            }
            if query.url.contains('?') {
                faults.push(at("url", "the server's address alone, without a query"));
            }
        }
    }
    faults
}

fn check_url(url: &str) -> Result<(), &'static str> {
    const FORM: &str = "an address such as http://127.0.0.1:9100/metrics";
    if url.len() > MAX_TEXT || url.contains('#') {
        return Err(FORM);
    }
    let uri: Uri = url.parse().map_err(|_| FORM)?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) if !authority.as_str().contains('@') => Ok(()),
        (Some("https"), _) => {
            Err("only plain http is read; put what speaks https behind a proxy of yours")
        }
        _ => Err(FORM),
    }
}

fn is_metric_name(name: &str) -> bool {
    name.len() <= MAX_POLICY_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'))
}
