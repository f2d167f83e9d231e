//! How many connections each client has open, over all workers.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{queue::fold, stable_hash::stable_hash};

/// Parts of the table, so that workers seldom wait for each other.
const PARTS: usize = 16;

/// Open connections by load balancer and client. There are no more entries than connections,
/// which are bounded; an entry goes with its last one.
///
/// All are counted, limited or not, so that a limit that comes holds for what is there.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    parts: [Mutex<HashMap<Key, u32>>; PARTS],
}

/// A hash of the load balancer's name, and the client, of IPv6 its /64.
type Key = (u64, IpAddr);

/// One connection's count, until dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    crowd: Arc<Crowd>,
    key: Key,
}

impl Crowd {
    /// Counts one more connection of `client`, unless it has `limit` already.
    pub(crate) fn enter(
        self: &Arc<Self>,
        load_balancer: &str,
        client: IpAddr,
        limit: Option<u32>,
    ) -> Option<Counted> {
        let key = (stable_hash(load_balancer.as_bytes()), fold(client));
        {
            let mut part = self.part(&key);
            let count = part.get(&key).copied().unwrap_or(0);
            if limit.is_some_and(|limit| count >= limit) {
                return None;
            }
            part.insert(key, count.saturating_add(1));
        }
        Some(Counted {
            crowd: Arc::clone(self),
            key,
        })
    }

    fn leave(&self, key: Key) {
        if let Entry::Occupied(mut entry) = self.part(&key).entry(key) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    /// Held for one look-up, never over an await.
    fn part(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, u32>> {
        let hash = match key.1 {
            IpAddr::V4(address) => stable_hash(&address.octets()),
            IpAddr::V6(address) => stable_hash(&address.octets()),
        };
        let part = &self.parts[hash as usize % PARTS];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.crowd.leave(self.key);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn entries(crowd: &Crowd) -> usize {
        let parts = crowd.parts.iter();
        parts.map(|part| part.lock().unwrap().len()).sum()
    }

    #[test]
    fn client_has_its_limit_and_others_theirs() {
        let crowd = Arc::new(Crowd::default());
        let enter = |client| crowd.enter("lb", ip(client), Some(2));
        let first = enter("10.0.0.1").unwrap();
        let _second = enter("::ffff:10.0.0.1").unwrap();
        assert!(enter("10.0.0.1").is_none());
        let _other = enter("10.0.0.2").unwrap();
        let _elsewhere = crowd.enter("other", ip("10.0.0.1"), Some(1)).unwrap();
        drop(first);
        assert!(enter("10.0.0.1").is_some());
    }

    #[test]
    fn ipv6_clients_are_counted_by_their_network() {
        let crowd = Arc::new(Crowd::default());
        let _one = crowd.enter("lb", ip("2001:db8::1"), Some(1)).unwrap();
        assert!(crowd.enter("lb", ip("2001:db8::2"), Some(1)).is_none());
        assert!(crowd.enter("lb", ip("2001:db8:0:1::2"), Some(1)).is_some());
    }

    #[test]
    fn limit_that_comes_later_counts_what_is_there() {
        let crowd = Arc::new(Crowd::default());
        let _open: Vec<_> = (0..3)
            .map(|_| crowd.enter("lb", ip("10.0.0.1"), None).unwrap())
            .collect();
        assert!(crowd.enter("lb", ip("10.0.0.1"), Some(3)).is_none());
        assert!(crowd.enter("lb", ip("10.0.0.1"), Some(4)).is_some());
    }

    proptest! {
        #[test]
        fn counts_are_those_of_what_is_open(
            steps in prop::collection::vec((0_u8..4, any::<bool>(), 1_u32..4), 0..200),
        ) {
            let crowd = Arc::new(Crowd::default());
            let mut open: HashMap<IpAddr, Vec<Counted>> = HashMap::new();
            for (client, enters, limit) in steps {
                let client = IpAddr::from([10, 0, 0, client]);
                let known = open.entry(client).or_default();
                if !enters {
                    known.pop();
                    continue;
                }
                let counted = crowd.enter("lb", client, Some(limit));
                prop_assert_eq!(counted.is_some(), known.len() < limit as usize);
                known.extend(counted);
            }
            let expected = open.values().filter(|known| !known.is_empty()).count();
            prop_assert_eq!(entries(&crowd), expected);
            drop(open);
            prop_assert_eq!(entries(&crowd), 0);
        }
    }
}
