//! Instance refreshes: the last few of each group, and what each is to replace.

use rusqlite::params;

use super::{Store, StoreError, json};
use crate::instance_refresh::{InstanceRefreshRecord, REFRESHES_KEPT};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS instance_refresh (
        instance_refresh_id TEXT PRIMARY KEY, auto_scaling_group TEXT NOT NULL,
        replaces TEXT NOT NULL, body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS instance_refresh_by_group ON instance_refresh (auto_scaling_group);
";

impl Store {
    /// Newest first. One whose text this version does not understand is as good as forgotten.
    pub(crate) fn instance_refreshes(
        &self,
        group: &str,
    ) -> Result<Vec<InstanceRefreshRecord>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT body, replaces FROM instance_refresh
             WHERE auto_scaling_group = ?1 ORDER BY rowid DESC",
        )?;
        let rows = query.query_map([group], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut records = Vec::new();
        for row in rows {
            let (body, replaces) = row?;
            let (refresh, replaces) =
                (serde_json::from_str(&body), serde_json::from_str(&replaces));
            if let (Ok(refresh), Ok(replaces)) = (refresh, replaces) {
                records.push(InstanceRefreshRecord { refresh, replaces });
            }
        }
        Ok(records)
    }

    /// Makes it, or changes it; the oldest of the group beyond [`REFRESHES_KEPT`] are forgotten.
    pub(crate) fn put_instance_refresh(
        &self,
        group: &str,
        record: &InstanceRefreshRecord,
    ) -> Result<(), StoreError> {
        let transaction = self.db.unchecked_transaction()?;
        transaction.execute(
            "INSERT INTO instance_refresh VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET body = excluded.body",
            params![
                record.refresh.instance_refresh_id,
                group,
                json(&record.replaces),
                json(&record.refresh)
            ],
        )?;
        transaction.execute(
            "DELETE FROM instance_refresh WHERE auto_scaling_group = ?1 AND rowid NOT IN (
                SELECT rowid FROM instance_refresh
                WHERE auto_scaling_group = ?1 ORDER BY rowid DESC LIMIT ?2)",
            params![group, REFRESHES_KEPT],
        )?;
        Ok(transaction.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        group::sample,
        instance_refresh::{InstanceRefreshStatus, RefreshPreferences},
    };

    fn record(id: &str) -> InstanceRefreshRecord {
        let mut record = InstanceRefreshRecord::begin(
            id.to_owned(),
            &sample::group(&[], 2),
            RefreshPreferences::default(),
            Timestamp::UNIX_EPOCH,
        );
        record.replaces = [1, 2].map(sample::id).into();
        record
    }

    #[test]
    fn refreshes_come_back_as_they_were() {
        let store = Store::in_memory();
        let mut first = record("first");
        store.put_instance_refresh("web", &first).unwrap();
        first.refresh.status = InstanceRefreshStatus::Failed;
        first.refresh.status_reason = Some("no image".to_owned());
        store.put_instance_refresh("web", &first).unwrap();
        let second = record("second");
        store.put_instance_refresh("web", &second).unwrap();
        store.put_instance_refresh("api", &record("third")).unwrap();
        assert_eq!(store.instance_refreshes("web").unwrap(), [second, first]);
        assert_eq!(store.instance_refreshes("gone").unwrap(), []);
    }

    #[test]
    fn last_few_of_each_group_are_kept() {
        let store = Store::in_memory();
        store.put_instance_refresh("api", &record("api")).unwrap();
        for number in 0..REFRESHES_KEPT + 3 {
            let record = record(&number.to_string());
            store.put_instance_refresh("web", &record).unwrap();
        }
        let kept = store.instance_refreshes("web").unwrap();
        assert_eq!(kept.len(), REFRESHES_KEPT);
        assert_eq!(kept[0].refresh.instance_refresh_id, "12");
        assert_eq!(store.instance_refreshes("api").unwrap().len(), 1);
    }
}
