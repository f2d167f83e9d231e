use jiff::{Timestamp, ToSpan};
use minicloud_autoscaler::{
    api::Activities,
    describe::{Activity, View},
    metric_statistics::{GroupMetricStatistics, Resolution},
};

use super::series::Window;
use crate::{
    control_api::ControlApi,
    failure::{Exit, Failure},
    http_client::segment,
};

/// What is read once a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) group: Option<String>,
    pub(super) window: Window,
    /// Only what is newer than this.
    pub(super) start_time: Option<Timestamp>,
    /// Groups of which only the rate of requests is shown.
    pub(super) listed: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) view: View,
    /// Of the group that was asked about, where it is still there.
    pub(super) group: Option<GroupAnswer>,
    /// Responses a second, of the listed groups of which it is known.
    pub(super) rates: Vec<(String, f64)>,
}

#[derive(Debug)]
pub(super) struct GroupAnswer {
    pub(super) name: String,
    pub(super) window: Window,
    pub(super) statistics: GroupMetricStatistics,
    /// Newest first.
    pub(super) activities: Vec<Activity>,
}

pub(super) async fn ask(api: &ControlApi, question: Question) -> Result<Answer, Failure> {
    let view = api.view().await?;
    let group = match &question.group {
        Some(name) => of_group(api, name, &question).await?,
        None => None,
    };
    // Where there are many groups a datapoint is ten seconds.
    let lately = view.time.checked_sub(15.seconds()).ok();
    let mut rates = Vec::new();
    for name in question.listed {
        let latest = statistics(api, &name, Resolution::High, lately).await?;
        let latest = latest.and_then(|of| of.datapoints.last()?.requests);
        rates.extend(latest.map(|requests| (name, requests.rate())));
    }
    Ok(Answer { view, group, rates })
}

async fn of_group(
    api: &ControlApi,
    name: &str,
    question: &Question,
) -> Result<Option<GroupAnswer>, Failure> {
    let window = question.window;
    let known = statistics(api, name, window.resolution(), question.start_time).await?;
    let path = format!("/v1/groups/{}/activities", segment(name));
    let activities: Option<Activities> = found(api.read(&path).await)?;
    Ok(known.zip(activities).map(|(statistics, page)| GroupAnswer {
        name: name.to_owned(),
        window,
        statistics,
        activities: page.activities,
    }))
}

async fn statistics(
    api: &ControlApi,
    name: &str,
    resolution: Resolution,
    start_time: Option<Timestamp>,
) -> Result<Option<GroupMetricStatistics>, Failure> {
    let resolution = match resolution {
        Resolution::High => "high",
        Resolution::Standard => "standard",
    };
    let mut path = format!(
        "/v1/groups/{}/metric-statistics?resolution={resolution}",
        segment(name)
    );
    if let Some(start) = start_time {
        path.push_str(&format!("&start_time={}", segment(&start.to_string())));
    }
    found(api.read(&path).await)
}

/// A group may go between two questions.
fn found<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.exit == Exit::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}
