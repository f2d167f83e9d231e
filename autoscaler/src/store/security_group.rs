use rusqlite::OptionalExtension;

use super::{Store, StoreError};

impl Store {
    /// The group's id; `fresh` becomes it where it has none yet. It is kept as long as the group
    /// is, and a group that comes back has another.
    pub(crate) fn security_group_id(
        &self,
        name: &str,
        fresh: impl FnOnce() -> String,
    ) -> Result<String, StoreError> {
        let query = "SELECT group_id FROM security_group WHERE group_name = ?1";
        let known = self.db.query_row(query, [name], |row| row.get(0));
        if let Some(id) = known.optional()? {
            return Ok(id);
        }
        let id = fresh();
        let insert = "INSERT INTO security_group VALUES (?1, ?2)";
        self.db.execute(insert, [name, &id])?;
        Ok(id)
    }

    /// Forgets the groups that are not there any more.
    pub(crate) fn keep_security_groups(
        &self,
        is_there: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let mut query = self.db.prepare("SELECT group_name FROM security_group")?;
        let names = query.query_map([], |row| row.get::<_, String>(0))?;
        let names: Vec<_> = names.collect::<Result<_, _>>()?;
        for name in names.iter().filter(|name| !is_there(name)) {
            let delete = "DELETE FROM security_group WHERE group_name = ?1";
            self.db.execute(delete, [name])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_keeps_its_id_as_long_as_it_is_there() {
        let store = Store::in_memory();
        let id = |name, fresh: &str| store.security_group_id(name, || fresh.to_owned()).unwrap();
        assert_eq!(id("web", "sg-1"), "sg-1");
        assert_eq!(id("web", "sg-2"), "sg-1");
        assert_eq!(id("db", "sg-3"), "sg-3");
        store.keep_security_groups(|name| name == "db").unwrap();
        assert_eq!(id("db", "sg-4"), "sg-3");
        assert_eq!(id("web", "sg-5"), "sg-5");
    }
}
