//! Notifications that were not taken yet, in the order in which they came.

use jiff::Timestamp;
use rusqlite::params;

use super::{Store, StoreError};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS notification (
        notification_id TEXT PRIMARY KEY, auto_scaling_group TEXT NOT NULL,
        endpoint TEXT NOT NULL, created TEXT NOT NULL, body TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS notified_endpoint (
        auto_scaling_group TEXT NOT NULL, endpoint TEXT NOT NULL,
        PRIMARY KEY (auto_scaling_group, endpoint)
    ) STRICT;
";

/// A notification on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// `webhook-id`: the same at each try.
    pub(crate) id: String,
    pub(crate) auto_scaling_group: String,
    pub(crate) endpoint: String,
    pub(crate) created: Timestamp,
    /// JSON.
    pub(crate) body: String,
}

impl Store {
    pub(crate) fn put_outgoing(&self, outgoing: &Outgoing) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT OR REPLACE INTO notification VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                outgoing.id,
                outgoing.auto_scaling_group,
                outgoing.endpoint,
                outgoing.created.to_string(),
                outgoing.body
            ],
        )?;
        Ok(())
    }

    pub(crate) fn delete_outgoing(&self, id: &str) -> Result<(), StoreError> {
        self.db
            .execute("DELETE FROM notification WHERE notification_id = ?1", [id])?;
        Ok(())
    }

    /// Oldest first.
    pub(crate) fn outgoing(&self) -> Result<Vec<Outgoing>, StoreError> {
        let mut query = self.db.prepare(
            "SELECT notification_id, auto_scaling_group, endpoint, created, body
             FROM notification ORDER BY rowid",
        )?;
        let rows = query.query_map([], |row| {
            let created: String = row.get(3)?;
            Ok(Outgoing {
                id: row.get(0)?,
                auto_scaling_group: row.get(1)?,
                endpoint: row.get(2)?,
                created: created.parse().unwrap_or(Timestamp::UNIX_EPOCH),
                body: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The group's endpoints become these. Answers those that it did not have before.
    pub(crate) fn replace_endpoints(
        &self,
        group: &str,
        endpoints: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let transaction = self.db.unchecked_transaction()?;
        let known: Vec<String> = self
            .db
            .prepare("SELECT endpoint FROM notified_endpoint WHERE auto_scaling_group = ?1")?
            .query_map([group], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for gone in known.iter().filter(|known| !endpoints.contains(known)) {
            self.db.execute(
                "DELETE FROM notified_endpoint WHERE auto_scaling_group = ?1 AND endpoint = ?2",
                [group, gone],
            )?;
        }
        let is_new = |endpoint: &&String| !known.contains(endpoint);
        let new: Vec<String> = endpoints.iter().filter(is_new).cloned().collect();
        for endpoint in &new {
            self.db.execute(
                "INSERT INTO notified_endpoint VALUES (?1, ?2)",
                [group, endpoint],
            )?;
        }
        transaction.commit()?;
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outgoing_come_back_in_order_until_they_are_deleted() {
        let store = Store::in_memory();
        let outgoing = |id: &str| Outgoing {
            id: id.to_owned(),
            auto_scaling_group: "web".to_owned(),
            endpoint: "http://a:80/".to_owned(),
            created: "2026-01-01T00:00:00Z".parse().unwrap(),
            body: "{}".to_owned(),
        };
        for id in ["z", "a", "m"] {
            store.put_outgoing(&outgoing(id)).unwrap();
        }
        store.delete_outgoing("a").unwrap();
        assert_eq!(store.outgoing().unwrap(), [outgoing("z"), outgoing("m")]);
    }

    #[test]
    fn endpoints_are_new_once() {
        let store = Store::in_memory();
        let replace = |endpoints: &[&str]| {
            let endpoints: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
            store.replace_endpoints("web", &endpoints).unwrap()
        };
        assert_eq!(replace(&["a"]), ["a"]);
        assert_eq!(replace(&["a", "b"]), ["b"]);
        assert!(replace(&["b"]).is_empty());
        assert_eq!(replace(&["a", "b"]), ["a"]);
    }
}
