use std::fmt;

use ssh_key::{Algorithm, HashAlg, LineEnding, private::Ed25519Keypair};

use super::{Challenge, PublicKey};
use crate::instance::InstanceId;

/// The half that its holder keeps; never printed.
pub struct PrivateKey(ssh_key::PrivateKey);

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PrivateKeyError {
    #[error("not a private key in OpenSSH's form")]
    Malformed,
    #[error("the public half of a key was given: give the private one")]
    Public,
    #[error(
        "the key is protected by a passphrase, which this cannot ask for: use one without (`ssh-keygen -p`)"
    )]
    Encrypted,
    #[error("a key of type {0} is not taken: minicloud's are ed25519")]
    Algorithm(String),
}

impl PrivateKey {
    /// The key that follows from `seed`, which must come from a cryptographic source.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Ed25519Keypair::from_seed(&seed).into())
    }

    /// # Errors
    /// What is no private key, or one that this cannot use.
    pub fn from_openssh(text: &str) -> Result<Self, PrivateKeyError> {
        if text.starts_with("ssh-") {
            return Err(PrivateKeyError::Public);
        }
        let key =
            ssh_key::PrivateKey::from_openssh(text).map_err(|_| PrivateKeyError::Malformed)?;
        if key.is_encrypted() {
            return Err(PrivateKeyError::Encrypted);
        }
        match key.algorithm() {
            Algorithm::Ed25519 => Ok(Self(key)),
            other => Err(PrivateKeyError::Algorithm(other.as_str().to_owned())),
        }
    }

    /// Its text in OpenSSH's form, and its public half.
    pub fn parts(&self) -> (String, PublicKey) {
        let text = self.0.to_openssh(LineEnding::LF);
        let text = text.expect("an ed25519 key that is not encrypted always encodes");
        (
            text.to_string(),
            PublicKey::new(self.0.public_key().clone()),
        )
    }

    /// The answer to a challenge: an SSHSIG in PEM form, which opens a shell into this
    /// instance alone.
    pub fn answer(&self, nonce: &str, instance: &InstanceId) -> String {
        let message = Challenge::message(nonce, instance);
        let signature = self.0.sign(Challenge::NAMESPACE, HashAlg::Sha512, &message);
        signature
            .and_then(|signature| signature.to_pem(LineEnding::LF))
            .expect("an ed25519 key that is not encrypted always signs")
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_they_were() {
        let key = PrivateKey::from_seed([7; 32]);
        let (text, public) = key.parts();
        assert!(text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        assert_eq!(
            PrivateKey::from_openssh(&text).unwrap().parts(),
            (text, public.clone())
        );
        assert_eq!(format!("{key:?}"), "PrivateKey(..)");
        let wrong = PrivateKey::from_openssh(&public.to_string());
        assert_eq!(wrong.unwrap_err(), PrivateKeyError::Public);
        let wrong = PrivateKey::from_openssh("nothing");
        assert_eq!(wrong.unwrap_err(), PrivateKeyError::Malformed);
    }
}
