//! Checks of what a listener is told, for whoever reads a configuration and for the balancer,
//! which trusts nobody. Limits are those of ELB where it has one ("Quotas for your Application
//! Load Balancers" and the API reference).

mod action;
mod attributes;
mod condition;

use std::{collections::BTreeSet, fmt, ops::RangeInclusive};

use crate::{Compression, Listener, RateLimit, Rule, Transform};

/// Rules of a listener, the default aside (ELB: rules per Application Load Balancer).
pub const MAX_RULES: usize = 100;
pub const PRIORITIES: RangeInclusive<u32> = 1..=50_000;
/// Values of a rule's conditions together (ELB: condition values per rule).
pub const MAX_CONDITION_VALUES: usize = 5;
/// `*` and `?` of a rule's conditions together (ELB: condition wildcards per rule).
pub const MAX_CONDITION_WILDCARDS: usize = 5;
/// Requests a second; more needs no limit.
const MAX_REQUEST_RATE: f64 = 1e6;

/// What is wrong, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// From what was validated, by the names of the wire:
    /// `conditions[0].path_pattern.regex_values[1]`.
    pub path: String,
    pub reason: String,
}

#[derive(Default)]
struct Faults(Vec<RuleFault>);

impl Listener {
    /// # Errors
    /// Every fault of its rules, its default action and its attributes.
    pub fn validate(&self) -> Result<(), Vec<RuleFault>> {
        let mut faults = Faults::default();
        for (rule, fault) in self.faults_by_rule() {
            let prefix = rule.map_or_else(String::new, |index| format!("rules[{index}]."));
            faults.nest(&prefix, Some(vec![fault]));
        }
        faults.nest("attributes.", self.attributes.validate().err());
        faults.into_result()
    }

    /// Every fault of a rule, with the rule's index in `rules` and a path from the rule; without
    /// an index, every fault of the default action and of the rules together.
    pub fn faults_by_rule(&self) -> Vec<(Option<usize>, RuleFault)> {
        let mut whole = Faults::default();
        if self.rules.len() > MAX_RULES {
            let reason = format!("{} are too many: up to {MAX_RULES}", self.rules.len());
            whole.add("rules", reason);
        }
        action::check(&self.default_action, "default_action", &mut whole);
        let mut by_rule: Vec<_> = whole.0.into_iter().map(|fault| (None, fault)).collect();
        let mut priorities = BTreeSet::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let mut faults = Faults::default();
            let reason = format!("another rule has priority {} too", rule.priority);
            faults.unless(priorities.insert(rule.priority), "priority", reason);
            faults.nest("", rule.validate().err());
            by_rule.extend(faults.0.into_iter().map(|fault| (Some(index), fault)));
        }
        by_rule
    }
}

impl Rule {
    /// # Errors
    /// Every fault of the rule by itself.
    pub fn validate(&self) -> Result<(), Vec<RuleFault>> {
        let mut faults = Faults::default();
        let priority = format!("{} is not from 1 to 50000", self.priority);
        faults.unless(PRIORITIES.contains(&self.priority), "priority", priority);
        condition::check_all(&self.conditions, &mut faults);
        action::check(&self.action, "action", &mut faults);
        action::check_transforms(&self.transforms, &self.action, &mut faults);
        if let Some(rate_limit) = &self.rate_limit {
            check_rate_limit(rate_limit, &mut faults);
        }
        if let Some(Compression { level, .. }) = &self.compression {
            let reason = format!("{level} is not from 1 to 9");
            faults.unless((1..=9).contains(level), "compression.level", reason);
        }
        faults.into_result()
    }
}

fn check_rate_limit(limit: &RateLimit, faults: &mut Faults) {
    let rate = limit.requests_per_second;
    faults.unless(
        rate > 0.0 && rate <= MAX_REQUEST_RATE,
        "rate_limit.requests_per_second",
        format!("{rate} is not above 0 and up to {MAX_REQUEST_RATE}"),
    );
    faults.unless(
        limit.burst >= 1,
        "rate_limit.burst",
        "at 0 no request would ever pass: at least 1",
    );
}

/// A token (RFC 9110 5.6.2), as names of headers and cookies are.
fn is_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

impl Transform {
    fn name(&self) -> &'static str {
        match self {
            Self::HostHeaderRewrite(_) => "host_header_rewrite",
            Self::UrlRewrite(_) => "url_rewrite",
        }
    }
}

impl Faults {
    fn add(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.0.push(RuleFault {
            path: path.into(),
            reason: reason.into(),
        });
    }

    fn unless(&mut self, holds: bool, path: impl Into<String>, reason: impl Into<String>) {
        if !holds {
            self.add(path, reason);
        }
    }

    fn nest(&mut self, prefix: &str, faults: Option<Vec<RuleFault>>) {
        for fault in faults.into_iter().flatten() {
            self.add(format!("{prefix}{}", fault.path), fault.reason);
        }
    }

    fn into_result(self) -> Result<(), Vec<RuleFault>> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(self.0),
        }
    }
}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

#[cfg(test)]
mod tests;
