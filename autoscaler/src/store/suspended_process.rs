//! Processes of groups that people have suspended.

use jiff::Timestamp;
use rusqlite::params;

use super::{Store, StoreError};
use crate::scaling_process::{ScalingProcess, SuspendedProcesses};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS suspended_process (
        auto_scaling_group TEXT NOT NULL, process_name TEXT NOT NULL, suspended_at TEXT NOT NULL,
        PRIMARY KEY (auto_scaling_group, process_name)
    ) STRICT;
";

impl Store {
    /// One that this version does not know is as good as resumed.
    pub(crate) fn suspended_processes(
        &self,
        group: &str,
    ) -> Result<SuspendedProcesses, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT process_name, suspended_at FROM suspended_process WHERE auto_scaling_group = ?1",
        )?;
        let rows = query.query_map([group], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let known = rows.into_iter().filter_map(|(process, at)| {
            let process: ScalingProcess = process.parse().ok()?;
            let at: Timestamp = at.parse().ok()?;
            Some((process, at))
        });
        Ok(known.collect())
    }

    /// Groups of which something is suspended.
    pub(crate) fn suspended_groups(&self) -> Result<Vec<String>, StoreError> {
        let mut query = self
            .db
            .prepare("SELECT DISTINCT auto_scaling_group FROM suspended_process")?;
        let names = query.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// Puts `processes` in the place of whatever the group has.
    pub(crate) fn put_suspended_processes(
        &self,
        group: &str,
        processes: &SuspendedProcesses,
    ) -> Result<(), StoreError> {
        let transaction = self.db.unchecked_transaction()?;
        transaction.execute(
            "DELETE FROM suspended_process WHERE auto_scaling_group = ?1",
            [group],
        )?;
        for (process, at) in processes.iter() {
            transaction.execute(
                "INSERT INTO suspended_process VALUES (?1, ?2, ?3)",
                params![group, process.as_str(), at.to_string()],
            )?;
        }
        Ok(transaction.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_come_back_as_they_were() {
        let store = Store::in_memory();
        let mut processes = SuspendedProcesses::default();
        let at = "2026-01-01T00:00:00.25Z".parse().unwrap();
        processes.suspend(&[ScalingProcess::Launch, ScalingProcess::Terminate], at);
        store.put_suspended_processes("web", &processes).unwrap();
        assert_eq!(store.suspended_processes("web").unwrap(), processes);
        assert_eq!(store.suspended_groups().unwrap(), ["web"]);
        assert_eq!(
            store.suspended_processes("api").unwrap(),
            SuspendedProcesses::default()
        );
        processes.resume(&ScalingProcess::ALL);
        store.put_suspended_processes("web", &processes).unwrap();
        assert_eq!(store.suspended_processes("web").unwrap(), processes);
    }

    #[test]
    fn process_of_another_version_is_no_fault() {
        let store = Store::in_memory();
        let insert =
            "INSERT INTO suspended_process VALUES ('web', 'Future', '2026-01-01T00:00:00Z')";
        store.db.execute(insert, []).unwrap();
        assert_eq!(
            store.suspended_processes("web").unwrap(),
            SuspendedProcesses::default()
        );
    }
}
