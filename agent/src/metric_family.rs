use minicloud_agent_api::Kind;

/// A metric that the agent can expose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricFamily {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    /// Those that a sample may have.
    pub labels: &'static [&'static str],
}

impl MetricFamily {
    pub(crate) const fn counter(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        let kind = Kind::Counter;
        Self {
            name,
            kind,
            help,
            labels,
        }
    }

    pub(crate) const fn gauge(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        let kind = Kind::Gauge;
        Self {
            name,
            kind,
            help,
            labels,
        }
    }
}
