//! What a restart needs, in SQLite: capacities, template versions, instances, activities.
//! Everything else is found on the provider again. Each call is one transaction, written
//! before the side effect it announces.

mod applied_configuration;
mod history;
mod instance_refresh;
mod key_pair;
mod launch_templates;
mod outbox;
mod policy;
mod scheduled_action;
mod security_group;
mod suspended_process;

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(crate) use self::applied_configuration::AppliedConfiguration;
pub use self::history::ActivityHistory;
pub(crate) use self::{history::HistoryError, outbox::Outgoing};
use crate::{
    capacity::{Capacity, CapacityRecord},
    describe::Activity,
    instance::{InstanceId, LifecycleState},
};

const FILE: &str = "minicloud.db";
/// Six weeks, as AWS keeps activities.
const ACTIVITIES_KEPT_DAYS: i64 = 42;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS capacity (
        auto_scaling_group TEXT PRIMARY KEY,
        min_size INTEGER NOT NULL, max_size INTEGER NOT NULL, desired_capacity INTEGER NOT NULL,
        file_min_size INTEGER NOT NULL, file_max_size INTEGER NOT NULL, file_desired_capacity INTEGER NOT NULL,
        cause TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS launch_template (
        name TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (name, version)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS instance (
        instance_id TEXT PRIMARY KEY, auto_scaling_group TEXT NOT NULL,
        availability_zone TEXT NOT NULL, idx INTEGER NOT NULL,
        launch_template TEXT NOT NULL, launch_template_version INTEGER NOT NULL,
        lifecycle_state TEXT NOT NULL, launch_time TEXT NOT NULL, activity_id TEXT
    ) STRICT;
    CREATE TABLE IF NOT EXISTS activity (
        activity_id TEXT PRIMARY KEY, auto_scaling_group TEXT NOT NULL,
        start_time TEXT NOT NULL, body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS activity_by_group ON activity (auto_scaling_group);
    CREATE TABLE IF NOT EXISTS applied_configuration (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        body BLOB NOT NULL, file_digest TEXT, applied_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS security_group (
        group_name TEXT PRIMARY KEY, group_id TEXT NOT NULL UNIQUE
    ) STRICT;
";

/// What was added to tables since version 1 of the schema, a step a version.
const MIGRATIONS: [&str; 2] = [
    "
    ALTER TABLE instance ADD COLUMN protected_from_scale_in INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE instance ADD COLUMN recallable INTEGER NOT NULL DEFAULT 0;
",
    "
    ALTER TABLE instance ADD COLUMN kept_from_load_balancer INTEGER NOT NULL DEFAULT 0;
",
];

#[derive(Debug)]
pub(crate) struct Store {
    db: Connection,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error(
        "it was written by a newer minicloud (schema {0}); use that one, or a new state folder"
    )]
    Newer(i64),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InstanceRecord {
    pub(crate) id: InstanceId,
    pub(crate) auto_scaling_group: String,
    pub(crate) availability_zone: String,
    pub(crate) index: u32,
    pub(crate) launch_template_name: String,
    pub(crate) launch_template_version: u64,
    pub(crate) lifecycle_state: LifecycleState,
    pub(crate) launch_time: Timestamp,
    pub(crate) activity_id: Option<String>,
    pub(crate) protected_from_scale_in: bool,
    pub(crate) recallable: bool,
    pub(crate) kept_from_load_balancer: bool,
}

impl Store {
    pub(crate) fn open(state_dir: &Path) -> Result<Self, StoreError> {
        Self::with(Connection::open(state_dir.join(FILE))?)
    }

    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        Self::with(Connection::open_in_memory().unwrap()).unwrap()
    }

    fn with(db: Connection) -> Result<Self, StoreError> {
        db.pragma_update(None, "journal_mode", "WAL")?;
        // A lost last write is repeated by the next pass; a torn file would not be.
        db.pragma_update(None, "synchronous", "NORMAL")?;
        let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let first = usize::try_from(version.max(1) - 1).unwrap_or_default();
        if first > MIGRATIONS.len() {
            return Err(StoreError::Newer(version));
        }
        for schema in [
            SCHEMA,
            launch_templates::SCHEMA,
            scheduled_action::SCHEMA,
            outbox::SCHEMA,
            policy::SCHEMA,
            key_pair::SCHEMA,
            instance_refresh::SCHEMA,
            suspended_process::SCHEMA,
        ] {
            db.execute_batch(schema)?;
        }
        for (number, migration) in (2..).zip(MIGRATIONS).skip(first) {
            db.execute_batch(&format!(
                "BEGIN; {migration} PRAGMA user_version = {number}; COMMIT;"
            ))?;
        }
        Ok(Self { db })
    }

    /// All that `write` writes, or nothing of it.
    pub(crate) fn atomically(
        &self,
        write: impl FnOnce(&Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let transaction = self.db.unchecked_transaction()?;
        write(self)?;
        Ok(transaction.commit()?)
    }

    pub(crate) fn capacity(&self, group: &str) -> Result<Option<CapacityRecord>, StoreError> {
        let record = self.db.query_row(
            "SELECT * FROM capacity WHERE auto_scaling_group = ?1",
            [group],
            |row| {
                let capacity = |min: &str, max: &str, desired: &str| {
                    Ok::<_, rusqlite::Error>(Capacity {
                        min_size: row.get(min)?,
                        max_size: row.get(max)?,
                        desired_capacity: row.get(desired)?,
                    })
                };
                Ok(CapacityRecord {
                    capacity: capacity("min_size", "max_size", "desired_capacity")?,
                    file: capacity("file_min_size", "file_max_size", "file_desired_capacity")?,
                    cause: row.get("cause")?,
                })
            },
        );
        Ok(record.optional()?)
    }

    pub(crate) fn put_capacity(
        &self,
        group: &str,
        record: &CapacityRecord,
    ) -> Result<(), StoreError> {
        let CapacityRecord {
            capacity,
            file,
            cause,
        } = record;
        self.db.execute(
            "INSERT OR REPLACE INTO capacity VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                group,
                capacity.min_size,
                capacity.max_size,
                capacity.desired_capacity,
                file.min_size,
                file.max_size,
                file.desired_capacity,
                cause
            ],
        )?;
        Ok(())
    }

    pub(crate) fn forget_capacity(&self, group: &str) -> Result<(), StoreError> {
        self.db.execute(
            "DELETE FROM capacity WHERE auto_scaling_group = ?1",
            [group],
        )?;
        Ok(())
    }

    /// Every instance that is not terminated.
    pub(crate) fn instances(&self) -> Result<Vec<InstanceRecord>, StoreError> {
        let mut query = self.db.prepare("SELECT * FROM instance")?;
        let records = query.query_map([], instance_record)?;
        Ok(records.collect::<Result<_, _>>()?)
    }

    pub(crate) fn put_instance(&self, record: &InstanceRecord) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT OR REPLACE INTO instance VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                record.id.as_str(),
                record.auto_scaling_group,
                record.availability_zone,
                record.index,
                record.launch_template_name,
                record.launch_template_version,
                record.lifecycle_state.as_str(),
                record.launch_time.to_string(),
                record.activity_id,
                record.protected_from_scale_in,
                record.recallable,
                record.kept_from_load_balancer
            ],
        )?;
        Ok(())
    }

    pub(crate) fn delete_instance(&self, id: &InstanceId) -> Result<(), StoreError> {
        let transaction = self.db.unchecked_transaction()?;
        transaction.execute("DELETE FROM instance WHERE instance_id = ?1", [id.as_str()])?;
        key_pair::forget_instance(&transaction, id)?;
        Ok(transaction.commit()?)
    }

    pub(crate) fn put_activity(&self, activity: &Activity) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT INTO activity VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET body = excluded.body",
            params![
                activity.activity_id,
                activity.auto_scaling_group_name,
                activity.start_time.to_string(),
                json(activity)
            ],
        )?;
        Ok(())
    }

    /// The latest `most` activities of a group, newest first.
    pub(crate) fn activities(&self, group: &str, most: usize) -> Result<Vec<Activity>, StoreError> {
        let mut query = self.db.prepare(
            "SELECT body FROM activity WHERE auto_scaling_group = ?1 ORDER BY rowid DESC LIMIT ?2",
        )?;
        let bodies = query.query_map(params![group, most], |row| row.get::<_, String>(0))?;
        let activities = bodies.filter_map(|body| serde_json::from_str(&body.ok()?).ok());
        Ok(activities.collect())
    }

    pub(crate) fn forget_old_activities(&self, now: Timestamp) -> Result<(), StoreError> {
        let oldest = now - jiff::SignedDuration::from_hours(24 * ACTIVITIES_KEPT_DAYS);
        self.db.execute(
            "DELETE FROM activity WHERE start_time < ?1",
            [oldest.to_string()],
        )?;
        Ok(())
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain data with string keys always serialises")
}

fn instance_record(row: &Row<'_>) -> Result<InstanceRecord, rusqlite::Error> {
    let text = |column: &str| row.get::<_, String>(column);
    let invalid =
        |column: &str| rusqlite::Error::InvalidColumnName(format!("{column} holds no valid value"));
    Ok(InstanceRecord {
        id: text("instance_id")?
            .parse()
            .map_err(|_| invalid("instance_id"))?,
        auto_scaling_group: text("auto_scaling_group")?,
        availability_zone: text("availability_zone")?,
        index: row.get("idx")?,
        launch_template_name: text("launch_template")?,
        launch_template_version: row.get("launch_template_version")?,
        lifecycle_state: text("lifecycle_state")?
            .parse()
            .map_err(|_| invalid("lifecycle_state"))?,
        launch_time: text("launch_time")?
            .parse()
            .map_err(|_| invalid("launch_time"))?,
        activity_id: row.get("activity_id")?,
        protected_from_scale_in: row.get("protected_from_scale_in")?,
        recallable: row.get("recallable")?,
        kept_from_load_balancer: row.get("kept_from_load_balancer")?,
    })
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    #[test]
    fn instances_come_back_as_they_were() {
        let store = Store::in_memory();
        let mut record = InstanceRecord {
            id: "i-0123abcd".parse().unwrap(),
            auto_scaling_group: "web".to_owned(),
            availability_zone: "a".to_owned(),
            index: 1,
            launch_template_name: "web".to_owned(),
            launch_template_version: 3,
            lifecycle_state: LifecycleState::Pending,
            launch_time: "2026-01-01T00:00:00.25Z".parse().unwrap(),
            activity_id: None,
            protected_from_scale_in: true,
            recallable: true,
            kept_from_load_balancer: true,
        };
        store.put_instance(&record).unwrap();
        record.lifecycle_state = LifecycleState::Terminating;
        store.put_instance(&record).unwrap();
        assert_eq!(store.instances().unwrap(), [record.clone()]);
        store.delete_instance(&record.id).unwrap();
        assert_eq!(store.instances().unwrap(), []);
    }

    #[test]
    fn activities_are_kept_for_six_weeks() {
        let store = Store::in_memory();
        let mut rng = SmallRng::seed_from_u64(1);
        let now: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let id = "i-0123abcd".parse().unwrap();
        for days in [50_i64, 41, 0] {
            let start = now - jiff::SignedDuration::from_hours(24 * days);
            store
                .put_activity(&Activity::adopt("web", &id, start, &mut rng))
                .unwrap();
        }
        store.forget_old_activities(now).unwrap();
        let kept: Vec<Timestamp> = store
            .activities("web", 10)
            .unwrap()
            .iter()
            .map(|a| a.start_time)
            .collect();
        assert_eq!(kept.len(), 2);
        assert!(kept[0] > kept[1], "newest first");
    }

    #[test]
    fn store_of_the_first_version_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let db = Connection::open(dir.path().join(FILE)).unwrap();
        db.execute_batch(SCHEMA).unwrap();
        db.execute_batch(
            "INSERT INTO instance VALUES ('i-0123abcd', 'web', 'a', 1, 'web', 3, 'InService', '2026-01-01T00:00:00Z', NULL);
             PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(db);
        for _ in 0..2 {
            let instances = Store::open(dir.path()).unwrap().instances().unwrap();
            let [instance] = &*instances else {
                panic!("{instances:?}")
            };
            assert_eq!(instance.lifecycle_state, LifecycleState::InService);
            assert!(!instance.protected_from_scale_in && !instance.recallable);
            assert!(!instance.kept_from_load_balancer);
        }
    }

    #[test]
    fn a_newer_store_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(dir.path()).unwrap());
        let db = Connection::open(dir.path().join(FILE)).unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(
            Store::open(dir.path()),
            Err(StoreError::Newer(99))
        ));
    }
}
