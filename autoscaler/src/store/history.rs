//! Six weeks of activities, read page by page: on a connection of its own, so that whoever
//! reads history does not hold up the loop, nor a provider that hangs the reader.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rusqlite::{Connection, OpenFlags, params};

use super::{FILE, StoreError, json};
use crate::describe::Activity;

/// Reads the store's activities. Cheap to clone; calls block on the disk.
#[derive(Clone, Debug)]
pub struct ActivityHistory(Arc<Mutex<Connection>>);

/// Activities, newest first, and where to go on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) activities: Vec<Activity>,
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error("`next_token` is not one that this API gave")]
    InvalidNextToken,
    #[error("the history cannot be read: {0}")]
    Store(#[from] rusqlite::Error),
}

impl ActivityHistory {
    pub(crate) fn open(state_dir: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(state_dir.join(FILE), flags)?;
        Ok(Self(Arc::new(Mutex::new(db))))
    }

    /// Up to `most` activities of `groups`, or of every group there ever was.
    pub(crate) fn page(
        &self,
        groups: Option<&[String]>,
        most: usize,
        next_token: Option<&str>,
    ) -> Result<Page, HistoryError> {
        let before = match next_token {
            Some(token) => decode(token).ok_or(HistoryError::InvalidNextToken)?,
            None => i64::MAX,
        };
        // A read that panicked has changed nothing.
        let db = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query = db.prepare_cached(
            "SELECT rowid, body FROM activity
             WHERE rowid < ?1
               AND (?2 IS NULL OR auto_scaling_group IN (SELECT value FROM json_each(?2)))
             ORDER BY rowid DESC LIMIT ?3",
        )?;
        // One more than is asked for tells whether there is more.
        let rows = query.query_map(params![before, groups.map(|g| json(&g)), most + 1], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
        let more = rows.len() > most;
        rows.truncate(most);
        let last = rows.last().map(|(rowid, _)| *rowid).filter(|_| more);
        let activities = rows
            .iter()
            .filter_map(|(_, body)| serde_json::from_str(body).ok());
        Ok(Page {
            activities: activities.collect(),
            next_token: last.map(encode),
        })
    }
}

fn encode(rowid: i64) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rowid.to_string())
}

fn decode(token: &str) -> Option<i64> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;
    use crate::store::Store;

    #[test]
    fn pages_cover_all_and_end() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let history = ActivityHistory::open(dir.path()).unwrap();
        let mut rng = SmallRng::seed_from_u64(1);
        let id = "i-0123abcd".parse().unwrap();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        for group in ["web", "gone", "web", "web", "web", "web"] {
            let activity = Activity::adopt(group, &id, now, &mut rng);
            store.put_activity(&activity).unwrap();
        }
        let web = ["web".to_owned()];
        let mut token = None;
        let mut sizes = Vec::new();
        let mut ids = std::collections::BTreeSet::new();
        loop {
            let page = history.page(Some(&web), 2, token.as_deref()).unwrap();
            sizes.push(page.activities.len());
            ids.extend(page.activities.into_iter().map(|a| a.activity_id));
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!((sizes, ids.len()), (vec![2, 2, 1], 5));
        assert_eq!(history.page(None, 100, None).unwrap().activities.len(), 6);
        for token in ["", "?", "YQ"] {
            let refused = history.page(None, 1, Some(token));
            assert!(
                matches!(refused, Err(HistoryError::InvalidNextToken)),
                "{token}"
            );
        }
    }
}
