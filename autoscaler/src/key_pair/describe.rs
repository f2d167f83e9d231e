//! What the control API takes and answers: botocore's `ec2` shapes in snake_case.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::KeyPair;

/// `KeyPairInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyPairInfo {
    pub key_pair_id: String,
    pub key_name: String,
    /// `ed25519`.
    pub key_type: String,
    /// `SHA256:` and the digest of the public key in base64, as `ssh-keygen -l` says it.
    pub key_fingerprint: String,
    /// As a line of `authorized_keys` has it.
    pub public_key: String,
    /// Absent for those of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_time: Option<Timestamp>,
}

impl From<&KeyPair> for KeyPairInfo {
    fn from(of: &KeyPair) -> Self {
        Self {
            key_pair_id: of.key_pair_id.to_string(),
            key_name: of.key_name.clone(),
            key_type: "ed25519".to_owned(),
            key_fingerprint: of.public_key.fingerprint(),
            public_key: of.public_key.to_string(),
            create_time: of.create_time,
        }
    }
}

/// `ImportKeyPair` with a public key, `CreateKeyPair` without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKeyPair {
    pub key_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// A key pair that was made, with the private key where it was made here: said this once, and
/// kept nowhere.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CreatedKeyPair {
    #[serde(flatten)]
    pub info: KeyPairInfo,
    /// In OpenSSH's form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_material: Option<String>,
}
