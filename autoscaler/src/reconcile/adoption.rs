//! Adopted services: what Compose runs becomes part of the configuration in force, as if the
//! file said it, and its containers take part in their groups.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::Reconciler;
use crate::{
    adopt::{self, AdoptedService, Presence, Service, Standing},
    config::Config,
    describe::{Activity, ActivityStatus, ConditionKind},
    group::Group,
    instance::{InstanceId, ManagedBy},
    launch_template::{ComposeService, LaunchTemplate, VersionSelector},
    now::{Clock, Now},
    observe::SUCCESSION_TIME,
    provider::{
        InstanceProvider, ObservedInstance, ObservedSeed, ObservedServices, ObservedState,
        SeedState,
    },
    store::StoreError,
};

/// What is adopted, and what there was to adopt when the provider was last asked.
#[derive(Debug, Default)]
pub(super) struct Adoption {
    presence: Presence,
    observed: ObservedServices,
    /// By name of the group.
    services: BTreeMap<String, AdoptedService>,
    /// What was said last of those that are rejected.
    told: BTreeMap<String, String>,
    /// What the log has said of those that work, and hardly as wished: group and warning.
    warned: BTreeSet<(String, String)>,
    began: Option<Instant>,
}

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Takes in what there is to adopt. What comes of it is in force before instances are looked
    /// at: a clone is never seen without its group.
    pub(super) fn adopt(&mut self, observed: ObservedServices, now: Now) {
        let before: Vec<_> = self.adoption.presence.all().cloned().collect();
        // Where nothing is adopted it makes no difference where the balancer is.
        let stays = before.is_empty() || observed.balancer == self.adoption.observed.balancer;
        self.adoption.began.get_or_insert(now.mono);
        self.adoption.presence.see(&observed.services, now.mono);
        self.adoption.observed = observed;
        let same = self
            .adoption
            .presence
            .all()
            .map(|one| (&one.service, &one.revision));
        let same = same.eq(before.iter().map(|one| (&one.service, &one.revision)));
        if same && stays {
            return;
        }
        self.merge_adopted();
        if let Err(error) = self.apply(now) {
            error!(%error, "what Compose runs could not be adopted; the next change tries again");
        }
        if let Err(error) = self.forget_dissolved(now) {
            error!(%error, "a group that is gone could not be forgotten");
        }
        self.report_adoptions(now);
    }

    /// Puts the file's configuration in force, and what is adopted with it.
    pub(super) fn merge_adopted(&mut self) {
        let adoption = &mut self.adoption;
        let services: Vec<Service> = adoption
            .presence
            .all()
            .map(|it| it.service.clone())
            .collect();
        let merged = adopt::merge(&self.file_config, &services, &adoption.observed.balancer);
        self.config = merged.config;
        let services = merged.services.into_iter();
        adoption.services = services.map(|it| (it.name.clone(), it)).collect();
        for service in adoption.services.values() {
            complete(&mut self.config, service, &adoption.presence);
        }
    }

    /// Adopted groups that Compose has ended begin anew if they come back.
    fn forget_dissolved(&mut self, now: Now) -> Result<(), StoreError> {
        let kind = ConditionKind::AdoptionRejected;
        for (name, group) in &mut self.groups {
            if group.retired && group.launch_template.clone_of.is_some() {
                group.capacity_cause =
                    "Docker Compose runs the service that the group adopts no longer".to_owned();
                self.conditions.set(name, kind, None, now.wall);
                self.ledger.store.forget_capacity(name)?;
            }
        }
        Ok(())
    }

    /// Says what is wrong with what is adopted, where it is looked for: at its group, or where
    /// it has none at the whole.
    pub(super) fn report_adoptions(&mut self, now: Now) {
        let mut told = BTreeMap::new();
        let mut unserved = Vec::new();
        let kind = ConditionKind::AdoptionRejected;
        let services: Vec<AdoptedService> = self.adoption.services.values().cloned().collect();
        for service in &services {
            let message = (service.standing != Standing::Accepted).then(|| rejection(service));
            if self.adoption.told.get(&service.name) != message.as_ref() {
                self.tell_adoption(service, message.as_deref(), now);
            }
            let of_group = match service.standing {
                Standing::Unserved => None,
                Standing::Accepted | Standing::Rejected => message.clone(),
            };
            if service.standing == Standing::Unserved {
                unserved.extend(message.clone());
            }
            self.conditions.set(&service.name, kind, of_group, now.wall);
            told.extend(message.map(|message| (service.name.clone(), message)));
        }
        self.adoption.told = told;
        let warned = services.iter().flat_map(|service| {
            let warnings = service.warnings.iter();
            warnings.map(|warning| (service.name.clone(), warning.clone()))
        });
        let warned: BTreeSet<_> = warned.collect();
        for (name, warning) in warned.difference(&self.adoption.warned) {
            warn!(asg.name = name, %warning, "an adopted service works, and hardly as wished");
        }
        self.adoption.warned = warned;
        let unserved = (!unserved.is_empty()).then(|| unserved.join("; "));
        self.conditions.set("", kind, unserved, now.wall);
    }

    /// What has become of a service, for the log and the history.
    fn tell_adoption(&mut self, service: &AdoptedService, rejection: Option<&str>, now: Now) {
        let name = &service.name;
        let Some(rejection) = rejection else {
            info!(asg.name = name, "the service is accepted now");
            return;
        };
        warn!(
            asg.name = name,
            rejection, "a service that asks to be adopted is rejected"
        );
        self.ledger.load(name);
        let what = format!("Adopting service: {}/{}", service.project, service.service);
        let cause = format!("At {:.0} {rejection}", now.wall);
        let status = ActivityStatus::Failed;
        let activity = Activity::refused(name, status, what, cause, now.wall, &mut self.rng);
        self.ledger.begin(activity);
    }

    /// What a group that nobody knows any more launched clones from, where it did.
    pub(super) fn template_of_clones(&self, group: &str) -> Option<LaunchTemplate> {
        let template = self.ledger.store.launch_template(group).ok().flatten()?;
        let latest = template.resolve(VersionSelector::Latest).ok()?;
        let of_clones = latest.template.clone_of.is_some();
        of_clones.then(|| latest.template.clone())
    }

    /// After a start nobody knows whether Compose is putting a container in the place of
    /// another: clones without one are left alone as long as that may take.
    pub(super) fn may_come_back(&self, group: &Group, now: Now) -> bool {
        let is_fresh = |began: Instant| now.mono - began < SUCCESSION_TIME;
        group.retired
            && group.launch_template.clone_of.is_some()
            && self.adoption.began.is_some_and(is_fresh)
    }

    /// The containers of adopted services, as instances of their groups.
    pub(super) fn seeds(&self) -> Vec<ObservedInstance> {
        let services = self.adoption.services.values();
        let seeds = services.flat_map(|service| {
            let observed = self.adoption.seeds_of(service);
            observed.filter_map(|seed| self.seed(service, seed))
        });
        seeds.collect()
    }

    fn seed(&self, service: &AdoptedService, seed: &ObservedSeed) -> Option<ObservedInstance> {
        let group = self.groups.get(&service.name)?;
        let network = service.network.as_deref()?;
        let state = match &seed.state {
            SeedState::Running { addresses } => match addresses.get(network) {
                Some(address) => ObservedState::Running {
                    address: SocketAddr::new(*address, group.launch_template.port).to_string(),
                },
                None => ObservedState::Starting,
            },
            SeedState::Starting => ObservedState::Starting,
            SeedState::Exited { detail } => ObservedState::Exited {
                detail: detail.clone(),
            },
        };
        Some(ObservedInstance {
            instance_id: seed.instance_id.clone(),
            auto_scaling_group: service.name.clone(),
            availability_zone: group.spec.availability_zones.first()?.clone(),
            index: seed.index,
            launch_template_name: group.launch_template.name.clone(),
            launch_template_version: group.launch_template.version,
            launch_time: seed.launch_time,
            state,
            metric_ids: seed.metric_ids.as_slice().into(),
            faults: Vec::new(),
            managed_by: ManagedBy::Compose,
            image: group.launch_template.image.clone(),
        })
    }

    /// What a clone of the group is made from now: the newest of its seeds that is up and as the
    /// launch template says.
    pub(super) fn seed_to_clone(&self, group: &str) -> Option<InstanceId> {
        let service = self.adoption.services.get(group)?;
        let present = self
            .adoption
            .presence
            .get(&service.project, &service.service)?;
        let seeds = self.adoption.seeds_of(service);
        let seeds = seeds.filter(|seed| seed.state.is_up() && seed.revision == present.revision);
        let newest = seeds.max_by_key(|seed| seed.launch_time)?;
        Some(newest.instance_id.clone())
    }
}

impl Adoption {
    fn seeds_of(&self, service: &AdoptedService) -> impl Iterator<Item = &ObservedSeed> {
        let mut observed = self.observed.services.iter();
        let of_service = observed.find(|one| {
            one.service.project == service.project && one.service.service == service.service
        });
        of_service.into_iter().flat_map(|one| &one.seeds)
    }
}

/// Says in the service's launch template what only its containers tell.
fn complete(config: &mut Config, service: &AdoptedService, presence: &Presence) {
    let present = presence.get(&service.project, &service.service);
    let template = config.launch_templates.get_mut(&service.name);
    // Of a service that is not served the template is somebody else's.
    let is_served = service.standing != Standing::Unserved;
    let (Some(present), Some(template), true) = (present, template, is_served) else {
        return;
    };
    template.image = Some(present.revision.image.clone());
    template.cpus = present.service.cpus;
    template.memory = present.revision.memory;
    template.clone_of = Some(ComposeService {
        project: service.project.clone(),
        service: service.service.clone(),
        network: service.network.clone().unwrap_or_default(),
        config_hash: present.revision.config_hash.clone(),
    });
}

fn rejection(service: &AdoptedService) -> String {
    let outcome = match service.standing {
        Standing::Unserved => "neither served nor scaled",
        _ => "served and not scaled",
    };
    let faults: Vec<String> = service.faults.iter().map(ToString::to_string).collect();
    format!(
        "service `{}` of Compose project `{}` is {outcome}: {}",
        service.service,
        service.project,
        faults.join("; ")
    )
}
