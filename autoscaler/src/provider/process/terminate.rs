//! Ending: SIGTERM, the grace, SIGKILL, until no process of the instance is left.

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rustix::process::Signal;
use tokio::time::Instant;

use super::{Shared, blocking, members, members::Member, watch};
use crate::{
    instance::InstanceId,
    provider::{ProviderError, STOP_GRACE},
};

/// How long processes may take to vanish after SIGKILL (one may sit in a slow system call),
/// and how long one that forks faster than it can be found is hunted.
const KILL_GRACE: Duration = Duration::from_secs(10);
/// Between two rounds of SIGKILL.
const KILL_INTERVAL: Duration = Duration::from_millis(50);

pub(super) async fn terminate(shared: &Arc<Shared>, id: &InstanceId) -> Result<(), ProviderError> {
    // A launch of the same id that is under way comes first, and is then found.
    drop(shared.launching.lock().await);
    end_members(shared, id).await?;
    watch::reap(shared, id);
    shared.watches.forget(id);
    if let Some(record) = shared.records.read(id)
        && let Err(error) = record.cgroup.remove().await
    {
        tracing::warn!(instance.id = %id, %error, "cannot remove the instance's cgroup; a later launch or minicloud sweep does");
    }
    shared
        .records
        .remove(id)
        .map_err(|error| failed(id, &error))?;
    shared.changed.notify_one();
    Ok(())
}

async fn end_members(shared: &Arc<Shared>, id: &InstanceId) -> Result<(), ProviderError> {
    let asked = Instant::now();
    let mut told = BTreeSet::new();
    loop {
        let members = hold(shared, id).await?;
        if members.is_empty() {
            return Ok(());
        }
        match STOP_GRACE.checked_sub(asked.elapsed()) {
            Some(rest) => {
                for member in &members {
                    if told.insert((member.pid, member.started)) {
                        member.signal(Signal::TERM);
                    }
                }
                wait(&members, rest).await;
            }
            None if asked.elapsed() < STOP_GRACE + KILL_GRACE => {
                members
                    .iter()
                    .for_each(|member| member.signal(Signal::KILL));
                wait(&members, KILL_INTERVAL).await;
            }
            None => {
                return Err(ProviderError::Failed(format!(
                    "{} processes of {id} survive SIGKILL",
                    members.len()
                )));
            }
        }
    }
}

async fn hold(shared: &Arc<Shared>, id: &InstanceId) -> Result<Vec<Member>, ProviderError> {
    let (shared, id) = (Arc::clone(shared), id.clone());
    let name = id.clone();
    blocking(move || members::hold(&shared, &id))
        .await
        .map_err(|_| ProviderError::Unreachable("minicloud is shutting down".to_owned()))?
        .map_err(|error| failed(&name, &error))
}

async fn wait(members: &[Member], limit: Duration) {
    join_all(members.iter().map(|member| member.gone(limit))).await;
}

fn failed(id: &InstanceId, error: &io::Error) -> ProviderError {
    ProviderError::Failed(format!("cannot end {id}: {error}"))
}
