use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How an instance is asked whether it may be taken out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BusyCheck {
    pub question: BusyQuestion,
    /// An answer that takes longer is none.
    #[schema(value_type = Object)]
    pub timeout: Duration,
    /// For how long an answer counts that does not say so itself.
    #[schema(value_type = Object)]
    pub interval: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BusyQuestion {
    /// GET of this path, at the address where the balancer reaches the instance.
    Path(String),
    /// Run inside the instance; exit code 0 means busy.
    Command(Vec<String>),
}
