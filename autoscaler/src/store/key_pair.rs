//! Key pairs that were made or imported through the API, and what instances were launched with.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, json};
use crate::{
    instance::InstanceId,
    key_pair::{KeyPair, LaunchedKeyPair},
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS key_pair (
        key_name TEXT PRIMARY KEY, body TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS instance_key_pair (
        instance_id TEXT PRIMARY KEY, key_name TEXT NOT NULL, public_key TEXT NOT NULL
    ) STRICT;
";

impl Store {
    /// By name.
    pub(crate) fn key_pairs(&self) -> Result<Vec<KeyPair>, StoreError> {
        let mut query = self
            .db
            .prepare("SELECT body FROM key_pair ORDER BY key_name")?;
        let bodies = query.query_map([], |row| row.get::<_, String>(0))?;
        let key_pairs = bodies.filter_map(|body| serde_json::from_str(&body.ok()?).ok());
        Ok(key_pairs.collect())
    }

    pub(crate) fn key_pair(&self, key_name: &str) -> Result<Option<KeyPair>, StoreError> {
        let body = self.db.query_row(
            "SELECT body FROM key_pair WHERE key_name = ?1",
            [key_name],
            |row| row.get::<_, String>(0),
        );
        let body = body.optional()?;
        Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
    }

    pub(crate) fn put_key_pair(&self, key_pair: &KeyPair) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT OR REPLACE INTO key_pair VALUES (?1, ?2)",
            params![key_pair.key_name, json(key_pair)],
        )?;
        Ok(())
    }

    pub(crate) fn delete_key_pair(&self, key_name: &str) -> Result<(), StoreError> {
        self.db
            .execute("DELETE FROM key_pair WHERE key_name = ?1", [key_name])?;
        Ok(())
    }

    /// What the instance was launched with.
    pub(crate) fn instance_key_pair(
        &self,
        id: &InstanceId,
    ) -> Result<Option<LaunchedKeyPair>, StoreError> {
        let row = self.db.query_row(
            "SELECT key_name, public_key FROM instance_key_pair WHERE instance_id = ?1",
            [id.as_str()],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
        );
        Ok(row.optional()?.and_then(|(key_name, public_key)| {
            let public_key = public_key.parse().ok()?;
            Some(LaunchedKeyPair {
                key_name,
                public_key,
            })
        }))
    }

    pub(crate) fn put_instance_key_pair(
        &self,
        id: &InstanceId,
        of: &LaunchedKeyPair,
    ) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT OR REPLACE INTO instance_key_pair VALUES (?1, ?2, ?3)",
            params![id.as_str(), of.key_name, of.public_key.to_string()],
        )?;
        Ok(())
    }
}

pub(super) fn forget_instance(db: &Connection, id: &InstanceId) -> Result<(), rusqlite::Error> {
    let delete = "DELETE FROM instance_key_pair WHERE instance_id = ?1";
    db.execute(delete, [id.as_str()]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_pair::PrivateKey;

    #[test]
    fn key_pairs_come_back_as_they_were() {
        let store = Store::in_memory();
        let (_, public_key) = PrivateKey::from_seed([1; 32]).parts();
        let mut key_pair = KeyPair::of_file("ops", public_key);
        key_pair.create_time = Some("2026-01-01T00:00:00Z".parse().unwrap());
        store.put_key_pair(&key_pair).unwrap();
        assert_eq!(store.key_pairs().unwrap(), [key_pair.clone()]);
        assert_eq!(store.key_pair("ops").unwrap(), Some(key_pair));
        store.delete_key_pair("ops").unwrap();
        assert_eq!(store.key_pair("ops").unwrap(), None);
    }

    #[test]
    fn key_of_an_instance_goes_with_it() {
        let store = Store::in_memory();
        let (_, public_key) = PrivateKey::from_seed([1; 32]).parts();
        let launched = KeyPair::of_file("ops", public_key).launched();
        let id: InstanceId = "i-0123abcd".parse().unwrap();
        store.put_instance_key_pair(&id, &launched).unwrap();
        assert_eq!(store.instance_key_pair(&id).unwrap(), Some(launched));
        store.delete_instance(&id).unwrap();
        assert_eq!(store.instance_key_pair(&id).unwrap(), None);
    }
}
