//! What instances write, each line with the instance that wrote it.

mod line;

use std::{
    collections::BTreeSet,
    io::{self, IsTerminal},
    time::Duration,
};

use anstyle::AnsiColor;
use http_body_util::BodyExt;
use minicloud_autoscaler::{describe::AutoScalingGroup, instance::InstanceId};
use tokio::{sync::mpsc, task::JoinSet, time::sleep};

use self::line::{Lines, shown};
use super::connect;
use crate::{
    cli::LogsArgs,
    control_api::ControlApi,
    failure::{Exit, Failure},
    output::{has_colors, print_raw, say},
};

/// How soon an instance that was launched meanwhile is followed too.
const LOOK: Duration = Duration::from_secs(2);
/// Lines that wait for a terminal that is slow; the reading is held up beyond.
const QUEUE: usize = 64;
/// Of instances, in turn; red means that something is wrong.
const COLORS: [AnsiColor; 5] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
];

pub(crate) async fn run(args: LogsArgs) -> Result<(), Failure> {
    let api = connect(&args.connection)?;
    tokio::select! {
        ended = read(&api, &args) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| Failure::signals(&error))
        }
    }
}

async fn read(api: &ControlApi, args: &LogsArgs) -> Result<(), Failure> {
    let (lines, mut written) = mpsc::channel(QUEUE);
    let reader = Reader {
        api: api.clone(),
        tail: args.tail,
        follow: args.follow,
        is_terminal: io::stdout().is_terminal(),
        lines,
    };
    // An instance is written as `i-` and a number; a group that is called so is read as one.
    let reading = async {
        match args.of.parse::<InstanceId>() {
            Ok(id) => reader.log(&id, "").await,
            Err(_) => reader.group(&args.of).await,
        }
    };
    let printing = async {
        while let Some(line) = written.recv().await {
            if !print_raw(&line)? {
                return Ok(());
            }
        }
        // What the reading has come to is told by itself.
        std::future::pending().await
    };
    let mut reading = Box::pin(reading);
    let ended = tokio::select! {
        ended = &mut reading => ended,
        printed = printing => return printed,
    };
    drop(reading);
    drop(reader);
    while let Some(line) = written.recv().await {
        if !print_raw(&line)? {
            break;
        }
    }
    ended
}

#[derive(Clone)]
struct Reader {
    api: ControlApi,
    tail: u32,
    follow: bool,
    is_terminal: bool,
    lines: mpsc::Sender<Vec<u8>>,
}

impl Reader {
    /// The logs of all its instances: one after the other, or together as they are written.
    async fn group(&self, name: &str) -> Result<(), Failure> {
        let mut seen = BTreeSet::new();
        let mut logs = JoinSet::new();
        loop {
            match self.api.group(name).await {
                Ok(group) => self.begin(&group, &mut seen, &mut logs),
                // Those that are followed say so.
                Err(failure) if failure.exit == Exit::Unreachable && !seen.is_empty() => {}
                Err(failure) => return Err(failure),
            }
            if !self.follow {
                return joined(logs).await;
            }
            sleep(LOOK).await;
            while let Some(ended) = logs.try_join_next() {
                if let Ok(Err(failure)) = ended {
                    say(Failure::what(&failure));
                }
            }
        }
    }

    fn begin(
        &self,
        group: &AutoScalingGroup,
        seen: &mut BTreeSet<InstanceId>,
        logs: &mut JoinSet<Result<(), Failure>>,
    ) {
        for instance in &group.instances {
            let id = instance.instance_id.clone();
            if !seen.insert(id.clone()) {
                continue;
            }
            let color = COLORS[(seen.len() - 1) % COLORS.len()].on_default();
            let prefix = match has_colors() {
                true => format!("{color}{id}{color:#}  "),
                false => format!("{id}  "),
            };
            let reader = self.clone();
            logs.spawn(async move { reader.log(&id, &prefix).await });
        }
    }

    async fn log(&self, id: &InstanceId, prefix: &str) -> Result<(), Failure> {
        let mut log = self.api.logs(id, self.tail, self.follow).await?;
        let mut lines = Lines::default();
        loop {
            let piece = log.response.body_mut().frame().await;
            match piece {
                Some(Ok(frame)) => lines.push(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(Failure::log_lost(id, &error)),
                None => lines.end(),
            }
            while let Some(line) = lines.next() {
                let line = shown(prefix, &line, self.is_terminal);
                if self.lines.send(line).await.is_err() {
                    return Ok(());
                }
            }
            if lines.has_ended() {
                return Ok(());
            }
        }
    }
}

async fn joined(mut logs: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    let mut result = Ok(());
    while let Some(ended) = logs.join_next().await {
        result = result.and(ended.unwrap_or(Ok(())));
    }
    result
}
