//! Requests at a fixed rate, whether or not those before them were answered: what many clients
//! that know nothing of each other do.

mod tally;

use std::time::Duration;

use hyper::Method;
use minicloud_autoscaler::{api::Listeners, describe::AutoScalingGroup};
use minicloud_lb_api::{Action, Listener};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use self::tally::Tally;
use super::super::{connect, groups};
use crate::{
    cli::FloodArgs,
    control_api::ControlApi,
    endpoint::Endpoint,
    failure::Failure,
    http_client::{HttpClient, HttpError},
    output::{Screen, print, say},
};

/// Longer than a balancer lets a request wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests without an answer; the next one counts as an error and is not sent. Each has a
/// connection, and a process has 1024 descriptors by default.
const MOST_OPEN: usize = 800;
const REFRESH: Duration = Duration::from_secs(1);

/// What became of a request, and how long after it was due.
type Outcome = Result<Duration, String>;

pub(super) async fn flood(args: FloodArgs) -> Result<(), Failure> {
    let api = connect(&args.connection)?;
    let group = api.group(&args.group).await?;
    let target = match args.target {
        Some(target) => target,
        None => listener_of(&api, &group).await?,
    };
    let (rate, seconds) = (args.rate, args.duration.as_secs_f32());
    say(format_args!(
        "{rate} requests a second to {target} for {seconds} s; Ctrl-C ends it"
    ));
    let mut flood = Flood {
        client: HttpClient::new(target.clone()),
        tally: Tally::default(),
        open: JoinSet::new(),
        began: Instant::now(),
    };
    tokio::select! {
        told = flood.run(&api, &args.group, rate, args.duration) => told,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| Failure::signals(&error))?;
        }
    }
    let tally = flood.tally;
    print(format!("{}: {}\n", args.group, tally.summary()).as_bytes())?;
    match tally.failures() {
        0 => Ok(()),
        _ => Err(Failure::requests_failed(&target, &tally.errors())),
    }
}

/// Where whoever asks for nothing in particular gets to the group.
async fn listener_of(api: &ControlApi, group: &AutoScalingGroup) -> Result<Endpoint, Failure> {
    let Listeners { listeners } = api.read("/v1/listeners").await?;
    let found = listeners.iter().find(|listener| leads_to(listener, group));
    let name = &group.auto_scaling_group_name;
    let listener = found.ok_or_else(|| Failure::no_listener(name))?;
    Ok(Endpoint::Tcp {
        host: "127.0.0.1".to_owned(),
        port: listener.port,
    })
}

fn leads_to(listener: &Listener, group: &AutoScalingGroup) -> bool {
    let Action::Forward(forward) = &listener.default_action else {
        return false;
    };
    let mut targets = forward.target_groups.iter();
    targets.any(|tuple| group.target_group_names.contains(&tuple.target_group))
}

struct Flood {
    client: HttpClient,
    tally: Tally,
    open: JoinSet<Outcome>,
    began: Instant,
}

impl Flood {
    /// Sends until the time is over, then waits for the answers.
    async fn run(&mut self, api: &ControlApi, group: &str, rate: u32, time: Duration) {
        let mut due = interval(Duration::from_secs(1) / rate);
        // Those that are late are sent at once: a busy machine gets what was announced.
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut refresh = interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = self.began + time;
        let mut screen = Screen::new();
        loop {
            tokio::select! {
                () = sleep_until(end) => break,
                at = due.tick() => self.send(at),
                Some(outcome) = self.open.join_next() => {
                    self.count(outcome.unwrap_or_else(|error| Err(error.to_string())));
                }
                _ = refresh.tick() => {
                    let group = api.group(group).await.ok();
                    self.draw(&mut screen, group.as_ref());
                }
            }
        }
        while let Some(outcome) = self.open.join_next().await {
            self.count(outcome.unwrap_or_else(|error| Err(error.to_string())));
        }
    }

    fn send(&mut self, at: Instant) {
        if self.open.len() >= MOST_OPEN {
            self.count(Err("not sent".to_owned()));
            return;
        }
        let client = self.client.clone();
        self.open.spawn(async move {
            let answer = client.call(Method::GET, "/", None, ANSWER_TIMEOUT).await;
            match answer {
                Ok(answer)
                    if answer.status.is_client_error() || answer.status.is_server_error() =>
                {
                    Err(answer.status.as_u16().to_string())
                }
                // From when it was due: a wait before the sending is the client's wait too.
                Ok(_) => Ok(at.elapsed()),
                Err(error) => Err(why(&error).to_owned()),
            }
        });
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Ok(after) => self.tally.answered(after),
            Err(why) => self.tally.failed(why),
        }
    }

    fn draw(&mut self, screen: &mut Screen, group: Option<&AutoScalingGroup>) {
        let seconds = self.began.elapsed().as_secs();
        let in_service = group.map(groups::in_service);
        let in_service = in_service.map_or("?".to_owned(), |count| count.to_string());
        let (lately, errors) = (self.tally.turn(), self.tally.errors());
        let line = format!(
            "{seconds:>4} s  {lately}, {errors}; {in_service} in service, {} in flight",
            self.open.len()
        );
        screen.draw(|| vec![line.clone()], line.clone(), str::to_owned);
    }
}

fn why(error: &HttpError) -> &'static str {
    match error {
        HttpError::Connect { .. } | HttpError::NoAnswer { .. } => "no connection",
        HttpError::Timeout { .. } => "no answer",
        HttpError::Protocol { .. } => "broken answer",
        HttpError::TooLarge(_) => "endless answer",
    }
}

#[cfg(test)]
mod tests {
    use minicloud_autoscaler::instance::LifecycleState;
    use serde_json::json;

    use super::*;
    use crate::verb::demo::scene::tests::group;

    #[test]
    fn listener_is_the_one_that_leads_to_the_group() {
        let web = group(&[LifecycleState::InService]);
        let listener = |action| {
            let listener = json!({ "load_balancer": "lb", "port": 80, "default_action": action });
            serde_json::from_value::<Listener>(listener).unwrap()
        };
        let forward =
            |to| json!({ "forward": { "target_groups": [{ "target_group": to, "weight": 1 }] } });
        assert!(leads_to(&listener(forward("web")), &web));
        assert!(!leads_to(&listener(forward("api")), &web));
        let fixed = json!({ "fixed_response": { "status_code": 404 } });
        assert!(!leads_to(&listener(fixed), &web));
    }
}
