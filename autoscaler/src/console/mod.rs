//! The console: what the API shows, for people, at the API's address.
//!
//! Pages are rendered here and complete without a script. A page is a list of sections; asked
//! for as an event stream, the same address sends each section anew when it has changed, and the
//! one script puts it in its place. Charts are SVG, drawn from the datapoints of
//! [`metric_statistics`](crate::metric_statistics).
//!
//! Invariants: every page is answered to whom `access::guard` lets pass alone; nothing
//! changes but by a POST that carries the session's token and comes from this origin, and a page
//! that says what will happen comes before it; a page loads nothing from elsewhere, as its
//! Content-Security-Policy has it. Whatever comes from outside reaches a page through askama's
//! escaping. Deliberately absent: users with rights, and anything that the API cannot do.

mod access;
mod action;
mod activities;
mod asset;
mod chart;
mod configuration;
mod group;
mod instances;
mod live;
mod load_balancer;
mod notice;
mod overview;
mod page;
mod rule_tester;
mod session;
#[cfg(test)]
mod tests;
mod text;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    error_handling::HandleErrorLayer,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};

use self::{access::Guard, live::LiveStreams};
use tower::{ServiceBuilder, limit::GlobalConcurrencyLimitLayer};

pub use self::{
    rule_tester::{RuleQuestion, RuleTester, RuleVerdict, TestedRule},
    session::Secret,
};
use crate::api::{self, Access, Api};

/// Pages at work at once; the next is told to come back.
const MAX_CONCURRENT: usize = 64;
/// For a page to be there; an action is recorded well within it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A form has a few numbers and a token.
const MAX_FORM_BYTES: usize = 8 * 1024;

/// What pages are made from.
pub(crate) struct Console {
    api: Arc<Api>,
    guard: Guard,
    streams: LiveStreams,
}

/// Every page, asset and action; to be merged with the API's own routes.
pub(crate) fn router(api: Arc<Api>, access: Access) -> Router {
    let console = Arc::new(Console {
        guard: Guard::new(access, api.secret.clone()),
        streams: LiveStreams::new(),
        api,
    });
    Router::new()
        .route("/", get(overview::show))
        .route("/groups/{name}", get(group::show))
        .route("/instances", get(instances::list))
        .route("/instances/{id}", get(instances::show))
        .route("/load-balancer", get(load_balancer::show))
        .route("/activities", get(activities::show))
        .route("/configuration", get(configuration::show))
        .route(
            "/groups/{name}/{action}",
            get(action::ask_of_group).post(action::act_on_group),
        )
        .route(
            "/instances/{id}/{action}",
            get(action::ask_of_instance).post(action::act_on_instance),
        )
        .route("/login", get(access::form).post(access::log_in))
        .route("/logout", post(access::log_out))
        .route("/assets/{name}", get(asset::show))
        // Who sends these is a program.
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&console),
            access::guard,
        ))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(page::of_layer))
                .load_shed()
                .layer(GlobalConcurrencyLimitLayer::new(MAX_CONCURRENT))
                .timeout(REQUEST_TIMEOUT),
        )
        .with_state(console)
}
