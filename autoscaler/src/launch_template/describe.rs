//! What the control API takes and answers: botocore's `ec2` shapes in snake_case.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::VersionSelector;

/// `LaunchTemplate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LaunchTemplateDescription {
    pub launch_template_id: String,
    pub launch_template_name: String,
    pub create_time: Timestamp,
    /// `configuration-file` or `control-api`.
    pub created_by: String,
    pub default_version_number: u64,
    pub latest_version_number: u64,
}

/// `LaunchTemplateVersion`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LaunchTemplateVersionDescription {
    pub launch_template_id: String,
    pub launch_template_name: String,
    pub version_number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_description: Option<String>,
    pub create_time: Timestamp,
    pub created_by: String,
    pub default_version: bool,
    /// In the words of the configuration file's `launch_templates.NAME`.
    #[schema(value_type = Object)]
    pub launch_template_data: Value,
}

/// `CreateLaunchTemplate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateLaunchTemplate {
    pub launch_template_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_description: Option<String>,
    #[schema(value_type = Object)]
    pub launch_template_data: Map<String, Value>,
}

/// `CreateLaunchTemplateVersion`: the source version with the given members replaced, or the
/// given members alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateLaunchTemplateVersion {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub source_version: Option<VersionSelector>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_description: Option<String>,
    #[schema(value_type = Object)]
    pub launch_template_data: Map<String, Value>,
}

/// `ModifyLaunchTemplate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModifyLaunchTemplate {
    #[schema(value_type = String)]
    pub default_version: VersionSelector,
}
