use std::time::Duration;

use minicloud_autoscaler::{
    api::{CancelInstanceRefresh, InstanceRefreshes, StartInstanceRefresh},
    instance_refresh::{
        InstanceRefresh, InstanceRefreshStatus as Status, RefreshPreferences,
        ScaleInProtectedInstances,
    },
};
use tokio::time::{Instant, sleep};

use super::{connect, watch};
use crate::{
    cli::{Protected, RefreshArgs, RefreshesArgs},
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{Listing, Screen, Tone, or_dash, plain, show, word},
};

/// As long as a refresh itself waits for what is in its way.
const WAIT_TIMEOUT: Duration = Duration::from_secs(3600);
const POLL: Duration = Duration::from_millis(250);

pub(crate) async fn run(args: RefreshArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let path = path(&args.group);
    let mut refresh: InstanceRefresh = match args.cancel {
        true => {
            let path = format!("{path}/cancel");
            api.post(&path, &CancelInstanceRefresh {}).await?
        }
        false => {
            let preferences = preferences(&args);
            api.post(&path, &StartInstanceRefresh { preferences })
                .await?
        }
    };
    if args.wait {
        let within = args.reading.connection.timeout.unwrap_or(WAIT_TIMEOUT);
        refresh = ended(&api, &path, refresh, within).await?;
        let is_as_asked = match args.cancel {
            true => refresh.status != Status::Failed,
            false => refresh.status == Status::Successful,
        };
        if !is_as_asked {
            let reason = refresh.status_reason.as_deref();
            return Err(Failure::not_refreshed(&args.group, refresh.status, reason));
        }
    }
    show(args.reading.output, &refresh, |refresh, output| {
        listing().render([refresh], output)
    })
}

pub(crate) async fn list(args: RefreshesArgs) -> Result<(), Failure> {
    let path = path(&args.group);
    let fetch = async |api: &ControlApi| api.read::<InstanceRefreshes>(&path).await;
    watch::read(&args.watching, fetch, |refreshes, output| {
        listing().render(&refreshes.instance_refreshes, output)
    })
    .await
}

fn path(group: &str) -> String {
    format!("/v1/groups/{}/instance-refreshes", segment(group))
}

fn preferences(args: &RefreshArgs) -> RefreshPreferences {
    let default = RefreshPreferences::default();
    RefreshPreferences {
        min_healthy_percentage: args.min_healthy.unwrap_or(default.min_healthy_percentage),
        max_healthy_percentage: args.max_healthy.unwrap_or(default.max_healthy_percentage),
        instance_warmup: args.warmup,
        skip_matching: args.skip_matching,
        scale_in_protected_instances: match args.protected {
            Some(Protected::Refresh) => ScaleInProtectedInstances::Refresh,
            Some(Protected::Ignore) => ScaleInProtectedInstances::Ignore,
            Some(Protected::Wait) | None => ScaleInProtectedInstances::Wait,
        },
    }
}

/// Waits until `refresh` has ended, and tells meanwhile how far it is.
async fn ended(
    api: &ControlApi,
    path: &str,
    mut refresh: InstanceRefresh,
    within: Duration,
) -> Result<InstanceRefresh, Failure> {
    let deadline = Instant::now() + within;
    let mut screen = Screen::new();
    while refresh.status.is_active() {
        let progress = progress(&refresh);
        screen.draw(|| vec![progress.clone()], progress.clone(), str::to_owned);
        if Instant::now() >= deadline {
            let group = &refresh.auto_scaling_group_name;
            return Err(Failure::not_settled(group, &progress, within));
        }
        sleep(POLL).await;
        let all: InstanceRefreshes = api.read(path).await?;
        let mut all = all.instance_refreshes.into_iter();
        let id = &refresh.instance_refresh_id;
        if let Some(found) = all.find(|other| other.instance_refresh_id == *id) {
            refresh = found;
        }
    }
    Ok(refresh)
}

fn progress(refresh: &InstanceRefresh) -> String {
    let waits = refresh.status_reason.iter();
    let waits: String = waits
        .map(|what| format!("; it waits: {}", plain(what)))
        .collect();
    format!(
        "{}: {}, {} % done, {} to replace{waits}",
        refresh.auto_scaling_group_name,
        refresh.status,
        refresh.percentage_complete,
        refresh.instances_to_update
    )
}

pub(super) fn listing() -> Listing<InstanceRefresh> {
    Listing::new(|refresh: &InstanceRefresh| refresh.instance_refresh_id.clone())
        .column("STARTED", |refresh| {
            format!("{:.0}", refresh.start_time).into()
        })
        .column("GROUP", |refresh| {
            refresh.auto_scaling_group_name.clone().into()
        })
        .column("STATUS", |refresh| {
            tone(refresh.status).cell(refresh.status.as_str())
        })
        .column("DONE", |refresh| {
            format!("{} %", refresh.percentage_complete).into()
        })
        .column("TO REPLACE", |refresh| {
            refresh.instances_to_update.to_string().into()
        })
        .column("TEMPLATE", |refresh| {
            let template = &refresh.desired_configuration.launch_template;
            let (name, version) = (&template.launch_template_name, &template.version);
            format!("{name} {version}").into()
        })
        .column("REASON", |refresh| {
            or_dash(refresh.status_reason.as_deref()).into()
        })
        .wide("ENDED", |refresh| {
            let ended = refresh.end_time.map(|end| format!("{end:.0}"));
            or_dash(ended.as_deref()).into()
        })
        .wide("HEALTHY", |refresh| {
            let RefreshPreferences {
                min_healthy_percentage: min,
                max_healthy_percentage: max,
                ..
            } = refresh.preferences;
            format!("{min}-{max} %").into()
        })
        .wide("WARMUP", |refresh| {
            let warmup = refresh.preferences.instance_warmup;
            or_dash(warmup.map(|seconds| format!("{seconds} s")).as_deref()).into()
        })
        .wide("MATCHING", |refresh| {
            match refresh.preferences.skip_matching {
                true => "skipped".into(),
                false => "replaced".into(),
            }
        })
        .wide("PROTECTED", |refresh| {
            word(&refresh.preferences.scale_in_protected_instances).into()
        })
        .wide("ID", |refresh| refresh.instance_refresh_id.clone().into())
}

fn tone(status: Status) -> Tone {
    match status {
        Status::Successful => Tone::Good,
        Status::Failed => Tone::Bad,
        Status::Cancelled => Tone::Faint,
        Status::Pending | Status::InProgress | Status::Cancelling => Tone::Busy,
    }
}
