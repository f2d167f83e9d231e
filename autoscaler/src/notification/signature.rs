//! Signatures after Standard Webhooks (<https://www.standardwebhooks.com>): HMAC-SHA256 of id,
//! time and body, so that a receiver knows the sender and can refuse what is old or repeated.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// Shorter keys can be guessed.
const SHORTEST: usize = 16;
const PREFIX: &str = "whsec_";

/// The key of a webhook. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "it holds no secret of 16 bytes or more: make one with `echo whsec_$(openssl rand -base64 32)`"
)]
pub struct SecretError;

impl Secret {
    /// What a file holds: `whsec_` and base64, or text; blanks around it do not count.
    ///
    /// # Errors
    /// Less than 16 bytes, or bad base64 after `whsec_`.
    pub fn try_new(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        let key = match text.strip_prefix(PREFIX) {
            Some(encoded) => BASE64_STANDARD.decode(encoded).map_err(|_| SecretError)?,
            None => text.as_bytes().to_vec(),
        };
        match key.len() >= SHORTEST {
            true => Ok(Self(key)),
            false => Err(SecretError),
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The value of `webhook-signature`. `webhook-timestamp` is `at` in whole seconds.
pub fn sign(secret: &Secret, id: &str, at: Timestamp, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{}.", at.as_second()).as_bytes());
    mac.update(body);
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the specification's own libraries.
    #[test]
    fn signature_is_that_of_standard_webhooks() {
        let secret = Secret::try_new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn weak_secrets_are_refused() {
        for text in ["", "short", "whsec_c2hvcnQ=", "whsec_not base64 at all!"] {
            assert_eq!(Secret::try_new(text), Err(SecretError), "{text}");
        }
        assert_eq!(
            format!("{:?}", Secret::try_new("0123456789abcdef")),
            "Ok(Secret(..))"
        );
    }
}
