use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::stable_hash::stable_hash;

/// The first byte of a value. Others are read as nothing, so that an older balancer survives
/// a newer one's cookies.
const VERSION: u8 = 1;
/// Scopes that one client can be sticky in: a page's, its API's, and two more. The one that it
/// was in longest ago goes.
const CAPACITY: usize = 4;
const CHOICE_LEN: usize = 4 + 8;
const DECODED_LEN: usize = 1 + CAPACITY * CHOICE_LEN;
const ENCODED_LEN: usize = (DECODED_LEN * 4).div_ceil(3);
/// What base64 asks for to decode so much.
const BUFFER_LEN: usize = ENCODED_LEN.div_ceil(4) * 3;

/// What a choice is about: a target group that has targets, a rule that has target groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope(u32);

/// A cookie's value: the choices that were made for a client, the latest first, one a scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choices {
    known: [Option<(Scope, u64)>; CAPACITY],
}

impl Scope {
    pub(crate) fn of(name: &str) -> Self {
        Self(stable_hash(name.as_bytes()) as u32)
    }
}

impl Choices {
    /// Reads a value that [`encode`](Self::encode) wrote.
    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut buffer = [0; BUFFER_LEN];
        let value = Some(value).filter(|value| value.len() <= ENCODED_LEN)?;
        let len = URL_SAFE_NO_PAD.decode_slice(value, &mut buffer).ok()?;
        let (&VERSION, choices) = buffer.get(..len)?.split_first()? else {
            return None;
        };
        let (choices @ [_, ..], []) = choices.as_chunks::<CHOICE_LEN>() else {
            return None;
        };
        let mut decoded = Self::default();
        for (slot, bytes) in decoded.known.iter_mut().zip(choices) {
            let (scope, choice) = bytes.split_first_chunk::<4>()?;
            let choice = choice.first_chunk::<8>()?;
            *slot = Some((
                Scope(u32::from_be_bytes(*scope)),
                u64::from_be_bytes(*choice),
            ));
        }
        Some(decoded)
    }

    pub(crate) fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(DECODED_LEN);
        bytes.push(VERSION);
        for (Scope(scope), choice) in self.known.iter().flatten() {
            bytes.extend_from_slice(&scope.to_be_bytes());
            bytes.extend_from_slice(&choice.to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn get(&self, scope: Scope) -> Option<u64> {
        let known = self.known.iter().flatten();
        let mut known = known.filter(|(own, _)| *own == scope);
        known.next().map(|(_, choice)| *choice)
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.known.iter().flatten().map(|(scope, _)| *scope)
    }

    /// These with `choice` made for `scope`.
    pub(crate) fn with(&self, scope: Scope, choice: u64) -> Self {
        let others = self.known.iter().flatten();
        let others = others.copied().filter(|(own, _)| *own != scope);
        let mut latest_first = std::iter::once((scope, choice)).chain(others);
        Self {
            known: std::array::from_fn(|_| latest_first.next()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn value_is_as_in_the_first_release() {
        let choices = Choices::default().with(Scope(0x01020304), 0x05060708090a0b0c);
        assert_eq!(choices.encode(), "AQECAwQFBgcICQoLDA");
    }

    #[test]
    fn foreign_values_are_no_choice() {
        let good = Choices::default().with(Scope(7), 7).encode();
        let long = "A".repeat(ENCODED_LEN + 1);
        let newer = URL_SAFE_NO_PAD.encode([&[VERSION + 1][..], &[0; CHOICE_LEN]].concat());
        let cut = &good[..good.len() - 2];
        for foreign in ["", "!", "AQ", "AQ==", "i-1", &long, &newer, cut] {
            assert_eq!(Choices::decode(foreign.as_bytes()), None, "{foreign:?}");
        }
    }

    #[test]
    fn oldest_scope_gives_way() {
        let scopes: Vec<_> = ["a", "b", "c", "d", "e"].map(Scope::of).into();
        let mut choices = Choices::default();
        for (index, scope) in scopes.iter().enumerate() {
            choices = choices.with(*scope, index as u64);
        }
        assert_eq!(choices.get(scopes[0]), None);
        for (index, scope) in scopes.iter().enumerate().skip(1) {
            assert_eq!(choices.get(*scope), Some(index as u64));
        }
    }

    proptest! {
        #[test]
        fn choices_come_back(made in prop::collection::vec((0_u32..6, any::<u64>()), 0..12)) {
            let mut choices = Choices::default();
            for (scope, choice) in made {
                choices = choices.with(Scope(scope), choice);
                prop_assert_eq!(choices.get(Scope(scope)), Some(choice));
                let value = choices.encode();
                prop_assert!(value.len() <= ENCODED_LEN);
                prop_assert_eq!(Choices::decode(value.as_bytes()), Some(choices));
            }
        }
    }
}
