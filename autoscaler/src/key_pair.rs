//! Key pairs, in EC2's shape: whose holder may open a shell into an instance. Pure.
//!
//! A minicloud keeps public keys only. Deliberately absent: other algorithms than ed25519, and
//! private keys that a passphrase protects.

mod challenge;
pub mod describe;
mod fault;
mod private_key;
mod public_key;

use std::fmt;

use jiff::Timestamp;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use self::challenge::{Challenges, Refusal};
pub use self::{
    challenge::Challenge,
    describe::KeyPairInfo,
    fault::KeyPairError,
    private_key::{PrivateKey, PrivateKeyError},
    public_key::{PublicKey, PublicKeyError},
};

/// EC2's limit on a key pair's name, in ASCII characters.
const MAX_NAME: usize = 255;

/// A name and the public half of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    pub key_name: String,
    pub key_pair_id: KeyPairId,
    pub public_key: PublicKey,
    /// Absent for those of the configuration file.
    pub create_time: Option<Timestamp>,
}

/// `key-` and 17 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPairId(String);

/// What an instance was launched with; what becomes of the key pair changes nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchedKeyPair {
    pub key_name: String,
    pub public_key: PublicKey,
}

impl KeyPairId {
    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        let (high, low): (u64, u8) = (rng.random(), rng.random());
        Self(format!("key-{high:016x}{:x}", low & 0xf))
    }

    /// The same for the same name and key: nothing of the file's key pairs is kept elsewhere.
    fn derived(key_name: &str, public_key: &PublicKey) -> Self {
        let digest = Sha256::new()
            .chain_update(key_name)
            .chain_update([0])
            .chain_update(public_key.to_string())
            .finalize();
        let hex = digest.iter().map(|byte| format!("{byte:02x}"));
        Self(format!("key-{:.17}", hex.collect::<String>()))
    }
}

impl fmt::Display for KeyPairId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyPair {
    pub(crate) fn of_file(key_name: &str, public_key: PublicKey) -> Self {
        Self {
            key_name: key_name.to_owned(),
            key_pair_id: KeyPairId::derived(key_name, &public_key),
            public_key,
            create_time: None,
        }
    }

    pub(crate) fn launched(self) -> LaunchedKeyPair {
        LaunchedKeyPair {
            key_name: self.key_name,
            public_key: self.public_key,
        }
    }
}

/// EC2 takes any ASCII; what cannot be seen is a mistake all the same.
pub(crate) fn check_name(name: &str) -> Result<(), KeyPairError> {
    let visible = name.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    match (1..=MAX_NAME).contains(&name.len()) && visible && name.trim() == name {
        true => Ok(()),
        false => Err(KeyPairError::MalformedName(name.chars().take(40).collect())),
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    #[test]
    fn names_are_those_of_ec2() {
        for name in ["a", "my key", "ops@2026/(x)", &"a".repeat(255)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", " a", "a ", "a\nb", "schlüssel", &"a".repeat(256)] {
            assert_eq!(
                check_name(name).unwrap_err().code(),
                "InvalidParameterValue"
            );
        }
    }

    #[test]
    fn ids_have_seventeen_hex_digits() {
        let (_, key) = PrivateKey::from_seed([1; 32]).parts();
        let random = KeyPairId::random(&mut SmallRng::seed_from_u64(1));
        let derived = KeyPair::of_file("a", key.clone()).key_pair_id;
        for id in [&random, &derived] {
            let hex = id.0.strip_prefix("key-").unwrap();
            assert_eq!(hex.len(), 17, "{id}");
            assert!(hex.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        }
        assert_eq!(derived, KeyPair::of_file("a", key.clone()).key_pair_id);
        assert_ne!(derived, KeyPair::of_file("b", key).key_pair_id);
    }
}
