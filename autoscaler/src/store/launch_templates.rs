//! Launch templates: a head each, and their versions one by one.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, json};
use crate::launch_template::{Author, LaunchTemplate, Version, VersionedTemplate};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS launch_template_head (
        name TEXT PRIMARY KEY, body TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS launch_template_version (
        name TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (name, version)
    ) STRICT;
";

impl Store {
    /// By name, with every version.
    pub(crate) fn launch_template(
        &self,
        name: &str,
    ) -> Result<Option<VersionedTemplate>, StoreError> {
        let head = self
            .db
            .query_row(
                "SELECT body FROM launch_template_head WHERE name = ?1",
                [name],
                |row| row.get::<_, String>(0),
            )
            .optional()?;
        let Some(head) =
            head.and_then(|body| serde_json::from_str::<VersionedTemplate>(&body).ok())
        else {
            return Ok(None);
        };
        Ok(Some(head.with_versions(self.versions(name)?)))
    }

    /// Every template, by name.
    pub(crate) fn launch_templates(&self) -> Result<Vec<VersionedTemplate>, StoreError> {
        let mut query = self
            .db
            .prepare("SELECT name FROM launch_template_head ORDER BY name")?;
        let names: Vec<String> = query
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let templates = names.iter().map(|name| self.launch_template(name));
        Ok(templates
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    fn versions(&self, name: &str) -> Result<Vec<Version>, StoreError> {
        let mut query = self
            .db
            .prepare("SELECT body FROM launch_template_version WHERE name = ?1 ORDER BY version")?;
        let bodies = query.query_map([name], |row| row.get::<_, String>(0))?;
        let versions = bodies.filter_map(|body| serde_json::from_str(&body.ok()?).ok());
        Ok(versions.collect())
    }

    /// Versions that a store from before there were heads has, as if `author` had made them.
    pub(crate) fn headless_versions(
        &self,
        name: &str,
        author: Author,
    ) -> Result<Vec<Version>, StoreError> {
        let mut query = self
            .db
            .prepare("SELECT body FROM launch_template WHERE name = ?1 ORDER BY version")?;
        let bodies = query.query_map([name], |row| row.get::<_, String>(0))?;
        let texts =
            bodies.filter_map(|body| serde_json::from_str::<LaunchTemplate>(&body.ok()?).ok());
        Ok(texts.map(|text| Version::from_text(text, author)).collect())
    }

    /// Keeps the template as it is now. Versions are immutable: those known are left as they are.
    pub(crate) fn put_launch_template(
        &mut self,
        template: &VersionedTemplate,
    ) -> Result<(), StoreError> {
        let transaction = self.db.transaction()?;
        transaction.execute(
            "INSERT OR REPLACE INTO launch_template_head VALUES (?1, ?2)",
            params![template.name, json(template)],
        )?;
        for version in template.versions() {
            transaction.execute(
                "INSERT OR IGNORE INTO launch_template_version VALUES (?1, ?2, ?3)",
                params![template.name, version.template.version, json(version)],
            )?;
        }
        transaction.commit()?;
        Ok(())
    }

    pub(crate) fn delete_launch_template_version(
        &self,
        name: &str,
        version: u64,
    ) -> Result<(), StoreError> {
        self.db.execute(
            "DELETE FROM launch_template_version WHERE name = ?1 AND version = ?2",
            params![name, version],
        )?;
        Ok(())
    }

    pub(crate) fn delete_launch_template(&mut self, name: &str) -> Result<(), StoreError> {
        let transaction = self.db.transaction()?;
        for table in [
            "launch_template_head",
            "launch_template_version",
            "launch_template",
        ] {
            let delete = format!("DELETE FROM {table} WHERE name = ?1");
            transaction.execute(&delete, [name])?;
        }
        transaction.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;
    use crate::launch_template::{
        CreatedBy, LaunchTemplateData, LaunchTemplateId, VersionSelector,
    };

    const AUTHOR: Author = Author {
        by: CreatedBy::ControlApi,
        at: Timestamp::UNIX_EPOCH,
    };

    fn template() -> VersionedTemplate {
        let id = LaunchTemplateId::random(&mut SmallRng::seed_from_u64(1));
        let mut template = VersionedTemplate::new("a/b".to_owned(), id, AUTHOR);
        for image in ["a", "b"] {
            let data = LaunchTemplateData {
                image: Some(image.to_owned()),
                port: Some(80),
                ..LaunchTemplateData::default()
            };
            let description = Some(image.to_owned());
            template
                .create_version(data, None, description, AUTHOR)
                .unwrap();
        }
        template
    }

    #[test]
    fn templates_come_back_as_they_were() {
        let mut store = Store::in_memory();
        let mut template = template();
        template
            .set_default_version(VersionSelector::Latest)
            .unwrap();
        store.put_launch_template(&template).unwrap();
        assert_eq!(
            store.launch_template("a/b").unwrap(),
            Some(template.clone())
        );
        template.delete_version(1).unwrap();
        store.delete_launch_template_version("a/b", 1).unwrap();
        store.put_launch_template(&template).unwrap();
        assert_eq!(store.launch_templates().unwrap(), [template]);
        store.delete_launch_template("a/b").unwrap();
        assert_eq!(store.launch_templates().unwrap(), []);
    }

    #[test]
    fn number_of_a_deleted_version_is_not_given_again_after_a_restart() {
        let mut store = Store::in_memory();
        let mut made = template();
        made.delete_version(2).unwrap();
        store.put_launch_template(&made).unwrap();
        let mut again = store.launch_template("a/b").unwrap().unwrap();
        let data = LaunchTemplateData::default();
        let source = Some(VersionSelector::Latest);
        assert_eq!(again.create_version(data, source, None, AUTHOR), Ok(3));
    }

    #[test]
    fn versions_of_an_older_store_are_readable() {
        let store = Store::in_memory();
        let body = r#"{"name":"web","version":3,"image":"nginx","process":null,"cpus":0.5,"memory":null,"port":80,"env":{}}"#;
        store
            .db
            .execute("INSERT INTO launch_template VALUES ('web', 3, ?1)", [body])
            .unwrap();
        let versions = store.headless_versions("web", AUTHOR).unwrap();
        assert_eq!(versions.len(), 1);
        assert_eq!(versions[0].template.version, 3);
        assert_eq!(versions[0].template.quota_cores(), Some(0.5));
    }
}
