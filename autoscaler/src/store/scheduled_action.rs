//! Scheduled actions: what each is, and up to when its occurrences are done with.

use rusqlite::{Row, params};

use super::{Store, StoreError, json};
use crate::{
    capacity::CapacityRecord,
    schedule::{Kept, ScheduledActionRecord},
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS scheduled_action (
        auto_scaling_group TEXT NOT NULL, name TEXT NOT NULL,
        current TEXT, file TEXT, done_until TEXT NOT NULL, last_run TEXT,
        PRIMARY KEY (auto_scaling_group, name)
    ) STRICT;
";

impl Store {
    pub(crate) fn scheduled_actions(
        &self,
        group: &str,
    ) -> Result<Vec<ScheduledActionRecord>, StoreError> {
        let mut query = self.db.prepare(
            "SELECT name, current, file, done_until, last_run FROM scheduled_action
             WHERE auto_scaling_group = ?1",
        )?;
        let rows = query.query_map([group], record)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn keep_scheduled_action(&self, group: &str, kept: &Kept) -> Result<(), StoreError> {
        match kept {
            Kept::Row(row) => self.put_scheduled_action(group, row)?,
            Kept::Nothing(name) => {
                self.db.execute(
                    "DELETE FROM scheduled_action WHERE auto_scaling_group = ?1 AND name = ?2",
                    [group, name],
                )?;
            }
        }
        Ok(())
    }

    fn put_scheduled_action(
        &self,
        group: &str,
        row: &ScheduledActionRecord,
    ) -> Result<(), StoreError> {
        let spec = |spec: &Option<_>| spec.as_ref().map(json);
        self.db.execute(
            "INSERT OR REPLACE INTO scheduled_action VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                group,
                row.name,
                spec(&row.current),
                spec(&row.file),
                row.done_until.to_string(),
                row.last_run.map(|at| at.to_string()),
            ],
        )?;
        Ok(())
    }

    /// A group's rows become these, and no other.
    pub(crate) fn replace_scheduled_actions(
        &self,
        group: &str,
        rows: &[ScheduledActionRecord],
    ) -> Result<(), StoreError> {
        let transaction = self.db.unchecked_transaction()?;
        self.db.execute(
            "DELETE FROM scheduled_action WHERE auto_scaling_group = ?1",
            [group],
        )?;
        for row in rows {
            self.put_scheduled_action(group, row)?;
        }
        Ok(transaction.commit()?)
    }

    /// Groups that have scheduled actions here.
    pub(crate) fn scheduled_groups(&self) -> Result<Vec<String>, StoreError> {
        let mut query = self
            .db
            .prepare("SELECT DISTINCT auto_scaling_group FROM scheduled_action")?;
        let names = query.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// That an action has run and what it changed, both or neither: so a crash between them
    /// neither repeats the action nor loses it.
    pub(crate) fn run_scheduled_action(
        &self,
        group: &str,
        kept: &Kept,
        capacity: Option<&CapacityRecord>,
    ) -> Result<(), StoreError> {
        let transaction = self.db.unchecked_transaction()?;
        self.keep_scheduled_action(group, kept)?;
        if let Some(capacity) = capacity {
            self.put_capacity(group, capacity)?;
        }
        Ok(transaction.commit()?)
    }
}

fn record(row: &Row<'_>) -> Result<ScheduledActionRecord, rusqlite::Error> {
    let invalid =
        |column: &str| rusqlite::Error::InvalidColumnName(format!("{column} holds no valid value"));
    let spec = |column: &str| {
        let text: Option<String> = row.get(column)?;
        let spec = text.map(|text| serde_json::from_str(&text)).transpose();
        spec.map_err(|_| invalid(column))
    };
    let last_run: Option<String> = row.get("last_run")?;
    Ok(ScheduledActionRecord {
        name: row.get("name")?,
        current: spec("current")?,
        file: spec("file")?,
        done_until: row
            .get::<_, String>("done_until")?
            .parse()
            .map_err(|_| invalid("done_until"))?,
        last_run: last_run
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| invalid("last_run"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::ScheduledActionSpec;

    #[test]
    fn actions_come_back_as_they_were() {
        let store = Store::in_memory();
        let spec = ScheduledActionSpec {
            recurrence: Some("0 8 * * *".to_owned()),
            desired_capacity: Some(2),
            ..ScheduledActionSpec::default()
        };
        let row = |name: &str, current, file| ScheduledActionRecord {
            name: name.to_owned(),
            current,
            file,
            done_until: "2026-01-01T00:00:00Z".parse().unwrap(),
            last_run: None,
        };
        let rows = [
            row("a", Some(spec.clone()), None),
            row("b", None, Some(spec.clone())),
        ];
        store.replace_scheduled_actions("web", &rows).unwrap();
        assert_eq!(store.scheduled_actions("web").unwrap(), rows);
        assert_eq!(store.scheduled_actions("other").unwrap(), []);
        let mut ran = rows[0].clone();
        ran.last_run = Some(ran.done_until);
        store
            .run_scheduled_action("web", &Kept::Row(Box::new(ran.clone())), None)
            .unwrap();
        store
            .keep_scheduled_action("web", &Kept::Nothing("b".to_owned()))
            .unwrap();
        assert_eq!(store.scheduled_actions("web").unwrap(), [ran]);
        assert_eq!(store.scheduled_groups().unwrap(), ["web"]);
        store.replace_scheduled_actions("web", &[]).unwrap();
        assert!(store.scheduled_groups().unwrap().is_empty());
    }
}
