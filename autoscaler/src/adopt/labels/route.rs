//! Which requests a service takes.

use minicloud_lb_api::{Action, Condition, Patterns, Rule, validate::PRIORITIES};

use super::reader::Fields;
use crate::config::fault::{Mistake, quoted, sentence};

/// A host, and what of its paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::adopt) struct Route {
    /// In lower case; may have wildcards.
    pub(in crate::adopt) host: String,
    /// Patterns, of which one is enough; none for every path.
    pub(in crate::adopt) paths: Vec<String>,
}

impl Route {
    pub(in crate::adopt) fn conditions(&self) -> Vec<Condition> {
        let patterns = |values: &[String]| Patterns {
            values: values.to_vec(),
            regex_values: Vec::new(),
        };
        let host = Condition::HostHeader(patterns(std::slice::from_ref(&self.host)));
        let paths = Condition::PathPattern(patterns(&self.paths));
        match self.paths.is_empty() {
            true => vec![host],
            false => vec![host, paths],
        }
    }
}

pub(super) fn read(fields: &Fields<'_>, service: &str) -> Route {
    let default = format!("{service}.localhost").to_lowercase();
    Route {
        host: fields.read_text("host", host).unwrap_or(default),
        paths: fields.read_text("path", paths).unwrap_or_default(),
    }
}

fn host(text: &str) -> Result<String, Mistake> {
    let route = Route {
        host: text.to_lowercase(),
        paths: Vec::new(),
    };
    check(
        &route,
        text,
        "write one such as api.localhost or *.example.com",
    )?;
    Ok(route.host)
}

/// `/api` and what is below it; with a wildcard, just that pattern.
fn paths(text: &str) -> Result<Vec<String>, Mistake> {
    if !text.starts_with('/') {
        let mistake = Mistake::new(format!("{} is not a path", quoted(text)));
        return Err(mistake.hint("begin with /, such as /api"));
    }
    let paths = match text.trim_end_matches('/') {
        "" => Vec::new(),
        _ if text.contains(['*', '?']) => vec![text.to_owned()],
        prefix => vec![prefix.to_owned(), format!("{prefix}/*")],
    };
    let route = Route {
        host: "*".to_owned(),
        paths: paths.clone(),
    };
    check(&route, text, "write one such as /api or /api/v?/*")?;
    Ok(paths)
}

/// By the balancer's own rules.
fn check(route: &Route, written: &str, hint: &str) -> Result<(), Mistake> {
    let rule = Rule {
        priority: *PRIORITIES.start(),
        conditions: route.conditions(),
        transforms: Vec::new(),
        action: Action::forward("any"),
        rate_limit: None,
        compression: None,
    };
    match rule
        .validate()
        .err()
        .and_then(|faults| faults.into_iter().next())
    {
        None => Ok(()),
        Some(fault) => {
            let reason = sentence(&fault.reason);
            Err(Mistake::new(format!("{}: {reason}", quoted(written))).hint(hint))
        }
    }
}
