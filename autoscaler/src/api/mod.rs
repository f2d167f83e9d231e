//! The control API: JSON over HTTP, in AWS's words and snake_case.
//!
//! ```text
//! GET        /v1/status                          the whole view
//! GET        /v1/groups                          {"auto_scaling_groups": [..]}
//! GET, PATCH /v1/groups/{name}                   one group; PATCH takes a CapacityUpdate
//! GET        /v1/groups/{name}/instances         {"instances": [..]}
//! PUT        /v1/groups/{name}/instances/protection  SetInstanceProtection
//! POST       /v1/groups/{name}/foreign-changes   says what becomes of them
//! GET        /v1/groups/{name}/activities        {"activities": [..], "next_token"?}, newest first
//! GET        /v1/activities                      those of all groups; both take ?max_records=,
//!                                                next_token= and include_deleted_groups=
//! GET        /v1/groups/{name}/scheduled-actions {"scheduled_update_group_actions": [..]}
//! GET, PUT, DELETE  ../scheduled-actions/{action} one; PUT takes a ScheduledActionSpec
//! GET        /v1/groups/{name}/explain           why it did or did not act
//! GET        /v1/events                          server-sent events, ?auto_scaling_group_name=
//! GET        /v1/groups/{name}/decision          the last decision with its inputs
//! GET, POST  /v1/launch-templates                {"launch_templates": [..]}; POST makes one
//! PATCH, DELETE /v1/launch-templates/{name}      its default version; or the whole template
//! GET, POST  /v1/launch-templates/{name}/versions  {"launch_template_versions": [..]}; POST adds one
//! DELETE     /v1/launch-templates/{name}/versions/{number}
//! GET, POST  /v1/key-pairs                       {"key_pairs": [..]}; POST makes or imports one
//! DELETE     /v1/key-pairs/{name}
//! GET        /v1/instance-types                  {"instance_types": [..]}
//! GET        /v1/groups/{name}/policies          {"scaling_policies": [..]}
//! PUT, DELETE /v1/groups/{name}/policies/{policy}          PutScalingPolicy, DeletePolicy
//! POST       /v1/groups/{name}/policies/{policy}/execute   ExecutePolicy
//! GET        /v1/alarms                          {"metric_alarms": [..]}
//! GET        /v1/alarms/{name}/history           {"alarm_history_items": [..]}, newest first
//! GET        /v1/target-groups                   {"target_groups": [..]}
//! GET        /v1/target-groups/{name}/targets    {"target_health_descriptions": [..]}
//! GET        /v1/listeners                       {"listeners": [..]}, with their rules
//! GET        /v1/request-failures                {"request_failures": [..]}, newest first
//! GET        /v1/security-groups                 {"security_groups": [..]}
//! POST       /v1/instances/{id}/exec             runs a command, streams its output
//! GET        /v1/instances/{id}/logs             what it wrote; ?tail= lines, follow=true goes on
//! POST       /v1/plan                            what a configuration file (YAML) would change
//! POST       /v1/apply?fingerprint=              puts it in force, if that is what was planned
//! POST       /v1/instances/{id}/shell/challenge  {"nonce": .., "expires_in_seconds": ..}
//! POST       /v1/instances/{id}/shell            takes a ShellRequest, becomes a stream of frames
//! POST       /v1/instances/{id}/terminate        TerminateInstanceInAutoScalingGroup
//! GET        /healthz  /readyz  /metrics
//! GET        /internal/v1/snapshot?after=        for the balancer: long poll
//! PUT        /internal/v1/report                 for the balancer
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
mod events;
mod exec;
mod explain;
mod fault;
mod groups;
mod instances;
mod internal;
mod key_pairs;
mod launch_templates;
mod load_balancer;
mod logs;
mod policies;
mod probes;
mod scheduled_actions;
mod security_groups;
mod segment;
mod serve;
mod shell;
mod shell_frame;
mod stall;
mod target_groups;
#[cfg(test)]
mod tests;
mod wire;

use std::{sync::Arc, time::Duration};

use axum::{
    BoxError, Router,
    error_handling::HandleErrorLayer,
    extract::DefaultBodyLimit,
    middleware,
    routing::{delete, get, patch, post, put},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tower::{ServiceBuilder, limit::GlobalConcurrencyLimitLayer};

pub use self::{
    access::{Access, AccessError, Token, TokenError},
    events::EventStreams,
    exec::ExecSessions,
    fault::Fault,
    serve::{Listener, serve},
    shell::SHELL_PROTOCOL,
    shell_frame::{ShellCodec, ShellFrame},
    wire::{
        Activities, AlarmHistoryItems, Alarms, AutoScalingGroups, ExecFrame, ExecRequest,
        FaultBody, FaultDetail, InstanceTypeInfo, InstanceTypes, Instances, KeyPairs,
        LaunchTemplateVersions, LaunchTemplates, Listeners, RequestFailures, ResolveForeignChanges,
        ScalingPolicies, ScheduledActions, SecurityGroups, ShellRequest, TargetGroups,
        TargetHealthDescriptions, TerminateInstance,
    },
};
use crate::{
    command::Command,
    config::{MAX_FILE_BYTES, ProviderKind},
    describe::View,
    load_balancer_link::LoadBalancerLink,
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
    /// Renders the Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Ends long polls and streams.
    pub shutdown: CancellationToken,
}

/// Everything. The balancer's routes are part of it only where `access` says that whoever
/// gets this far is on this machine.
pub fn router(api: Arc<Api>, access: Access) -> Router {
    let short = Router::new()
        .route("/v1/status", get(groups::status))
        .route("/v1/groups", get(groups::list))
        .route("/v1/groups/{name}", get(groups::show).patch(groups::update))
        .route("/v1/groups/{name}/instances", get(groups::instances))
        .route(
            "/v1/groups/{name}/instances/protection",
            put(instances::protect),
        )
        .route(
            "/v1/groups/{name}/foreign-changes",
            post(instances::resolve),
        )
        .route("/v1/instances/{id}/terminate", post(instances::terminate))
        .route("/v1/groups/{name}/activities", get(activities::of_group))
        .route("/v1/activities", get(activities::of_all))
        .route(
            "/v1/groups/{name}/scheduled-actions",
            get(scheduled_actions::list),
        )
        .route(
            "/v1/groups/{name}/scheduled-actions/{action}",
            get(scheduled_actions::show)
                .put(scheduled_actions::put)
                .delete(scheduled_actions::delete),
        )
        .route("/v1/groups/{name}/explain", get(explain::explain))
        .route("/v1/groups/{name}/decision", get(groups::decision))
        .route(
            "/v1/launch-templates",
            get(launch_templates::list).post(launch_templates::create),
        )
        .route(
            "/v1/launch-templates/{name}",
            patch(launch_templates::modify).delete(launch_templates::delete),
        )
        .route(
            "/v1/launch-templates/{name}/versions",
            get(launch_templates::versions).post(launch_templates::create_version),
        )
        .route(
            "/v1/launch-templates/{name}/versions/{version}",
            delete(launch_templates::delete_version),
        )
        .route(
            "/v1/key-pairs",
            get(key_pairs::list).post(key_pairs::create),
        )
        .route("/v1/key-pairs/{name}", delete(key_pairs::delete))
        .route("/v1/instances/{id}/shell/challenge", post(shell::challenge))
        .route("/v1/instance-types", get(launch_templates::instance_types))
        .route("/v1/groups/{name}/policies", get(policies::list))
        .route(
            "/v1/groups/{name}/policies/{policy}",
            put(policies::put).delete(policies::delete),
        )
        .route(
            "/v1/groups/{name}/policies/{policy}/execute",
            post(policies::execute),
        )
        .route("/v1/alarms", get(policies::alarms))
        .route("/v1/alarms/{name}/history", get(policies::history))
        .route("/v1/target-groups", get(target_groups::list))
        .route(
            "/v1/target-groups/{name}/targets",
            get(target_groups::targets),
        )
        .route("/v1/listeners", get(load_balancer::listeners))
        .route("/v1/request-failures", get(load_balancer::request_failures))
        .route("/v1/security-groups", get(security_groups::list))
        .route("/metrics", get(probes::metrics))
        .route("/readyz", get(probes::readyz));
    let configuration = Router::new()
        .route("/v1/plan", post(configuration::plan))
        .route("/v1/apply", post(configuration::apply))
        .layer(DefaultBodyLimit::max(MAX_FILE_BYTES));
    let long = Router::new()
        .route("/v1/instances/{id}/exec", post(exec::exec))
        .route("/v1/instances/{id}/logs", get(logs::logs))
        .route("/v1/instances/{id}/shell", post(shell::shell))
        .route("/v1/events", get(events::follow));
    let routes = bounded(short, REQUEST_TIMEOUT)
        .merge(bounded(configuration, REQUEST_TIMEOUT))
        .merge(bounded(long, LONG_REQUEST_TIMEOUT))
        .route("/healthz", get(probes::healthz));
    let routes = match access.serves_balancer() {
        true => routes.merge(balancer_routes()),
        false => routes,
    };
    finish(routes, api, access)
}

/// The two routes that the balancer needs, for a socket that only the balancer can open: it
/// faces the world and must not be able to change capacity or run commands.
pub fn load_balancer_router(api: Arc<Api>) -> Router {
    let routes = balancer_routes().route("/healthz", get(probes::healthz));
    finish(routes, api, Access::Socket)
}

type Routes = Router<Arc<Api>>;

fn balancer_routes() -> Routes {
    let report = Router::new()
        .route("/internal/v1/report", put(internal::report))
        .layer(DefaultBodyLimit::max(MAX_REPORT_BYTES));
    let snapshot = Router::new().route("/internal/v1/snapshot", get(internal::snapshot));
    bounded(report, REQUEST_TIMEOUT).merge(bounded(snapshot, LONG_REQUEST_TIMEOUT))
}

fn finish(routes: Routes, api: Arc<Api>, access: Access) -> Router {
    routes
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
