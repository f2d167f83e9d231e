//! One notification, as AWS's topics get it.

use jiff::Timestamp;
use rand::Rng;
use serde::Serialize;
use serde_json::json;

use super::NotificationType;
use crate::{
    activity::uuid,
    describe::{Activity, ActivityStatus},
};

/// The account that ARNs name: there is one, and it is nobody's.
const ACCOUNT_ID: &str = "000000000000";

/// The body of a notification, with the names and the order that AWS's documentation shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Notification {
    pub service: &'static str,
    pub time: Timestamp,
    pub request_id: String,
    pub event: NotificationType,
    pub account_id: &'static str,
    pub auto_scaling_group_name: String,
    #[serde(rename = "AutoScalingGroupARN")]
    pub auto_scaling_group_arn: String,
    #[serde(flatten)]
    pub activity: Option<NotifiedActivity>,
}

/// What a notification of an activity says besides.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NotifiedActivity {
    pub activity_id: String,
    pub description: String,
    pub cause: String,
    pub start_time: Timestamp,
    pub end_time: Option<Timestamp>,
    pub status_code: ActivityStatus,
    pub status_message: String,
    pub progress: u8,
    #[serde(rename = "EC2InstanceId")]
    pub ec2_instance_id: Option<String>,
    pub details: serde_json::Value,
}

impl Notification {
    /// What is told of an activity that has ended; nothing of one that was not needed after
    /// all, or of an adoption.
    pub fn of_activity(activity: &Activity, now: Timestamp, rng: &mut impl Rng) -> Option<Self> {
        let launch = activity.is_launch();
        let event = match activity.status_code {
            ActivityStatus::Successful if launch => NotificationType::InstanceLaunch,
            ActivityStatus::Failed if launch => NotificationType::InstanceLaunchError,
            ActivityStatus::Successful if activity.is_termination() => {
                NotificationType::InstanceTerminate
            }
            ActivityStatus::Failed if activity.is_termination() => {
                NotificationType::InstanceTerminateError
            }
            _ => return None,
        };
        let mut notification = Self::new(event, &activity.auto_scaling_group_name, now, rng);
        notification.activity = Some(NotifiedActivity {
            activity_id: activity.activity_id.clone(),
            description: activity.description.clone(),
            cause: activity.cause.clone(),
            start_time: activity.start_time,
            end_time: activity.end_time,
            status_code: activity.status_code,
            status_message: activity.status_message.clone().unwrap_or_default(),
            progress: activity.progress,
            ec2_instance_id: activity.instance_id.as_ref().map(ToString::to_string),
            details: json!({}),
        });
        Some(notification)
    }

    /// What is sent to an endpoint that is new to the group.
    pub fn test(group: &str, now: Timestamp, rng: &mut impl Rng) -> Self {
        Self::new(NotificationType::Test, group, now, rng)
    }

    fn new(event: NotificationType, group: &str, now: Timestamp, rng: &mut impl Rng) -> Self {
        Self {
            service: "AWS Auto Scaling",
            time: now,
            request_id: uuid(rng),
            event,
            account_id: ACCOUNT_ID,
            auto_scaling_group_name: group.to_owned(),
            auto_scaling_group_arn: format!(
                "arn:aws:autoscaling:local:{ACCOUNT_ID}:autoScalingGroup:{group}:autoScalingGroupName/{group}"
            ),
            activity: None,
        }
    }
}
