//! Over which network the balancer reaches a service.

use std::collections::BTreeSet;

use super::{Balancer, Fault, Place, Service, SharedNetworks, labels::PREFIX};
use crate::config::{
    fault::{Mistake, quoted, sentence, shortened},
    nearest,
};

/// Networks that a message lists.
const SHOWN: usize = 8;

/// The network to use, if there is any, and what is wrong with the choice.
pub(super) fn choose(
    service: &Service,
    labelled: Option<&str>,
    balancer: &Balancer,
) -> (Option<String>, Option<Fault>) {
    let names = service.networks.iter().map(|network| network.name.as_str());
    let names: BTreeSet<&str> = names.collect();
    let shared: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| balancer.networks.has(name))
        .collect();
    // What serves the traffic while the choice is at fault.
    let any = shared.first().map(|name| (*name).to_owned());
    match labelled {
        Some(label) => match named(service, &names, label) {
            Ok(name) if balancer.networks.has(name) => (Some(name.to_owned()), None),
            Ok(name) => {
                let mistake = Mistake::new(format!("the balancer is not on {}", quoted(name)))
                    .hint(connect(name, balancer));
                (any, Some(place(label).fault(mistake)))
            }
            Err(mistake) => (any, Some(place(label).fault(mistake))),
        },
        None => {
            let mistake = ambiguity(service, &names, &shared, balancer);
            let fault = mistake.map(|mistake| Place::key("networks").fault(mistake));
            (any, fault)
        }
    }
}

fn place(label: &str) -> Place {
    Place::label(&format!("{PREFIX}network"), label)
}

/// By the engine's name, or by the one that the compose file has.
fn named<'a>(
    service: &Service,
    names: &BTreeSet<&'a str>,
    label: &str,
) -> Result<&'a str, Mistake> {
    let in_project = format!("{}_{label}", service.project);
    let found = names.get(label).or_else(|| names.get(in_project.as_str()));
    found.copied().ok_or_else(|| {
        let mistake = Mistake::new(format!("the service is not on a network {}", quoted(label)));
        match nearest(label, names.iter().copied()) {
            Some(near) => mistake.hint(format!("did you mean {}?", shortened(near))),
            None if names.is_empty() => mistake.hint("it is on none: remove network_mode"),
            None => mistake.hint(format!("it is on {}", list(names.iter().copied()))),
        }
    })
}

fn ambiguity(
    service: &Service,
    names: &BTreeSet<&str>,
    shared: &[&str],
    balancer: &Balancer,
) -> Option<Mistake> {
    match (shared, names.first(), &balancer.networks) {
        // Its network_mode is refused already.
        ([], None, _) if service.network_mode.is_some() => None,
        ([], None, _) => {
            Some(Mistake::new("the service is on no network").hint("list one in `networks`"))
        }
        ([], Some(first), _) => Some(
            Mistake::new("the balancer is on none of the service's networks")
                .hint(connect(first, balancer)),
        ),
        ([_], ..) | (_, _, SharedNetworks::All) => None,
        ([first, ..], ..) => Some(
            Mistake::new(format!(
                "the balancer shares several networks with it: {}",
                list(shared.iter().copied())
            ))
            .hint(format!(
                "add minicloud.network: {}, or whichever it is",
                shortened(first)
            )),
        ),
    }
}

fn connect(network: &str, balancer: &Balancer) -> String {
    format!(
        "run: docker network connect {} {}",
        sentence(network),
        balancer.container
    )
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.take(SHOWN).map(shortened).collect();
    names.join(", ")
}

impl SharedNetworks {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }
}
