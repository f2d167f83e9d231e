use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What becomes of what somebody else did to a group's instances: removed, stopped or started
/// one by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForeignChanges {
    /// The group goes back to what it should have.
    #[default]
    Revert,
    /// The desired capacity follows, within its bounds.
    Adopt,
    /// Nothing, until it is undone or somebody says which of the two.
    Report,
}
