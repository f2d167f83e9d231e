//! Key pairs: the file's, and those that the API made or imported.

use tracing::{info, warn};

use super::Reconciler;
use crate::{
    command::KeyPairCommand,
    group::Instance,
    key_pair::{KeyPair, KeyPairError, KeyPairId, LaunchedKeyPair, PublicKey, check_name},
    launch_template::LaunchTemplate,
    now::{Clock, Now},
    provider::{InstanceProvider, LaunchError},
    store::StoreError,
};

/// EC2's limit on key pairs in a region.
const MAX_KEY_PAIRS: usize = 5000;

type Outcome<T> = Result<T, KeyPairError>;

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// What an instance of the template is launched with now; `None` also where the key pair
    /// that it names does not exist.
    pub(super) fn key_pair_of(&self, template: &LaunchTemplate) -> Option<LaunchedKeyPair> {
        let found = self.find_key_pair(template.key_name.as_deref()?);
        let found = found.unwrap_or_else(|error| {
            warn!(%error, "the store does not tell of a key pair");
            None
        });
        found.map(KeyPair::launched)
    }

    /// Does what is asked and answers. The asker may have gone; it is done all the same.
    pub(super) fn obey_key_pair(&mut self, command: KeyPairCommand, now: Now) {
        match command {
            KeyPairCommand::Describe { reply } => drop(reply.send(self.all_key_pairs())),
            KeyPairCommand::Import {
                key_name,
                public_key,
                reply,
            } => drop(reply.send(self.import_key_pair(key_name, public_key, now))),
            KeyPairCommand::Delete { key_name, reply } => {
                drop(reply.send(self.delete_key_pair(&key_name)));
            }
        }
    }

    /// By name; one of the file stands before a stored one of that name.
    fn all_key_pairs(&self) -> Outcome<Vec<KeyPair>> {
        let mut all = self.config.key_pairs.clone();
        for stored in self.ledger.store.key_pairs().map_err(unstored)? {
            all.entry(stored.key_name.clone()).or_insert(stored);
        }
        Ok(all.into_values().collect())
    }

    fn find_key_pair(&self, key_name: &str) -> Result<Option<KeyPair>, StoreError> {
        match self.config.key_pairs.get(key_name) {
            Some(of_file) => Ok(Some(of_file.clone())),
            None => self.ledger.store.key_pair(key_name),
        }
    }

    fn import_key_pair(
        &mut self,
        key_name: String,
        public_key: PublicKey,
        now: Now,
    ) -> Outcome<KeyPair> {
        check_name(&key_name)?;
        let known = self.all_key_pairs()?;
        if known.iter().any(|known| known.key_name == key_name) {
            return Err(KeyPairError::Duplicate(key_name));
        }
        if known.len() >= MAX_KEY_PAIRS {
            return Err(KeyPairError::LimitExceeded(MAX_KEY_PAIRS));
        }
        let key_pair = KeyPair {
            key_name,
            key_pair_id: KeyPairId::random(&mut self.rng),
            public_key,
            create_time: Some(now.wall),
        };
        let stored = self.ledger.store.put_key_pair(&key_pair);
        stored.map_err(unstored)?;
        info!(key_name = key_pair.key_name, "key pair made");
        let key_name = key_pair.key_name.as_str();
        for group in self.groups.values_mut() {
            if group.launch_template.key_name.as_deref() == Some(key_name) {
                // What failed before may work now.
                group.launches.reset();
            }
        }
        Ok(key_pair)
    }

    /// Instances that were launched with it keep it.
    fn delete_key_pair(&mut self, key_name: &str) -> Outcome<KeyPair> {
        if self.config.key_pairs.contains_key(key_name) {
            return Err(KeyPairError::OfFile(key_name.to_owned()));
        }
        let store = &self.ledger.store;
        let Some(key_pair) = store.key_pair(key_name).map_err(unstored)? else {
            return Err(self.unknown_key_pair(key_name)?);
        };
        store.delete_key_pair(key_name).map_err(unstored)?;
        info!(key_name, "key pair deleted");
        Ok(key_pair)
    }

    fn unknown_key_pair(&self, key_name: &str) -> Outcome<KeyPairError> {
        let known: Vec<_> = self.all_key_pairs()?;
        let known: Vec<_> = known.iter().map(|known| known.key_name.as_str()).collect();
        Ok(KeyPairError::NotFound {
            name: key_name.chars().take(255).collect(),
            known: match known.is_empty() {
                true => "none".to_owned(),
                false => known.join(", "),
            },
        })
    }
}

/// Why nothing can be launched, in EC2's words: the template names a key pair that was not
/// there when the instance was recorded.
pub(super) fn missing_key_pair(
    template: &LaunchTemplate,
    instance: &Instance,
) -> Option<LaunchError> {
    let key_name = template.key_name.as_ref()?;
    instance.key_pair.is_none().then(|| {
        LaunchError::Template(format!(
            "the key pair '{key_name}' does not exist (InvalidKeyPair.NotFound): `minicloud key-pair create` or key_pairs of the file make one"
        ))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn unstored(error: StoreError) -> KeyPairError {
    KeyPairError::Store(error.to_string())
}
