//! Reading the log of a container.

use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt;

use super::{DockerProvider, list, user_data};
use crate::{
    instance::InstanceId,
    provider::{LogRequest, LogStream, ProviderError, identity::LABELS},
};

pub(super) async fn logs(
    provider: &DockerProvider,
    id: &InstanceId,
    wanted: LogRequest,
) -> Result<LogStream, ProviderError> {
    let instance = format!("{}={id}", LABELS.instance_id);
    // Of one that has ended as well: its last words say why.
    let found = list::containers(&provider.engine, true, &[&provider.owned(), &instance]).await?;
    let container = found.into_iter().find_map(|container| container.id);
    let container = container
        .ok_or_else(|| ProviderError::Failed(format!("instance {id} has no container any more")))?;
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        follow: wanted.follow,
        tail: wanted.tail.to_string(),
        ..LogsOptions::default()
    };
    let docker = provider.engine.docker();
    let mut output = Box::pin(docker.logs(&container, Some(options)));
    // A driver that keeps no log says so at once, and must not look like an empty log.
    let first = match output.next().await {
        Some(Err(error)) => return Err(super::engine::Fault::from(error).into()),
        first => first,
    };
    let items = futures_util::stream::iter(first).chain(output);
    let pieces = items
        .take_while(|item| std::future::ready(item.is_ok()))
        .filter_map(|item| std::future::ready(item.ok()))
        .map(user_data::message);
    Ok(Box::pin(pieces))
}
