//! How far an instance's user data is, from its log.

use super::{
    Shared, log_file,
    record::{Record, UserDataRun},
};
use crate::launch_template::user_data::Outcome;

/// The run as it stands; what it has come to is remembered in the record.
pub(super) fn progress(shared: &Shared, record: &Record) -> Option<UserDataRun> {
    let run = record.user_data.as_ref()?;
    if run.ended {
        return Some(run.clone());
    }
    let id = &record.identity.instance_id;
    let log = log_file::read(&shared.records.folder(id)).unwrap_or_default();
    let Some(outcome) = Outcome::find(&log) else {
        return Some(run.clone());
    };
    let run = UserDataRun {
        ended: true,
        failure: outcome.failure(),
        required: run.required,
    };
    let known = run.clone();
    let written = shared
        .records
        .update(id, |record| record.user_data = Some(known));
    if let Err(error) = written {
        tracing::warn!(instance.id = %id, %error, "cannot record how user data ended");
    }
    Some(run)
}
