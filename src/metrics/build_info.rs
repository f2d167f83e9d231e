use prometheus::{IntGauge, Opts, Registry};

/// 1, with the version as a label, as `prometheus_build_info` has it.
pub(super) fn build_info() -> prometheus::Result<IntGauge> {
    let opts = Opts::new(
        "minicloud_build_info",
        "1, with the version of the minicloud that runs.",
    );
    let gauge = IntGauge::with_opts(opts.const_label("version", env!("CARGO_PKG_VERSION")))?;
    gauge.set(1);
    Ok(gauge)
}

/// For the one registry of a process that is scraped.
///
/// # Errors
/// It is in there already, which is a bug.
pub(crate) fn register_build_info(registry: &Registry) -> prometheus::Result<()> {
    registry.register(Box::new(build_info()?))
}
