//! Prints what the agent would, and what a sample costs:
//! `cargo run --release -p minicloud-agent --example probe -- CGROUP_ROOT SAMPLES [processes]`

use std::time::Duration;

use minicloud_agent::{Agent, Config};
use rustix::time::{ClockId, clock_gettime};
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_millis(20);

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "this is what it is for")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let samples: u32 = args.get(2).map_or(Ok(1), |text| text.parse())?;
    let config = Config {
        cgroup_root: args.get(1).map_or("/sys/fs/cgroup", |root| root).into(),
        interval: INTERVAL,
        processes: args.get(3).is_some_and(|word| word == "processes"),
        ..Config::default()
    };
    let agent = Agent::start(config, CancellationToken::new())?;
    agent.sampled().await;
    let used = || Duration::try_from(clock_gettime(ClockId::ProcessCPUTime));
    let before = used()?;
    tokio::time::sleep(INTERVAL * samples).await;
    let each = (used()? - before) / samples;
    print!("{}", agent.metrics_text());
    println!("# {} us of CPU for a sample", each.as_micros());
    Ok(())
}
