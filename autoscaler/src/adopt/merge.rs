//! From services to the configuration that serves and scales them.

use std::collections::BTreeMap;

use minicloud_lb_api::HealthCheckProtocol;

use super::{
    Balancer, Fault, Place, Service, group,
    labels::{self, Labels, PREFIX, is_on},
    network, refusal,
    rules::Places,
};
use crate::config::{
    Config,
    fault::{Mistake, quoted},
    scalar::check_name,
};

/// What became of the services, and the configuration that does it.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The file's, with groups, target groups, launch templates and rules of the services.
    pub config: Config,
    /// By project and service; those that do not ask to be adopted are left out.
    pub services: Vec<AdoptedService>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AdoptedService {
    /// `PROJECT-SERVICE`, which is what its group, target group and launch template are called.
    pub name: String,
    pub project: String,
    pub service: String,
    /// The network over which the balancer reaches its instances, by the engine's name.
    pub network: Option<String>,
    pub standing: Standing,
    /// Why it does not scale; empty where it does.
    pub faults: Vec<Fault>,
    /// What works, and hardly as wished.
    pub warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its group scales as its labels say.
    Accepted,
    /// Its traffic flows: the group has Compose's own containers and nothing that changes it.
    Rejected,
    /// Nothing of it is in the configuration.
    Unserved,
}

/// Adds the services that ask for it to what the file says. Deterministic: the order of
/// `services` does not matter.
pub fn merge(config: &Config, services: &[Service], balancer: &Balancer) -> Merged {
    let mut merged = config.clone();
    let mut load_balancers = std::mem::take(&mut merged.load_balancers);
    let mut places = load_balancers.values_mut().next().and_then(Places::of);
    let asking: BTreeMap<(&str, &str), &Service> = services
        .iter()
        .filter(|service| is_on(&service.labels))
        .map(|service| ((&*service.project, &*service.service), service))
        .collect();
    let services = asking
        .into_values()
        .map(|service| adopt(&mut merged, service, balancer, places.as_mut()))
        .collect();
    if let Some(places) = places {
        places.settle();
    }
    merged.load_balancers = load_balancers;
    Merged {
        config: merged,
        services,
    }
}

fn adopt(
    config: &mut Config,
    service: &Service,
    balancer: &Balancer,
    places: Option<&mut Places<'_>>,
) -> AdoptedService {
    let name = group::name(service);
    let (labels, mut faults) = labels::read(service, config.pace);
    faults.extend(refusal::refusals(service, labels.allowed));
    faults.extend(too_many_seeds(service, &labels));
    let (network, fault) = network::choose(service, labels.network.as_deref(), balancer);
    faults.extend(fault);
    bound(&mut faults);
    let free = free_name(config, &name);
    let servable = free.is_ok() && network.is_some() && labels.port.is_some();
    faults.extend(free.err().map(|mistake| Place::Service.fault(mistake)));
    // Only who can be served takes a route.
    let routed = match places {
        None => Err(Place::Service.fault(
            Mistake::new("there is no load balancer for its traffic").hint(A_LOAD_BALANCER),
        )),
        Some(_) if !servable => Ok(false),
        Some(places) => places
            .take(&labels.route, &name)
            .map(|()| true)
            .map_err(|mistake| label("host", service).fault(mistake)),
    };
    let served = routed.unwrap_or_else(|fault| {
        faults.push(fault);
        false
    });
    if let (true, Some(port)) = (served, labels.port) {
        add(config, &name, service, &labels, port, faults.is_empty());
    }
    AdoptedService {
        standing: match served {
            true if faults.is_empty() => Standing::Accepted,
            true => Standing::Rejected,
            false => Standing::Unserved,
        },
        warnings: warnings(service, &labels),
        name,
        project: service.project.clone(),
        service: service.service.clone(),
        network,
        faults,
    }
}

/// All that are told of labels and parts of one service.
const MAX_FAULTS: usize = 100;

const A_LOAD_BALANCER: &str = "add to minicloud.yaml load_balancers: { lb: { listeners: [{ port: 8080, default_action: { fixed_response: { status_code: 404 } } }] } }";

/// The first of them, and how many more there are: a range of a thousand ports is as many faults.
fn bound(faults: &mut Vec<Fault>) {
    let more = faults.len().saturating_sub(MAX_FAULTS);
    if more > 0 {
        faults.truncate(MAX_FAULTS);
        let mistake = Mistake::new(format!("{more} more faults"));
        faults.push(Place::Service.fault(mistake.hint("mend these first")));
    }
}

fn add(
    config: &mut Config,
    name: &str,
    service: &Service,
    labels: &Labels,
    port: u16,
    scales: bool,
) {
    let (seeds, pace) = (service.seeds, config.pace);
    let group = match scales {
        true => group::scaled(name, labels, seeds, pace),
        false => group::unscaled(name, labels, seeds, pace),
    };
    config.auto_scaling_groups.insert(name.to_owned(), group);
    let target_group = group::target_group(name, labels);
    config.target_groups.insert(name.to_owned(), target_group);
    let template = group::launch_template(name, port);
    config.launch_templates.insert(name.to_owned(), template);
}

fn too_many_seeds(service: &Service, labels: &Labels) -> Option<Fault> {
    let (seeds, max) = (service.seeds, labels.size.max);
    (seeds > max).then(|| {
        let mistake = Mistake::new(format!(
            "Compose runs {seeds} containers of it, and max is {max}"
        ));
        let hint = format!("write minicloud.max: \"{seeds}\" or more, or let Compose run fewer");
        label("max", service).fault(mistake.hint(hint))
    })
}

/// A label, whether it is there or should be.
fn label(key: &str, service: &Service) -> Place {
    let name = format!("{PREFIX}{key}");
    let value = service.labels.get(&name);
    Place::label(&name, value.map_or("", String::as_str))
}

/// Nothing of the file, and no other service, is called so.
fn free_name(config: &Config, name: &str) -> Result<(), Mistake> {
    if check_name(name).is_err() {
        let mistake = Mistake::new(format!("{} is no name of a group", quoted(name)));
        return Err(mistake.hint(
            "rename service or project: together up to 63 letters, digits, - and _, no dot",
        ));
    }
    let taken = [
        (
            "an Auto Scaling group",
            config.auto_scaling_groups.contains_key(name),
        ),
        ("a target group", config.target_groups.contains_key(name)),
        (
            "a launch template",
            config.launch_templates.contains_key(name),
        ),
    ];
    match taken.iter().find(|(_, taken)| *taken) {
        None => Ok(()),
        Some((what, _)) => Err(
            Mistake::new(format!("{what} is called {} already", quoted(name)))
                .hint("rename that, or the service"),
        ),
    }
}

fn warnings(service: &Service, labels: &Labels) -> Vec<String> {
    let unlimited = service.cpus.is_none().then_some(
        "it has no CPU limit, so that its use is in percent of one core; add cpus: 1, or what it may use",
    );
    let only_connects = labels.health_check.protocol == HealthCheckProtocol::Tcp;
    let unasked = (service.has_health_check && only_connects).then_some(
        "the balancer does not ask its HEALTHCHECK, and takes a connection for healthy; add minicloud.health: /health, or the path that it has",
    );
    let warnings = [unlimited, unasked].into_iter().flatten();
    warnings.map(str::to_owned).collect()
}
