//! A balancer in this process, between whoever tells it what to serve and whoever hears how
//! its targets are.

use std::{path::Path, sync::Arc, time::Duration};

use minicloud_lb::{
    AccessLog, AccessLogFormat, AccessLogOutput, BindError, Config, LoadBalancer, RequestObserver,
    StartError,
};
use minicloud_lb_api::{Report, Snapshot};
use tokio::{sync::watch, time::timeout};

use crate::{
    cli::{BalancingArgs, LogFormat},
    failure::{Exit, Failure},
};

/// A balancer that is silent for longer counts as away.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Binds the listeners of `snapshots`' present value and serves from then on.
pub(super) fn start(
    args: &BalancingArgs,
    request_observer: Option<Arc<dyn RequestObserver>>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
) -> Result<LoadBalancer, Failure> {
    let config = Config {
        request_observer,
        ..config(args)
    };
    LoadBalancer::start(config, snapshots).map_err(|error| {
        let exit = match &error {
            StartError::Bind(BindError::PortInUse(_)) => Exit::InUse,
            StartError::Bind(_) | StartError::AccessLog(_) => Exit::CannotCreate,
            _ => Exit::Failure,
        };
        Failure::balancer(exit, &format_args!("{:#}", anyhow::Error::from(error)))
    })
}

fn config(args: &BalancingArgs) -> Config {
    let mut config = Config::default();
    if !args.bind.is_empty() {
        config.bind.clone_from(&args.bind);
    }
    if let Some(threads) = args.threads {
        config.threads = threads;
    }
    config.availability_zone.clone_from(&args.availability_zone);
    config.access_log = args.access_log.as_deref().map(|path| AccessLog {
        output: match path {
            path if path == Path::new("-") => AccessLogOutput::Stdout,
            path => AccessLogOutput::File(path.to_owned()),
        },
        format: match args.access_log_format {
            LogFormat::Alb => AccessLogFormat::Alb,
            LogFormat::Json => AccessLogFormat::Json,
        },
    });
    config
}

/// Resolves if the balancer ends by itself, which it does only by a bug.
pub(super) async fn failed(balancer: &LoadBalancer) -> Failure {
    let mut reports = balancer.report();
    while reports.changed().await.is_ok() {}
    Failure::balancer_ended()
}

/// Hands on each report at once, and the last one again each second: its age is how the
/// autoscaler knows that the balancer lives. Ends with the balancer.
pub(super) async fn deliver_reports<F: Future<Output = ()>>(
    mut reports: watch::Receiver<Arc<Report>>,
    deliver: impl Fn(Arc<Report>) -> F,
) {
    loop {
        let report = Arc::clone(&reports.borrow_and_update());
        deliver(report).await;
        if let Ok(Err(_)) = timeout(REPORT_INTERVAL, reports.changed()).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use clap::Parser;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::cli::{Cli, Verb};

    #[test]
    fn options_reach_the_balancer() {
        let options = [
            "--availability-zone",
            "b",
            "--threads",
            "3",
            "--bind",
            "::1",
            "--access-log",
        ];
        for role in [&["up"][..], &["lb", "--config", "file"]] {
            let line = ["minicloud"].iter().chain(role).chain(&options);
            let balancing = match Cli::try_parse_from(line).unwrap().verb {
                Verb::Up(args) => args.balancing,
                Verb::Lb(args) => args.balancing,
                other => panic!("{other:?}"),
            };
            let config = config(&balancing);
            assert_eq!(config.availability_zone.as_deref(), Some("b"));
            assert_eq!(config.threads.get(), 3);
            assert_eq!(config.bind, [std::net::Ipv6Addr::LOCALHOST]);
            let log = config.access_log.expect("a log");
            assert_eq!(log.output, AccessLogOutput::Stdout);
        }
        let line = ["minicloud", "up", "--availability-zone", ""];
        assert!(Cli::try_parse_from(line).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn reports_go_each_second_and_at_once_on_change() {
        let (sender, reports) = watch::channel(Arc::new(Report::default()));
        let start = Instant::now();
        let delivered = Cell::new(Vec::new());
        let note = |_: Arc<Report>| {
            let mut times = delivered.take();
            times.push((Instant::now() - start).as_millis());
            delivered.set(times);
            async {}
        };
        let changing = async {
            sleep(Duration::from_millis(2500)).await;
            sender.send_replace(Arc::default());
            sleep(Duration::from_millis(100)).await;
            drop(sender);
        };
        tokio::join!(deliver_reports(reports, note), changing);
        assert_eq!(delivered.take(), [0, 1000, 2000, 2500]);
    }
}
