//! What the fake's Compose does: containers of services that ask to be adopted.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use jiff::Timestamp;

use super::FakeProvider;
use crate::{
    adopt::{Service, ServiceNetwork},
    instance::InstanceId,
    provider::{ObservedSeed, ObservedService, ObservedServices, Revision, SeedState},
};

/// Of every fake service.
const NETWORK: &str = "shared";

#[derive(Default)]
pub(super) struct Seeds {
    seeds: BTreeMap<InstanceId, Seed>,
    started: u32,
}

struct Seed {
    service: Service,
    observed: ObservedSeed,
}

impl FakeProvider {
    /// `docker compose up` of one container; `config_hash` is what Compose makes of its settings.
    /// The service is on a network of its own, and the balancer on all.
    pub fn compose_up(&self, service: &Service, config_hash: &str) -> InstanceId {
        let wall = self.shared.clock.now().wall;
        let id = self.world().seeds.start(service, config_hash, wall);
        self.shared.changed.notify_one();
        id
    }

    /// The container ends and stays, as after `docker compose stop`.
    pub fn compose_stop(&self, id: &InstanceId) {
        let detail = "exit code 0".to_owned();
        self.world().seeds.set(id, SeedState::Exited { detail });
        self.shared.changed.notify_one();
    }

    /// It runs again, as after `docker compose start`.
    pub fn compose_start(&self, id: &InstanceId) {
        let state = self.world().seeds.running();
        self.world().seeds.set(id, state);
        self.shared.changed.notify_one();
    }

    /// The container is gone, as after `docker compose down`.
    pub fn compose_remove(&self, id: &InstanceId) {
        self.world().seeds.seeds.remove(id);
        self.shared.changed.notify_one();
    }
}

impl Seeds {
    fn start(&mut self, service: &Service, config_hash: &str, wall: Timestamp) -> InstanceId {
        self.started += 1;
        let id: InstanceId = format!("i-{:017x}", self.started)
            .parse()
            .expect("17 hex digits");
        let of_service = self.seeds.values().filter(|seed| seed.is_of(service));
        let observed = ObservedSeed {
            instance_id: id.clone(),
            index: u32::try_from(of_service.count()).unwrap_or_default() + 1,
            launch_time: wall,
            state: self.running(),
            revision: Revision {
                image: "sha256:fake".to_owned(),
                config_hash: config_hash.to_owned(),
                memory: None,
            },
            metric_ids: vec![id.to_string()],
        };
        let mut service = service.clone();
        service.networks = vec![ServiceNetwork {
            name: NETWORK.to_owned(),
            static_address: None,
        }];
        self.seeds.insert(id.clone(), Seed { service, observed });
        id
    }

    /// Next to the addresses of launched instances, in the same range that is nobody's.
    fn running(&self) -> SeedState {
        let last = u8::try_from(self.started % 250).unwrap_or_default();
        let address = IpAddr::V4(Ipv4Addr::new(198, 19, 0, last));
        SeedState::Running {
            addresses: BTreeMap::from([(NETWORK.to_owned(), address)]),
        }
    }

    fn set(&mut self, id: &InstanceId, state: SeedState) {
        if let Some(seed) = self.seeds.get_mut(id) {
            seed.observed.state = state;
        }
    }

    pub(super) fn is_up(&self, id: &InstanceId) -> bool {
        let seed = self.seeds.get(id);
        seed.is_some_and(|seed| seed.observed.state.is_up())
    }

    pub(super) fn ids(&self) -> Vec<InstanceId> {
        let up = self.seeds.keys().filter(|id| self.is_up(id));
        up.cloned().collect()
    }

    pub(super) fn observe(&self) -> ObservedServices {
        let mut services: BTreeMap<(&str, &str), ObservedService> = BTreeMap::new();
        for seed in self.seeds.values() {
            let key = (&*seed.service.project, &*seed.service.service);
            let of_service = services.entry(key).or_insert_with(|| ObservedService {
                service: seed.service.clone(),
                revision: seed.observed.revision.clone(),
                seeds: Vec::new(),
            });
            let up = seed.observed.state.is_up();
            if up {
                // In the order in which they were started.
                let seeds = of_service.service.seeds;
                of_service.service = Service {
                    seeds: seeds + 1,
                    ..seed.service.clone()
                };
                of_service.revision = seed.observed.revision.clone();
            }
            of_service.seeds.push(seed.observed.clone());
        }
        ObservedServices {
            services: services.into_values().collect(),
            ..ObservedServices::default()
        }
    }
}

impl Seed {
    fn is_of(&self, service: &Service) -> bool {
        (&self.service.project, &self.service.service) == (&service.project, &service.service)
    }
}
