//! Which rule of a listener takes a request, and what it wants done: ALB's listener rules,
//! compiled from the wire's. Pure.
//!
//! ```text
//! Listener -- compile --> RuleSet -- find(RequestView) --> CompiledRule
//!                            |                              |  action: forward, redirect, fixed response
//!                            +-- explain: why that one      |  transforms
//! ```
//!
//! - Nothing is allocated to find a rule, regular expressions' first use in a thread aside.
//! - Time is linear in the request for a regular expression and for a pattern with one `*`; at
//!   worst the product of pattern and text, never exponential.
//! - Whatever bytes a request brings, what a redirect or a transform makes of them is a valid
//!   field value or request target, or it is refused.

mod condition;
mod explain;
mod fixed_response;
mod forward;
mod host;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod query;
mod redirect;
mod transform;
mod wildcard;

use std::{fmt, net::IpAddr};

use minicloud_lb_api::{Action, Compression, Listener, RateLimit, Rule, RuleFault};

use condition::CompiledCondition;
pub(crate) use explain::{Considered, Verdict};
pub(crate) use fixed_response::FixedResponse;
pub(crate) use forward::WeightedForward;
pub(crate) use query::{members, percent_decoded};
pub(crate) use redirect::Redirect;
pub(crate) use transform::{Rewritten, Transforms};

/// A request as rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestView<'a, H> {
    pub(crate) method: &'a [u8],
    /// As it was sent, perhaps with a port.
    pub(crate) host: &'a [u8],
    pub(crate) path: &'a [u8],
    /// Without its `?`.
    pub(crate) query: Option<&'a [u8]>,
    pub(crate) source_ip: IpAddr,
    pub(crate) headers: H,
    pub(crate) is_https: bool,
    /// The listener's.
    pub(crate) port: u16,
}

/// A request's header fields.
pub(crate) trait Headers {
    /// The values under a name given in lower case, in the order they came.
    fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]>;
}

/// A listener's rules by priority, default last.
#[derive(Debug)]
pub(crate) struct RuleSet {
    rules: Vec<CompiledRule>,
    default: CompiledRule,
}

#[derive(Debug)]
pub(crate) struct CompiledRule {
    /// None: the default.
    pub(crate) priority: Option<u32>,
    /// Its priority in letters, or `default`: what logs and metrics call it.
    pub(crate) label: String,
    /// Its place in the set.
    pub(crate) index: usize,
    pub(crate) action: CompiledAction,
    pub(crate) transforms: Transforms,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) compression: Option<Compression>,
    conditions: Vec<CompiledCondition>,
}

#[derive(Debug)]
pub(crate) enum CompiledAction {
    Forward(WeightedForward),
    Redirect(Redirect),
    FixedResponse(FixedResponse),
}

/// Why a listener's rules are not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RuleError {
    /// None: the default action, or the rules together.
    pub(crate) priority: Option<u32>,
    pub(crate) fault: RuleFault,
}

impl RuleSet {
    /// # Errors
    /// Every fault of every rule. A listener with one bad rule has no set: the one in force
    /// stays.
    pub(crate) fn compile(listener: &Listener) -> Result<Self, Vec<RuleError>> {
        let faults = listener.faults_by_rule().into_iter();
        let errors: Vec<_> = faults
            .map(|(index, fault)| RuleError {
                priority: index.map(|index| listener.rules[index].priority),
                fault,
            })
            .collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut rules: Vec<&Rule> = listener.rules.iter().collect();
        rules.sort_unstable_by_key(|rule| rule.priority);
        let default = CompiledRule {
            priority: None,
            label: "default".to_owned(),
            index: rules.len(),
            action: CompiledAction::new(&listener.default_action),
            transforms: Transforms::default(),
            rate_limit: None,
            compression: None,
            conditions: Vec::new(),
        };
        let rules = rules.into_iter().enumerate();
        Ok(Self {
            rules: rules
                .map(|(index, rule)| CompiledRule::new(index, rule))
                .collect(),
            default,
        })
    }

    /// The rule that takes the request: the first that has all its conditions met.
    #[inline]
    pub(crate) fn find<H: Headers>(&self, request: &RequestView<'_, H>) -> &CompiledRule {
        match self.rules.is_empty() {
            true => &self.default,
            false => self.find_by_conditions(request),
        }
    }

    /// All rules as they are asked, default last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CompiledRule> {
        self.rules.iter().chain([&self.default])
    }

    fn find_by_conditions<H: Headers>(&self, request: &RequestView<'_, H>) -> &CompiledRule {
        let host = host::without_port(request.host);
        let takes =
            |rule: &&CompiledRule| rule.conditions.iter().all(|each| each.holds(request, host));
        self.rules.iter().find(takes).unwrap_or(&self.default)
    }
}

impl CompiledRule {
    /// Of a rule without faults.
    fn new(index: usize, rule: &Rule) -> Self {
        Self {
            priority: Some(rule.priority),
            label: rule.priority.to_string(),
            index,
            action: CompiledAction::new(&rule.action),
            transforms: Transforms::new(&rule.transforms),
            rate_limit: rule.rate_limit.clone(),
            compression: rule.compression.clone(),
            conditions: rule.conditions.iter().map(CompiledCondition::new).collect(),
        }
    }
}

impl CompiledAction {
    fn new(action: &Action) -> Self {
        match action {
            Action::Forward(forward) => Self::Forward(WeightedForward::new(forward)),
            Action::Redirect(redirect) => Self::Redirect(Redirect::new(redirect)),
            Action::FixedResponse(response) => Self::FixedResponse(FixedResponse::new(response)),
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.priority {
            Some(priority) => write!(f, "rule {priority}: {}", self.fault),
            None => self.fault.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
