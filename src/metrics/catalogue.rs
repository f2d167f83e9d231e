//! Every metric that a minicloud can expose, read from the parts themselves.

use minicloud_agent_api::Kind as AgentKind;
use prometheus::{core::Collector, proto::MetricType};

use super::build_info::build_info;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Autoscaler,
    LoadBalancer,
    Agent,
    Process,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) part: Part,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) help: String,
    pub(super) labels: Vec<String>,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// By part, then by name.
pub(super) fn families() -> Vec<Family> {
    let autoscaler = minicloud_autoscaler::metric_collectors().unwrap();
    let balancer = minicloud_lb::metric_collectors().unwrap();
    let process: Vec<Box<dyn Collector>> = vec![Box::new(build_info().unwrap())];
    let agent = minicloud_agent::metric_families().into_iter();
    let mut families: Vec<Family> = [
        (Part::Autoscaler, autoscaler),
        (Part::LoadBalancer, balancer),
        (Part::Process, process),
    ]
    .into_iter()
    .flat_map(|(part, collectors)| {
        let described = collectors.into_iter();
        described.map(move |collector| described_by(part, collector.as_ref()))
    })
    .chain(agent.map(|family| {
        Family {
            part: Part::Agent,
            name: family.name.to_owned(),
            kind: match family.kind {
                AgentKind::Counter => Kind::Counter,
                AgentKind::Gauge => Kind::Gauge,
            },
            help: family.help.to_owned(),
            labels: family
                .labels
                .iter()
                .map(|&label| label.to_owned())
                .collect(),
        }
    }))
    .collect();
    families
        .sort_by(|one, other| (one.part as u8, &one.name).cmp(&(other.part as u8, &other.name)));
    families
}

fn described_by(part: Part, collector: &dyn Collector) -> Family {
    let descriptions = collector.desc();
    let [description] = descriptions[..] else {
        panic!("a collector of several metrics: {descriptions:?}");
    };
    let constant = description.const_label_pairs.iter();
    let constant = constant.map(|pair| pair.name().to_owned());
    let variable = description.variable_labels.iter().cloned();
    Family {
        part,
        name: description.fq_name.clone(),
        // A family without samples still says what it is.
        kind: match collector.collect()[0].get_field_type() {
            MetricType::COUNTER => Kind::Counter,
            MetricType::GAUGE => Kind::Gauge,
            MetricType::HISTOGRAM => Kind::Histogram,
            other => panic!("{}: {other:?} is not used here", description.fq_name),
        },
        help: description.help.clone(),
        labels: variable.chain(constant).collect(),
    }
}
