//! Notifications of launches and terminations to webhooks, in the shape that AWS publishes to
//! a topic, signed after Standard Webhooks.
//!
//! ```text
//! ledger ──activity ends──> outbox (store) ──> courier, one a group and endpoint ──> WebhookClient
//! ```
//!
//! A notification is in the store before it is sent and leaves it when it was taken, or given
//! up: so it may come twice, with the same `webhook-id`, and does not get lost by a restart.

mod configuration;
mod courier;
mod message;
mod signature;

pub(crate) use self::courier::{Courier, Fate, GIVE_UP_AFTER, Outcome, QUEUE};
pub use self::{
    configuration::{EndpointError, NotificationConfiguration, NotificationType, WebhookEndpoint},
    courier::{WebhookClient, WebhookError, WebhookFuture, WebhookRequest},
    message::{Notification, NotifiedActivity},
    signature::{Secret, SecretError, sign},
};
