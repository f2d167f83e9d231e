//! Listing: records and marked processes, put together.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    Shared, blocking,
    cgroup::Cgroup,
    log_file, members,
    record::{Leader, Record, UserDataRun},
    table::{self, Process},
    user_data, watch,
};
use crate::{
    instance::InstanceId,
    provider::{InstanceFault, ObservedInstance, ObservedState, ProviderError},
};

pub(super) async fn list(shared: &Arc<Shared>) -> Result<Vec<ObservedInstance>, ProviderError> {
    let shared = Arc::clone(shared);
    blocking(move || observe_all(&shared))
        .await
        .map_err(|_| ProviderError::Unreachable("minicloud is shutting down".to_owned()))?
        .map_err(|error| ProviderError::Failed(format!("cannot list processes: {error}")))
}

fn observe_all(shared: &Arc<Shared>) -> io::Result<Vec<ObservedInstance>> {
    let mut records: BTreeMap<InstanceId, Record> = shared
        .records
        .all()?
        .into_iter()
        .map(|record| (record.identity.instance_id.clone(), record))
        .collect();
    // Between the two: a launch whose intent was read goes on here, or has its process below.
    let launching = shared.launching.try_lock().is_err();
    let processes = table::scan()?;
    let mut ids: BTreeSet<InstanceId> = records.keys().cloned().collect();
    ids.extend(marked(&processes, &shared.config.owner));
    Ok(ids
        .iter()
        .filter_map(|id| observe(shared, &processes, id, records.remove(id), launching))
        .collect())
}

fn marked<'a>(
    processes: &'a [Process],
    owner: &'a str,
) -> impl Iterator<Item = InstanceId> + use<'a> {
    processes
        .iter()
        .filter_map(|process| process.mark.as_ref())
        .filter(move |mark| mark.owner == owner)
        .map(|mark| mark.instance_id.clone())
}

fn observe(
    shared: &Arc<Shared>,
    processes: &[Process],
    id: &InstanceId,
    record: Option<Record>,
    launching: bool,
) -> Option<ObservedInstance> {
    let leader = members::leader(processes, &shared.config.owner, id, record.as_ref());
    let record = match record {
        Some(record) => record,
        None => restore(shared, processes, id, leader)?,
    };
    let (record, state) = match leader.filter(|leader| !leader.zombie) {
        Some(leader) => {
            adopt(shared, id, &record, leader);
            let address = record.address.clone();
            (record, ObservedState::Running { address })
        }
        None => not_running(shared, id, launching)?,
    };
    let user_data = user_data::progress(shared, &record);
    let state = after_user_data(state, user_data.as_ref());
    if let Err(error) = log_file::rotate(&shared.records.folder(id), log_file::LIMIT) {
        tracing::warn!(instance.id = %id, %error, "cannot bound the instance's log");
    }
    let metric_ids = [id.to_string()].into();
    let failure = user_data.and_then(|run| run.failure);
    let faults = failure.map(InstanceFault::UserData);
    let quota = record.quota_fault.map(InstanceFault::QuotaNotEnforced);
    let observed = record
        .identity
        .observed(record.launch_time, state, metric_ids);
    Some(ObservedInstance {
        faults: faults.into_iter().chain(quota).collect(),
        ..observed
    })
}

/// Where its user data is required, an instance does not run before that has ended well.
fn after_user_data(state: ObservedState, user_data: Option<&UserDataRun>) -> ObservedState {
    let Some(run) = user_data.filter(|run| run.required) else {
        return state;
    };
    match (state, &run.failure) {
        (ObservedState::Running { .. }, None) if !run.ended => ObservedState::Starting,
        (ObservedState::Exited { .. }, Some(failure)) => ObservedState::Exited {
            detail: failure.clone(),
        },
        (state, _) => state,
    }
}

/// Looks at the record once more, which may have moved on since the listing began: the launch
/// is through, or the instance was terminated (`None`).
fn not_running(
    shared: &Shared,
    id: &InstanceId,
    launching: bool,
) -> Option<(Record, ObservedState)> {
    watch::reap(shared, id);
    let record = shared.records.read(id)?;
    let state = if record.leader.is_none() && launching {
        ObservedState::Starting
    } else {
        ObservedState::Exited {
            detail: how_it_ended(&record),
        }
    };
    Some((record, state))
}

/// The record of an instance whose record is lost, from what its processes say.
fn restore(
    shared: &Shared,
    processes: &[Process],
    id: &InstanceId,
    leader: Option<&Process>,
) -> Option<Record> {
    let is_ours = |process: &&Process| {
        let mark = process.mark.as_ref();
        mark.is_some_and(|mark| mark.is_of(&shared.config.owner, id))
    };
    let process = leader.or_else(|| processes.iter().find(is_ours))?;
    let mark = process.mark.as_ref()?;
    let record = Record {
        identity: mark.identity.clone()?,
        launch_time: Timestamp::from_second(table::wall_start(process.started)?).ok()?,
        address: mark.address.clone()?,
        leader: leader.map(Leader::of),
        exited: None,
        cgroup: Cgroup::default(),
        quota_fault: None,
        user_data: None,
    };
    let written = shared
        .records
        .create_folder(id)
        .and_then(|_| shared.records.write(&record));
    if let Err(error) = written {
        tracing::warn!(instance.id = %id, %error, "cannot restore the instance's record");
    }
    Some(record)
}

/// From here on its end is noticed, and this process remembered as the one to wait for.
fn adopt(shared: &Arc<Shared>, id: &InstanceId, record: &Record, leader: &Process) {
    if record.leader.is_none() {
        let known = Leader::of(leader);
        let written = shared
            .records
            .update(id, |record| record.leader = Some(known));
        if let Err(error) = written {
            tracing::warn!(instance.id = %id, %error, "cannot record the instance's process");
        }
    }
    watch::watch(shared, id, leader);
}

fn how_it_ended(record: &Record) -> String {
    match (&record.exited, &record.leader) {
        (Some(detail), _) if detail != "exit code 0" && record.cgroup.has_killed() => {
            format!("{detail}, out of memory")
        }
        (Some(detail), _) => detail.clone(),
        (None, Some(leader)) if leader.boot_id != table::boot_id() => {
            "ended with the machine, which was restarted".to_owned()
        }
        (None, Some(_)) => {
            "exit code unknown: it was launched by an earlier run of minicloud".to_owned()
        }
        (None, None) => "its launch was interrupted".to_owned(),
    }
}
