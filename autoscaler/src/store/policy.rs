//! Scaling policies and what became of their alarms.

use rusqlite::params;

use super::{Store, StoreError, json};
use crate::{
    alarms::{AlarmHistory, AlarmHistoryItem, HISTORY_KEPT},
    scaling_policy::PolicyRecord,
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS scaling_policy (
        auto_scaling_group TEXT NOT NULL, policy_name TEXT NOT NULL, policy_id TEXT NOT NULL,
        current TEXT, file TEXT,
        PRIMARY KEY (auto_scaling_group, policy_name)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS alarm_history (
        id INTEGER PRIMARY KEY, auto_scaling_group TEXT NOT NULL, alarm_name TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS alarm_history_by_alarm ON alarm_history (auto_scaling_group, alarm_name);
";

impl Store {
    /// In the order in which they were made. One whose text this version does not understand
    /// is as good as deleted.
    pub(crate) fn scaling_policies(&self, group: &str) -> Result<Vec<PolicyRecord>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT policy_name, policy_id, current, file FROM scaling_policy WHERE auto_scaling_group = ?1 ORDER BY rowid",
        )?;
        let records = query.query_map([group], |row| {
            let policy = |column: &str| {
                let body: Option<String> = row.get(column)?;
                Ok::<_, rusqlite::Error>(body.and_then(|body| serde_json::from_str(&body).ok()))
            };
            Ok(PolicyRecord {
                policy_name: row.get("policy_name")?,
                policy_id: row.get("policy_id")?,
                current: policy("current")?,
                file: policy("file")?,
            })
        })?;
        Ok(records.collect::<Result<_, _>>()?)
    }

    /// Puts `records` in the place of whatever the group has.
    pub(crate) fn put_scaling_policies(
        &self,
        group: &str,
        records: &[PolicyRecord],
    ) -> Result<(), StoreError> {
        let transaction = self.db.unchecked_transaction()?;
        transaction.execute(
            "DELETE FROM scaling_policy WHERE auto_scaling_group = ?1",
            [group],
        )?;
        for record in records {
            transaction.execute(
                "INSERT INTO scaling_policy VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    group,
                    record.policy_name,
                    record.policy_id,
                    record.current.as_ref().map(json),
                    record.file.as_ref().map(json)
                ],
            )?;
        }
        Ok(transaction.commit()?)
    }

    pub(crate) fn put_alarm_history(
        &self,
        group: &str,
        item: &AlarmHistoryItem,
    ) -> Result<(), StoreError> {
        let transaction = self.db.unchecked_transaction()?;
        transaction.execute(
            "INSERT INTO alarm_history (auto_scaling_group, alarm_name, body) VALUES (?1, ?2, ?3)",
            params![group, item.alarm_name, json(item)],
        )?;
        transaction.execute(
            "DELETE FROM alarm_history WHERE auto_scaling_group = ?1 AND alarm_name = ?2 AND id <= (
                SELECT id FROM alarm_history WHERE auto_scaling_group = ?1 AND alarm_name = ?2
                ORDER BY id DESC LIMIT 1 OFFSET ?3)",
            params![group, item.alarm_name, HISTORY_KEPT],
        )?;
        Ok(transaction.commit()?)
    }

    /// What is kept of the group's alarms, those of policies that are gone included.
    pub(crate) fn alarm_history(&self, group: &str) -> Result<AlarmHistory, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT body FROM alarm_history WHERE auto_scaling_group = ?1 ORDER BY id DESC",
        )?;
        let bodies = query.query_map([group], |row| row.get::<_, String>(0))?;
        let mut history = AlarmHistory::new();
        for body in bodies {
            if let Ok(item) = serde_json::from_str::<AlarmHistoryItem>(&body?) {
                history
                    .entry(item.alarm_name.clone())
                    .or_default()
                    .push_back(item);
            }
        }
        Ok(history)
    }

    pub(crate) fn forget_alarm(&self, group: &str, alarm_name: &str) -> Result<(), StoreError> {
        self.db.execute(
            "DELETE FROM alarm_history WHERE auto_scaling_group = ?1 AND alarm_name = ?2",
            [group, alarm_name],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::alarm::{StateValue, Transition};

    #[test]
    fn history_of_an_alarm_is_bounded_and_newest_first() {
        let store = Store::in_memory();
        for number in 0..HISTORY_KEPT + 20 {
            for alarm in ["one", "other"] {
                let transition = Transition {
                    timestamp: "2026-01-01T00:00:00Z".parse().unwrap(),
                    from: StateValue::Ok,
                    to: StateValue::Alarm,
                    state_reason: number.to_string(),
                };
                let item = AlarmHistoryItem::state_update(alarm, transition);
                store.put_alarm_history("web", &item).unwrap();
            }
        }
        let history = store.alarm_history("web").unwrap();
        assert_eq!(history.len(), 2);
        for items in history.values() {
            assert_eq!(items.len(), HISTORY_KEPT);
            let newest = (HISTORY_KEPT + 19).to_string();
            assert_eq!(items[0].history_data.state_reason, newest);
        }
        assert_eq!(store.alarm_history("api").unwrap(), AlarmHistory::new());
    }

    #[test]
    fn a_policy_that_cannot_be_read_is_no_fault() {
        let store = Store::in_memory();
        store
            .db
            .execute(
                "INSERT INTO scaling_policy VALUES ('web', 'p', 'id', '{\"future\": 1}', NULL)",
                [],
            )
            .unwrap();
        let records = store.scaling_policies("web").unwrap();
        assert_eq!((records.len(), &records[0].current), (1, &None));
    }
}
