use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};

/// The configuration that was applied through the API, until the watched file changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppliedConfiguration {
    pub(crate) body: Vec<u8>,
    /// Of the watched file's content as it was then; `None` where no file was watched.
    pub(crate) file_digest: Option<String>,
    pub(crate) applied_at: Timestamp,
}

impl Store {
    pub(crate) fn applied_configuration(&self) -> Result<Option<AppliedConfiguration>, StoreError> {
        let applied = self.db.query_row(
            "SELECT body, file_digest, applied_at FROM applied_configuration",
            [],
            |row| {
                let invalid = || rusqlite::Error::InvalidColumnName("applied_at".to_owned());
                let applied_at: String = row.get("applied_at")?;
                Ok(AppliedConfiguration {
                    body: row.get("body")?,
                    file_digest: row.get("file_digest")?,
                    applied_at: applied_at.parse().map_err(|_| invalid())?,
                })
            },
        );
        Ok(applied.optional()?)
    }

    pub(crate) fn put_applied_configuration(
        &self,
        applied: &AppliedConfiguration,
    ) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT OR REPLACE INTO applied_configuration VALUES (1, ?1, ?2, ?3)",
            params![
                applied.body,
                applied.file_digest,
                applied.applied_at.to_string()
            ],
        )?;
        Ok(())
    }

    pub(crate) fn forget_applied_configuration(&self) -> Result<(), StoreError> {
        self.db.execute("DELETE FROM applied_configuration", [])?;
        Ok(())
    }
}
