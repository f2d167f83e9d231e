//! Notices that an instance ended, and reaps it where it is our child.

use std::{
    collections::BTreeMap,
    process::{Child, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::task::JoinSet;

use super::{
    Shared, members,
    record::Leader,
    table::{self, Process},
};
use crate::instance::InstanceId;

/// One task for each live instance, aborted with the provider.
#[derive(Debug, Default)]
pub(super) struct Watches {
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    tasks: JoinSet<()>,
    leaders: BTreeMap<InstanceId, Leader>,
    /// Those launched by this very process: only a parent hears the exit code.
    children: BTreeMap<InstanceId, Child>,
}

impl Watches {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        // Nothing panics while it is held.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_child(&self, id: &InstanceId, child: Child) {
        self.watched().children.insert(id.clone(), child);
    }

    pub(super) fn forget(&self, id: &InstanceId) {
        let mut watched = self.watched();
        watched.leaders.remove(id);
        watched.children.remove(id);
    }
}

/// Watches the leader, unless it is watched already. Needs the runtime's context.
pub(super) fn watch(shared: &Arc<Shared>, id: &InstanceId, process: &Process) {
    let leader = Leader::of(process);
    let mut watched = shared.watches.watched();
    if watched.leaders.get(id) == Some(&leader) {
        return;
    }
    // None: it has ended since it was seen, and the next list says so.
    let Some(handle) = table::open(process).map(Arc::new) else {
        shared.changed.notify_one();
        return;
    };
    while watched.tasks.try_join_next().is_some() {}
    watched.leaders.insert(id.clone(), leader);
    watched
        .tasks
        .spawn(until_ended(Arc::downgrade(shared), id.clone(), handle));
}

async fn until_ended(shared: Weak<Shared>, id: InstanceId, handle: Arc<std::os::fd::OwnedFd>) {
    if let Err(error) = members::ended(handle).await {
        tracing::warn!(instance.id = %id, %error, "cannot watch the process; its end shows on the next list");
    }
    if let Some(shared) = shared.upgrade() {
        reap(&shared, &id);
        shared.changed.notify_one();
    }
}

/// Collects the exit status of our child, where it is one and has ended, into its record.
pub(super) fn reap(shared: &Shared, id: &InstanceId) {
    let mut watched = shared.watches.watched();
    let Some(Ok(Some(status))) = watched.children.get_mut(id).map(Child::try_wait) else {
        return;
    };
    watched.children.remove(id);
    drop(watched);
    let detail = describe(status);
    tracing::debug!(instance.id = %id, detail, "the process of an instance ended");
    if let Err(error) = shared
        .records
        .update(id, |record| record.exited = Some(detail))
    {
        tracing::warn!(instance.id = %id, %error, "cannot record how the instance ended");
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}
