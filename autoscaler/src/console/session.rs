use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// How long one stays logged in.
pub(super) const SESSION: std::time::Duration = std::time::Duration::from_secs(12 * 60 * 60);

/// Random bytes of this process: sessions and forms are sealed with them, so that they end with
/// it and nothing needs to be kept of them.
#[derive(Clone)]
pub struct Secret([u8; 32]);

/// Who is asked: what the tokens of a page's forms are bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// Whoever reaches the address.
    Open,
    /// Logged in, with this cookie.
    Cookie(String),
}

impl Secret {
    /// `bytes` are to come from the operating system's source of randomness.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The cookie of who logs in at `now`.
    pub(super) fn open_session(&self, now: Timestamp) -> String {
        let ends = (now + SESSION).as_second();
        format!("{ends}.{}", self.seal("session", &ends.to_string()))
    }

    /// Whether `cookie` was made by [`open_session`](Self::open_session) and has not ended.
    pub(super) fn is_session(&self, cookie: &str, now: Timestamp) -> bool {
        let Some((ends, seal)) = cookie.split_once('.') else {
            return false;
        };
        self.has_sealed("session", ends, seal)
            && ends.parse().is_ok_and(|ends: i64| ends > now.as_second())
    }

    /// What a form of the session carries, so that no other site can send one in its name.
    pub(super) fn csrf_token(&self, session: &Session) -> String {
        self.seal("csrf", session.as_str())
    }

    pub(super) fn is_csrf_token(&self, session: &Session, token: &str) -> bool {
        self.has_sealed("csrf", session.as_str(), token)
    }

    fn seal(&self, purpose: &str, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(purpose, text).finalize().into_bytes())
    }

    /// In constant time.
    fn has_sealed(&self, purpose: &str, text: &str, seal: &str) -> bool {
        let seal = URL_SAFE_NO_PAD.decode(seal);
        seal.is_ok_and(|seal| self.mac(purpose, text).verify_slice(&seal).is_ok())
    }

    fn mac(&self, purpose: &str, text: &str) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length is taken");
        mac.update(purpose.as_bytes());
        mac.update(b":");
        mac.update(text.as_bytes());
        mac
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Session {
    fn as_str(&self) -> &str {
        match self {
            Self::Open => "",
            Self::Cookie(cookie) => cookie,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_lasts_its_time_and_cannot_be_made_up() {
        let (secret, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let start = Timestamp::UNIX_EPOCH;
        let cookie = secret.open_session(start);
        assert!(secret.is_session(&cookie, start));
        assert!(!secret.is_session(&cookie, start + SESSION));
        assert!(!other.is_session(&cookie, start));
        let (ends, seal) = cookie.split_once('.').unwrap();
        let later = format!("{}.{seal}", ends.parse::<i64>().unwrap() + 1);
        for made_up in [later.as_str(), "", ".", ends, seal, "99999999999."] {
            assert!(!secret.is_session(made_up, start), "{made_up}");
        }
    }

    #[test]
    fn token_is_of_one_session_and_no_session_itself() {
        let secret = Secret::new([1; 32]);
        let cookie = Session::Cookie(secret.open_session(Timestamp::UNIX_EPOCH));
        let token = secret.csrf_token(&cookie);
        assert!(secret.is_csrf_token(&cookie, &token));
        assert!(!secret.is_csrf_token(&Session::Open, &token));
        assert!(!secret.is_csrf_token(&cookie, ""));
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
