use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use ssh_key::{Algorithm, HashAlg, SshSig};

/// The public half of an ed25519 key pair; its text is a line of `authorized_keys` without the
/// comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(ssh_key::PublicKey);

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PublicKeyError {
    #[error(
        "not a public key in OpenSSH's form: write one such as `ssh-ed25519 AAAA...`, what ssh-keygen puts into FILE.pub"
    )]
    Malformed,
    #[error("a private key was given: give the public one, what ssh-keygen puts into FILE.pub")]
    Private,
    #[error("a key of type {0} is not taken: make one with `ssh-keygen -t ed25519`")]
    Algorithm(String),
}

impl PublicKey {
    pub(super) fn new(mut key: ssh_key::PublicKey) -> Self {
        key.set_comment("");
        Self(key)
    }

    /// `SHA256:` and base64, as `ssh-keygen -l` says it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Whether `signature`, in the PEM form of an SSHSIG, is this key's over `message`.
    pub(crate) fn verifies(&self, namespace: &str, message: &[u8], signature: &str) -> bool {
        let signature = signature.parse::<SshSig>();
        signature.is_ok_and(|signature| self.0.verify(namespace, message, &signature).is_ok())
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.contains("PRIVATE KEY") {
            return Err(PublicKeyError::Private);
        }
        // Before it is parsed: what an elliptic curve or RSA key holds is not understood here.
        let algorithm = text.split_whitespace().next().unwrap_or_default();
        match Algorithm::new(algorithm) {
            Ok(Algorithm::Ed25519) => {}
            Ok(other) => return Err(PublicKeyError::Algorithm(other.as_str().to_owned())),
            Err(_) => return Err(PublicKeyError::Malformed),
        }
        ssh_key::PublicKey::from_openssh(text)
            .map(Self::new)
            .map_err(|_| PublicKeyError::Malformed)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string())
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `ssh-keygen -t ed25519`; its fingerprint is what `ssh-keygen -lf` says.
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGE4zp+/4hayLSEwUnrNr+TBxl+76jGyqmDPx5jVUwka";
    const FINGERPRINT: &str = "SHA256:/fhpRXjPHSykqYAGl/MLZwTiuB8s2OJqc3phwsSBwXM";

    #[test]
    fn comment_is_no_part_of_the_key() {
        let key: PublicKey = format!("{KEY} user@example.com\n").parse().unwrap();
        assert_eq!(key.to_string(), KEY);
        assert_eq!(key, KEY.parse().unwrap());
        assert_eq!(key.fingerprint(), FINGERPRINT);
    }

    #[test]
    fn other_texts_say_what_to_give() {
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==";
        let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGPY1hKekeHy0NqaxB/hUe3xwx+qinE5Fb/EXjAAMpFxaXG24rq0bs1FkqxujVeEgczV5U8sfVUPxDpdMhoRzYk=";
        for (text, hint) in [
            ("", "OpenSSH's form"),
            ("ssh-ed25519", "OpenSSH's form"),
            ("ssh-ed25519 AAAA", "OpenSSH's form"),
            (rsa, "-t ed25519"),
            (ecdsa, "-t ed25519"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "the public one"),
        ] {
            let error = text.parse::<PublicKey>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
