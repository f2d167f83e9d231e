//! Who may open a shell: whoever signs a nonce with the key that the instance was launched
//! with. Pure: the caller brings time and randomness.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::PublicKey;
use crate::instance::InstanceId;

/// A nonce to sign, once, within [`Self::LIFETIME`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Challenge {
    /// 64 hex digits.
    pub nonce: String,
    pub expires_in_seconds: u64,
}

impl Challenge {
    /// Of the SSHSIG: a signature that was given for anything else opens nothing.
    pub const NAMESPACE: &str = "minicloud-shell";
    pub const LIFETIME: Duration = Duration::from_secs(30);

    /// What is signed: the nonce opens one instance, not another.
    pub(super) fn message(nonce: &str, instance: &InstanceId) -> Vec<u8> {
        format!("{nonce} {instance}").into_bytes()
    }
}

/// Challenges that wait for their answer, all instances together. The oldest makes room, so
/// that whoever asks for many and answers none keeps nobody out for long.
const MAX_OUTSTANDING: usize = 256;
/// Wrong answers for one instance within [`FAILURE_WINDOW`]; then it takes none for the rest.
const MAX_FAILURES: u32 = 5;
const FAILURE_WINDOW: Duration = Duration::from_secs(30);
/// Instances whose wrong answers are counted.
const MAX_COUNTED: usize = 1024;

/// Challenges given, and wrong answers counted.
#[derive(Debug, Default)]
pub(crate) struct Challenges {
    /// Oldest first.
    outstanding: VecDeque<Outstanding>,
    failures: BTreeMap<InstanceId, Failures>,
}

#[derive(Debug)]
struct Outstanding {
    nonce: String,
    instance: InstanceId,
    given: Instant,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    first: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such challenge for this instance: answered already, expired, or never given.
    NoChallenge,
    /// The signature is not that of the instance's key.
    Unauthorized,
    /// Too many wrong answers for this instance; more are taken after so long.
    Throttled(Duration),
}

impl Challenges {
    /// A challenge for `instance`, made from 32 bytes of a cryptographic source.
    pub(crate) fn give(
        &mut self,
        instance: &InstanceId,
        random: [u8; 32],
        now: Instant,
    ) -> Challenge {
        let is_over = |given: Instant| now.duration_since(given) >= Challenge::LIFETIME;
        while self.outstanding.len() >= MAX_OUTSTANDING
            || self
                .outstanding
                .front()
                .is_some_and(|oldest| is_over(oldest.given))
        {
            self.outstanding.pop_front();
        }
        let nonce: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.outstanding.push_back(Outstanding {
            nonce: nonce.clone(),
            instance: instance.clone(),
            given: now,
        });
        Challenge {
            nonce,
            expires_in_seconds: Challenge::LIFETIME.as_secs(),
        }
    }

    /// Takes an answer; the challenge is gone, whatever it is worth.
    pub(crate) fn take(
        &mut self,
        instance: &InstanceId,
        nonce: &str,
        signature: &str,
        key: &PublicKey,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.check_failures(instance, now)?;
        let mut outstanding = self.outstanding.iter();
        let found =
            outstanding.position(|given| given.nonce == nonce && given.instance == *instance);
        let given = found.and_then(|index| self.outstanding.remove(index));
        if given.is_none_or(|given| now.duration_since(given.given) >= Challenge::LIFETIME) {
            return Err(Refusal::NoChallenge);
        }
        let message = Challenge::message(nonce, instance);
        if key.verifies(Challenge::NAMESPACE, &message, signature) {
            self.failures.remove(instance);
            return Ok(());
        }
        self.count_failure(instance, now);
        Err(Refusal::Unauthorized)
    }

    fn check_failures(&self, instance: &InstanceId, now: Instant) -> Result<(), Refusal> {
        let Some(failures) = self.failures.get(instance) else {
            return Ok(());
        };
        let left = FAILURE_WINDOW.saturating_sub(now.duration_since(failures.first));
        match failures.count >= MAX_FAILURES && !left.is_zero() {
            true => Err(Refusal::Throttled(left)),
            false => Ok(()),
        }
    }

    fn count_failure(&mut self, instance: &InstanceId, now: Instant) {
        self.failures
            .retain(|_, failures| now.duration_since(failures.first) < FAILURE_WINDOW);
        if self.failures.len() >= MAX_COUNTED {
            return;
        }
        let failures = self.failures.entry(instance.clone()).or_insert(Failures {
            count: 0,
            first: now,
        });
        failures.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_pair::PrivateKey;

    struct Scene {
        challenges: Challenges,
        key: PrivateKey,
        now: Instant,
        given: u8,
    }

    fn id(text: &str) -> InstanceId {
        text.parse().unwrap()
    }

    impl Scene {
        fn new() -> Self {
            Self {
                challenges: Challenges::default(),
                key: PrivateKey::from_seed([1; 32]),
                now: Instant::now(),
                given: 0,
            }
        }

        fn give(&mut self, instance: &str) -> String {
            self.given = self.given.wrapping_add(1);
            self.challenges
                .give(&id(instance), [self.given; 32], self.now)
                .nonce
        }

        fn answer(&mut self, instance: &str, nonce: &str, signature: &str) -> Result<(), Refusal> {
            let (_, public) = self.key.parts();
            self.challenges
                .take(&id(instance), nonce, signature, &public, self.now)
        }
    }

    #[tokio::test]
    async fn challenge_opens_one_shell() {
        let mut scene = Scene::new();
        let nonce = scene.give("i-0123abcd");
        let signature = scene.key.answer(&nonce, &id("i-0123abcd"));
        assert_eq!(scene.answer("i-0123abcd", &nonce, &signature), Ok(()));
        let again = scene.answer("i-0123abcd", &nonce, &signature);
        assert_eq!(again, Err(Refusal::NoChallenge));
    }

    #[tokio::test]
    async fn challenge_expires() {
        let mut scene = Scene::new();
        let nonce = scene.give("i-0123abcd");
        let signature = scene.key.answer(&nonce, &id("i-0123abcd"));
        scene.now += Challenge::LIFETIME;
        let late = scene.answer("i-0123abcd", &nonce, &signature);
        assert_eq!(late, Err(Refusal::NoChallenge));
    }

    #[tokio::test]
    async fn answer_for_another_instance_opens_nothing() {
        let mut scene = Scene::new();
        let nonce = scene.give("i-0123abcd");
        let signature = scene.key.answer(&nonce, &id("i-0123abcd"));
        let elsewhere = scene.answer("i-89abcdef", &nonce, &signature);
        assert_eq!(elsewhere, Err(Refusal::NoChallenge));
        let other = scene.give("i-89abcdef");
        let elsewhere = scene.answer("i-89abcdef", &other, &signature);
        assert_eq!(elsewhere, Err(Refusal::Unauthorized));
        let signed_for_another = scene.key.answer(&nonce, &id("i-89abcdef"));
        let wrong = scene.answer("i-0123abcd", &nonce, &signed_for_another);
        assert_eq!(wrong, Err(Refusal::Unauthorized));
    }

    #[tokio::test]
    async fn wrong_keys_are_held_up_after_a_few_tries() {
        let mut scene = Scene::new();
        let wrong = PrivateKey::from_seed([2; 32]);
        for _ in 0..MAX_FAILURES {
            let nonce = scene.give("i-0123abcd");
            let signature = wrong.answer(&nonce, &id("i-0123abcd"));
            let refused = scene.answer("i-0123abcd", &nonce, &signature);
            assert_eq!(refused, Err(Refusal::Unauthorized));
        }
        let nonce = scene.give("i-0123abcd");
        let right = scene.key.answer(&nonce, &id("i-0123abcd"));
        let held_up = scene.answer("i-0123abcd", &nonce, &right);
        assert_eq!(held_up, Err(Refusal::Throttled(FAILURE_WINDOW)));
        let other = scene.give("i-89abcdef");
        let signature = scene.key.answer(&other, &id("i-89abcdef"));
        assert_eq!(scene.answer("i-89abcdef", &other, &signature), Ok(()));
        scene.now += FAILURE_WINDOW;
        let nonce = scene.give("i-0123abcd");
        let right = scene.key.answer(&nonce, &id("i-0123abcd"));
        assert_eq!(scene.answer("i-0123abcd", &nonce, &right), Ok(()));
    }

    #[tokio::test]
    async fn nonsense_is_no_signature() {
        let mut scene = Scene::new();
        for nonsense in [
            "",
            "x",
            "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----",
        ] {
            let nonce = scene.give("i-0123abcd");
            let refused = scene.answer("i-0123abcd", &nonce, nonsense);
            assert_eq!(refused, Err(Refusal::Unauthorized));
        }
    }

    #[tokio::test]
    async fn outstanding_challenges_are_bounded() {
        let mut scene = Scene::new();
        let first = scene.give("i-0123abcd");
        for number in 0..MAX_OUTSTANDING {
            let mut random = [0; 32];
            random[..8].copy_from_slice(&number.to_le_bytes());
            scene.challenges.give(&id("i-0123abcd"), random, scene.now);
        }
        assert_eq!(scene.challenges.outstanding.len(), MAX_OUTSTANDING);
        let signature = scene.key.answer(&first, &id("i-0123abcd"));
        let oldest = scene.answer("i-0123abcd", &first, &signature);
        assert_eq!(oldest, Err(Refusal::NoChallenge));
    }
}
