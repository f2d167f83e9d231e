//! The control API: JSON over HTTP, in AWS's words and snake_case.
//!
//! Which routes there are stands at each handler, from where [`router`] takes path and method
//! and [`document`] the rest; docs/reference/api.md lists them. Besides, for the balancer alone:
//!
//! ```text
//! GET  /internal/v1/snapshot?after=   long poll
//! PUT  /internal/v1/report
//! ```
//!
//! Invariants: whatever a handler refuses is answered with a [`FaultBody`] and has changed
//! nothing; every wait, body, stream and connection has a bound; nothing is answered to a
//! request that [`Access`] does not let pass, a shell's being let pass by its key. The API decides nothing: it shows the loop's
//! view and hands the loop commands. Deliberately absent: TLS, and users with rights.

mod access;
mod activities;
mod body;
mod configuration;
mod document;
mod events;
mod exec;
mod explain;
mod fault;
mod groups;
mod instance_refreshes;
mod instances;
mod internal;
mod key_pairs;
mod launch_templates;
mod load_balancer;
mod logs;
mod metric_statistics;
mod policies;
mod probes;
mod prometheus_sd;
#[cfg(test)]
mod reference;
mod scaling_processes;
mod scheduled_actions;
mod security_groups;
mod segment;
mod serve;
mod shell;
mod shell_frame;
mod stall;
mod standby;
mod target_groups;
#[cfg(test)]
pub(crate) mod tests;
mod wire;

use std::{sync::Arc, time::Duration};

use axum::{
    BoxError, Router,
    error_handling::HandleErrorLayer,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, put},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tower::{ServiceBuilder, limit::GlobalConcurrencyLimitLayer};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::{
    access::{Access, AccessError, Token, TokenError},
    document::document,
    events::EventStreams,
    exec::ExecSessions,
    fault::Fault,
    serve::{Listener, serve},
    shell::SHELL_PROTOCOL,
    shell_frame::{ShellCodec, ShellFrame},
    wire::{
        Activities, AlarmHistoryItems, Alarms, AutoScalingGroups, CancelInstanceRefresh,
        EffectiveConfiguration, ExecFrame, ExecRequest, FaultBody, FaultDetail, InstanceRefreshes,
        InstanceTypeInfo, InstanceTypes, Instances, KeyPairs, LaunchTemplateVersions,
        LaunchTemplates, Listeners, ProbeStatus, RequestFailures, ResolveForeignChanges,
        ScalingPolicies, ScheduledActions, SecurityGroups, ShellRequest, StartInstanceRefresh,
        TargetGroups, TargetHealthDescriptions, TerminateInstance,
    },
};
pub(crate) use self::{
    configuration::in_force,
    fault::{excerpt, method_not_allowed},
    groups::update_capacity,
    instances::{ask, set_protection},
    scaling_processes::{resume_processes, suspend_processes},
};
use crate::{
    command::Command,
    config::{MAX_FILE_BYTES, ProviderKind},
    console::{self, RuleTester, Secret},
    describe::View,
    load_balancer_link::LoadBalancerLink,
    metric_statistics::MetricStatistics,
    store::ActivityHistory,
};

/// A capacity update or a command line; nothing a person sends is near it.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// A report has about 300 bytes a target.
const MAX_REPORT_BYTES: usize = 4 * 1024 * 1024;
/// Requests of one kind at work at once; the next is told to come back.
const MAX_CONCURRENT: usize = 64;
/// Longer than a pass of the loop takes to record a command.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the long poll itself waits, and than an engine takes to start a command.
const LONG_REQUEST_TIMEOUT: Duration = Duration::from_secs(40);

/// What the API shows and whom it asks.
pub struct Api {
    pub view: watch::Receiver<Arc<View>>,
    pub commands: mpsc::Sender<Command>,
    pub sessions: ExecSessions,
    /// What a configuration that is sent must fit.
    pub provider_kind: ProviderKind,
    pub load_balancer: LoadBalancerLink,
    pub events: EventStreams,
    pub history: ActivityHistory,
    pub statistics: MetricStatistics,
    /// What the console seals its sessions and forms with.
    pub secret: Secret,
    /// Tells the console what the balancer's rules make of a request.
    pub rule_tester: Arc<dyn RuleTester>,
    /// Neither API nor console changes anything; only the configuration file does.
    pub read_only: bool,
    /// Renders the Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Ends long polls and streams.
    pub shutdown: CancellationToken,
}

/// Everything, and the console. The balancer's routes are part of it only where `access` says that whoever
/// gets this far is on this machine.
pub fn router(api: Arc<Api>, access: Access) -> Router {
    let public = public_routes().layer(middleware::from_fn_with_state(
        Arc::clone(&api),
        access::refuse_changes,
    ));
    let routes = match access.serves_balancer() {
        true => public.merge(balancer_routes()),
        false => public,
    };
    let console = console::router(Arc::clone(&api), access.clone());
    finish(routes, api, access).merge(console)
}

/// The two routes that the balancer needs, for a socket that only the balancer can open: it
/// faces the world and must not be able to change capacity or run commands.
pub fn load_balancer_router(api: Arc<Api>) -> Router {
    let routes = balancer_routes().routes(routes!(probes::healthz));
    finish(routes, api, Access::Socket)
}

type Routes = OpenApiRouter<Arc<Api>>;

/// What anybody may use: the document has all of it.
fn public_routes() -> Routes {
    let short = OpenApiRouter::default()
        .routes(routes!(groups::status))
        .routes(routes!(groups::list))
        .routes(routes!(groups::show, groups::update))
        .routes(routes!(groups::instances))
        .routes(routes!(groups::decision))
        .routes(routes!(metric_statistics::show))
        .routes(routes!(explain::explain))
        .routes(routes!(instances::protect))
        .routes(routes!(standby::enter))
        .routes(routes!(standby::exit))
        .routes(routes!(instances::resolve))
        .routes(routes!(scaling_processes::suspend))
        .routes(routes!(scaling_processes::resume))
        .routes(routes!(instances::terminate))
        .routes(routes!(instance_refreshes::list, instance_refreshes::start))
        .routes(routes!(instance_refreshes::cancel))
        .routes(routes!(activities::of_group))
        .routes(routes!(activities::of_all))
        .routes(routes!(scheduled_actions::list))
        .routes(routes!(
            scheduled_actions::show,
            scheduled_actions::put,
            scheduled_actions::delete
        ))
        .routes(routes!(policies::list))
        .routes(routes!(policies::put, policies::delete))
        .routes(routes!(policies::execute))
        .routes(routes!(policies::alarms))
        .routes(routes!(policies::history))
        .routes(routes!(launch_templates::list, launch_templates::create))
        .routes(routes!(launch_templates::modify, launch_templates::delete))
        .routes(routes!(
            launch_templates::versions,
            launch_templates::create_version
        ))
        .routes(routes!(launch_templates::delete_version))
        .routes(routes!(launch_templates::instance_types))
        .routes(routes!(key_pairs::list, key_pairs::create))
        .routes(routes!(key_pairs::delete))
        .routes(routes!(shell::challenge))
        .routes(routes!(target_groups::list))
        .routes(routes!(target_groups::targets))
        .routes(routes!(load_balancer::listeners))
        .routes(routes!(load_balancer::request_failures))
        .routes(routes!(security_groups::list))
        .routes(routes!(configuration::show))
        .routes(routes!(prometheus_sd::discover))
        .routes(routes!(probes::metrics))
        .routes(routes!(probes::readyz));
    let configuration = OpenApiRouter::default()
        .routes(routes!(configuration::plan))
        .routes(routes!(configuration::apply))
        .layer(DefaultBodyLimit::max(MAX_FILE_BYTES));
    let long = OpenApiRouter::default()
        .routes(routes!(exec::exec))
        .routes(routes!(logs::logs))
        .routes(routes!(shell::shell))
        .routes(routes!(events::follow));
    bounded(short, REQUEST_TIMEOUT)
        .merge(bounded(configuration, REQUEST_TIMEOUT))
        .merge(bounded(long, LONG_REQUEST_TIMEOUT))
        .routes(routes!(probes::healthz))
        .routes(routes!(document::show))
}

/// A private matter between two parts of one version: no document has them.
fn balancer_routes() -> Routes {
    let report = OpenApiRouter::default()
        .route("/internal/v1/report", put(internal::report))
        .layer(DefaultBodyLimit::max(MAX_REPORT_BYTES));
    let snapshot = OpenApiRouter::default().route("/internal/v1/snapshot", get(internal::snapshot));
    bounded(report, REQUEST_TIMEOUT).merge(bounded(snapshot, LONG_REQUEST_TIMEOUT))
}

fn finish(routes: Routes, api: Arc<Api>, access: Access) -> Router {
    Router::from(routes)
        .fallback(fault::unknown_path)
        .method_not_allowed_fallback(fault::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(
            Arc::new(access),
            access::guard,
        ))
        .with_state(api)
}

fn bounded(routes: Routes, timeout: Duration) -> Routes {
    routes.layer(
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(|error: BoxError| async move {
                Fault::of_layer(&error)
            }))
            .load_shed()
            .layer(GlobalConcurrencyLimitLayer::new(MAX_CONCURRENT))
            .timeout(timeout),
    )
}
