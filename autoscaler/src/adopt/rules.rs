//! Places in a listener for the services that are adopted, behind the file's own rules.

use std::cmp::Reverse;

use minicloud_lb_api::{
    Action, Condition, Patterns, Rule,
    notation::{Glob, glob},
    validate::{MAX_RULES, PRIORITIES},
};

use super::labels::Route;
use crate::config::{
    LoadBalancer,
    fault::{Mistake, quoted, shortened},
};

/// The listener that takes adopted services: the first of the first load balancer by name.
pub(super) struct Places<'a> {
    load_balancer: &'a mut LoadBalancer,
    taken: Vec<(Route, String)>,
}

impl<'a> Places<'a> {
    /// None where that load balancer has no listener.
    pub(super) fn of(load_balancer: &'a mut LoadBalancer) -> Option<Self> {
        (!load_balancer.listeners.is_empty()).then(|| Self {
            load_balancer,
            taken: Vec::new(),
        })
    }

    /// Gives the route to the target group, or says who has it.
    pub(super) fn take(&mut self, route: &Route, target_group: &str) -> Result<(), Mistake> {
        let listener = &self.load_balancer.listeners[0];
        let full = Mistake::new(format!(
            "the listener on port {} of {} has no room for one more rule",
            listener.port,
            shortened(&self.load_balancer.name)
        ));
        let rules = listener.rules.len() + self.taken.len();
        let last = listener.rules.iter().map(|rule| rule.priority).max();
        let last = last.unwrap_or(0) as usize + self.taken.len();
        if rules >= MAX_RULES || last >= *PRIORITIES.end() as usize {
            return Err(full.hint(format!(
                "keep to {MAX_RULES} rules and to priorities well below {} there",
                PRIORITIES.end()
            )));
        }
        if let Some(rule) = listener.rules.iter().find(|rule| covers(rule, route)) {
            let mistake = Mistake::new(format!(
                "{} is taken by the rule of priority {} of {} in minicloud.yaml",
                show(route),
                rule.priority,
                shortened(&self.load_balancer.name)
            ));
            return Err(mistake.hint("choose another minicloud.host or minicloud.path"));
        }
        if let Some((_, owner)) = self.taken.iter().find(|(other, _)| other == route) {
            let mistake = Mistake::new(format!(
                "{} is taken by the service {}",
                show(route),
                shortened(owner)
            ));
            return Err(mistake.hint("choose another minicloud.host or minicloud.path"));
        }
        self.taken.push((route.clone(), target_group.to_owned()));
        Ok(())
    }

    /// Writes the rules: of two that a request fits, the narrower comes first.
    pub(super) fn settle(mut self) {
        self.taken.sort_by_cached_key(|(route, _)| {
            let wildcards = |text: &str| text.matches(['*', '?']).count();
            let path = route.paths.first().map_or("", String::as_str);
            (
                wildcards(&route.host),
                Reverse(route.host.len()),
                Reverse(path.len()),
                route.clone(),
            )
        });
        let rules = &mut self.load_balancer.listeners[0].rules;
        let last = rules.iter().map(|rule| rule.priority).max().unwrap_or(0);
        let priorities = last + 1..;
        rules.extend(
            self.taken
                .iter()
                .zip(priorities)
                .map(|((route, target_group), priority)| Rule {
                    priority,
                    conditions: route.conditions(),
                    transforms: Vec::new(),
                    action: Action::forward(target_group),
                    rate_limit: None,
                    compression: None,
                }),
        );
    }
}

fn show(route: &Route) -> String {
    let path = route.paths.first().map_or("", String::as_str);
    quoted(&format!("{}{path}", route.host))
}

/// Whether no request would be left for a route behind the rule. What depends on more than host
/// and path leaves some, and a regular expression may.
fn covers(rule: &Rule, route: &Route) -> bool {
    rule.conditions.iter().all(|condition| match condition {
        Condition::HostHeader(patterns) => any_covers(patterns, &route.host, true),
        Condition::PathPattern(patterns) => {
            let mut paths = route.paths.iter();
            match route.paths.is_empty() {
                true => any_covers(patterns, "/*", false),
                false => paths.all(|path| any_covers(patterns, path, false)),
            }
        }
        _ => false,
    })
}

fn any_covers(patterns: &Patterns, text: &str, is_host: bool) -> bool {
    patterns.values.iter().any(|pattern| match is_host {
        true => glob_covers(&glob(&pattern.to_lowercase()), &glob(text)),
        false => glob_covers(&glob(pattern), &glob(text)),
    })
}

/// Whether the first matches whatever the second does, where that is easy to see.
fn glob_covers(wide: &[Glob], narrow: &[Glob]) -> bool {
    // `reached[i]`: the first i pieces of `wide` cover what was seen of `narrow`.
    let mut reached = vec![false; wide.len() + 1];
    reached[0] = true;
    let skip_many = |reached: &mut Vec<bool>| {
        for (index, piece) in wide.iter().enumerate() {
            reached[index + 1] |= reached[index] && *piece == Glob::Many;
        }
    };
    skip_many(&mut reached);
    for piece in narrow {
        let mut next = vec![false; wide.len() + 1];
        for (index, by) in wide.iter().enumerate().filter(|(index, _)| reached[*index]) {
            match by {
                Glob::Many => next[index] = true,
                Glob::One => next[index + 1] |= *piece != Glob::Many,
                Glob::Byte(_) => next[index + 1] |= by == piece,
            }
        }
        skip_many(&mut next);
        reached = next;
    }
    reached[wide.len()]
}
