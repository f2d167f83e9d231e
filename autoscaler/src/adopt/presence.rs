//! Which services there are as far as groups are concerned: Compose takes a container away
//! before it puts the next in its place, and a group does not come and go with that. Pure.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::Service;
use crate::{
    observe::SUCCESSION_TIME,
    provider::{ObservedService, Revision},
};

/// By project and service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence {
    present: BTreeMap<(String, String), Present>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Present {
    /// `seeds` counts those with [`SUCCESSION_TIME`] left.
    pub(crate) service: Service,
    pub(crate) revision: Revision,
    /// Since when fewer run than it counts.
    fewer_since: Option<Instant>,
}

impl Presence {
    /// Takes in what the engine shows.
    pub(crate) fn see(&mut self, observed: &[ObservedService], now: Instant) {
        for one in observed.iter().filter(|one| one.service.seeds > 0) {
            let key = (one.service.project.clone(), one.service.service.clone());
            let before = self.present.get(&key);
            let mut present = Present {
                service: one.service.clone(),
                revision: one.revision.clone(),
                fewer_since: before.and_then(|before| before.fewer_since),
            };
            let counted = before.map_or(0, |before| before.service.seeds);
            present.count(counted, one.service.seeds, now);
            self.present.insert(key, present);
        }
        let is_up = |present: &Present| {
            let mut observed = observed.iter().map(|one| &one.service);
            observed.any(|one| {
                one.seeds > 0
                    && one.project == present.service.project
                    && one.service == present.service.service
            })
        };
        for present in self.present.values_mut().filter(|present| !is_up(present)) {
            present.count(present.service.seeds, 0, now);
        }
        self.present.retain(|_, present| present.service.seeds > 0);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Present> {
        self.present.values()
    }

    pub(crate) fn get(&self, project: &str, service: &str) -> Option<&Present> {
        self.present.get(&(project.to_owned(), service.to_owned()))
    }
}

impl Present {
    /// `counted` so far, and `up` now.
    fn count(&mut self, counted: u32, up: u32, now: Instant) {
        if up < counted {
            let since = *self.fewer_since.get_or_insert(now);
            if now - since < SUCCESSION_TIME {
                self.service.seeds = counted;
                return;
            }
        }
        self.fewer_since = None;
        self.service.seeds = up;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn observed(seeds: u32, config_hash: &str) -> Vec<ObservedService> {
        vec![ObservedService {
            service: Service {
                project: "shop".to_owned(),
                service: "api".to_owned(),
                seeds,
                ..Service::default()
            },
            revision: Revision {
                config_hash: config_hash.to_owned(),
                ..Revision::default()
            },
            seeds: Vec::new(),
        }]
    }

    /// What is present in each of these seconds, as `COUNT HASH`.
    fn follow(steps: &[(u64, Vec<ObservedService>)]) -> Vec<String> {
        let start = Instant::now();
        let mut presence = Presence::default();
        let seen = steps.iter().map(|(second, observed)| {
            presence.see(observed, start + Duration::from_secs(*second));
            let present = presence.get("shop", "api");
            present.map_or_else(String::new, |present| {
                format!("{} {}", present.service.seeds, present.revision.config_hash)
            })
        });
        seen.collect()
    }

    #[test]
    fn recreated_service_never_goes() {
        let seen = follow(&[
            (0, observed(1, "a")),
            // Stopped, then removed, then there again.
            (1, observed(0, "a")),
            (2, Vec::new()),
            (20, Vec::new()),
            (20, observed(1, "b")),
            (21, Vec::new()),
            (40, Vec::new()),
        ]);
        assert_eq!(seen, ["1 a", "1 a", "1 a", "1 a", "1 b", "1 b", "1 b"]);
    }

    #[test]
    fn service_goes_after_a_while_without_containers() {
        let seen = follow(&[
            (0, observed(1, "a")),
            (5, observed(0, "a")),
            (24, Vec::new()),
            (25, observed(0, "a")),
            (26, observed(0, "a")),
            (27, observed(1, "a")),
        ]);
        assert_eq!(seen, ["1 a", "1 a", "1 a", "", "", "1 a"]);
    }

    #[test]
    fn count_grows_at_once_and_shrinks_after_a_while() {
        let seen = follow(&[
            (0, observed(1, "a")),
            (1, observed(3, "a")),
            (2, observed(2, "a")),
            (21, observed(2, "a")),
            (22, observed(2, "a")),
        ]);
        assert_eq!(seen, ["1 a", "3 a", "3 a", "3 a", "2 a"]);
    }
}
