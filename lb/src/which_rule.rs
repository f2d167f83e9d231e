//! Which rule takes a request, asked without sending it: the head is written, read and looked
//! at by what reads and looks at clients' heads.

use std::net::IpAddr;

use minicloud_lb_api::{Action, Listener};
use serde::Serialize;

use crate::{
    client::judge::view,
    config::Limits,
    http1::{HeadLimits, Refusal, RequestHead},
    rule::{self, RuleSet},
    security_group::Sources,
};

/// A request that somebody asks about.
#[derive(Clone, Debug)]
pub struct RequestDescription {
    pub method: String,
    /// `http://host:port/path?query`; with one listener the port may be left out, and with a
    /// path alone the host is `localhost`.
    pub url: String,
    /// A `Host` among them stands for the URL's.
    pub headers: Vec<(String, String)>,
    pub source_ip: IpAddr,
}

/// A listener's rules, asked one after the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleEvaluation {
    pub load_balancer: String,
    pub port: u16,
    /// Up to the default.
    pub rules: Vec<EvaluatedRule>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluatedRule {
    /// Or `default`.
    pub priority: String,
    pub verdict: Verdict,
    pub action: Action,
    /// The action in a few words.
    pub summary: String,
    /// The conditions that do not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<UnmetCondition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Takes,
    /// It would, but one before it does.
    ComesLater,
    /// A condition does not hold.
    Unmet,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnmetCondition {
    /// Its name, such as `path_pattern`.
    pub field: String,
    pub wanted: String,
    /// What the request has there; empty where it has nothing.
    pub found: String,
}

/// Why there is no rule to tell.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhichRuleError {
    #[error("`{0}` is not a URL: write http://host:port/path")]
    Url(String),
    #[error("no listener speaks HTTPS")]
    Https,
    #[error("no listener has port {port}; there are: {}", ports(.known))]
    NoListener { port: u16, known: Vec<u16> },
    #[error(
        "no security group of `{load_balancer}` lets {source_ip} reach port {port}: the connection is closed before a rule is asked"
    )]
    ShutOut {
        load_balancer: String,
        port: u16,
        source_ip: IpAddr,
    },
    #[error("a method, a URL and headers have no control characters")]
    ControlCharacter,
    #[error("the request is answered {status} before any rule is asked: {reason}")]
    Refused { status: u16, reason: String },
    #[error("the listener's rules are not valid: {0}")]
    Rules(String),
}

/// Asks the rules of the listener that the URL names.
///
/// # Errors
/// There is no such listener, or the request would come to none.
pub fn which_rule(
    listeners: &[Listener],
    request: &RequestDescription,
) -> Result<RuleEvaluation, WhichRuleError> {
    let url = Url::parse(&request.url)?;
    let listener = url.listener(listeners)?;
    let permissions = listener.attributes.ip_permissions.as_deref();
    if !Sources::of(permissions, listener.port).admit(request.source_ip) {
        return Err(WhichRuleError::ShutOut {
            load_balancer: listener.load_balancer.clone(),
            port: listener.port,
            source_ip: request.source_ip,
        });
    }
    let head = write_head(request, &url)?;
    let mut parsed = RequestHead::new();
    let length = parsed.parse(&head, &limits()).map_err(refused)?;
    // Only a blank line within could end the head early, and control characters are refused.
    debug_assert_eq!(length, Some(head.len()));
    let rules = RuleSet::compile(listener).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        WhichRuleError::Rules(errors.join("; "))
    })?;
    let view = view(&parsed, &head, "", request.source_ip, listener.port);
    let considered = rules.explain(&view).into_iter();
    Ok(RuleEvaluation {
        load_balancer: listener.load_balancer.clone(),
        port: listener.port,
        rules: considered
            .map(|rule| EvaluatedRule::new(listener, rule))
            .collect(),
    })
}

/// The parts of a URL that choose a rule.
struct Url<'a> {
    host: &'a str,
    port: Option<u16>,
    /// Path and query.
    target: &'a str,
}

impl<'a> Url<'a> {
    fn parse(url: &'a str) -> Result<Self, WhichRuleError> {
        let bad = || WhichRuleError::Url(url.to_owned());
        if url.starts_with("https://") {
            return Err(WhichRuleError::Https);
        }
        // A fragment never leaves the browser.
        let whole = url.split('#').next().unwrap_or_default();
        if whole.starts_with('/') {
            return Ok(Self {
                host: "localhost",
                port: None,
                target: whole,
            });
        }
        let rest = whole.strip_prefix("http://").unwrap_or(whole);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let after_name = authority.rfind(']').unwrap_or(0);
        let port = match authority[after_name..].rsplit_once(':') {
            Some((_, port)) => Some(port.parse().map_err(|_| bad())?),
            None => None,
        };
        match authority {
            "" => Err(bad()),
            host => Ok(Self { host, port, target }),
        }
    }

    fn listener<'l>(&self, listeners: &'l [Listener]) -> Result<&'l Listener, WhichRuleError> {
        if let (None, [listener]) = (self.port, listeners) {
            return Ok(listener);
        }
        let port = self.port.unwrap_or(80);
        let found = listeners.iter().find(|listener| listener.port == port);
        found.ok_or_else(|| WhichRuleError::NoListener {
            port,
            known: listeners.iter().map(|listener| listener.port).collect(),
        })
    }
}

/// The head that a client would send.
fn write_head(request: &RequestDescription, url: &Url<'_>) -> Result<Vec<u8>, WhichRuleError> {
    let slash = if url.target.starts_with('/') { "" } else { "/" };
    let mut head = format!("{} {slash}{} HTTP/1.1\r\n", request.method, url.target);
    let mut has_host = false;
    for (name, value) in &request.headers {
        has_host |= name.eq_ignore_ascii_case("host");
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !has_host {
        head.push_str(&format!("Host: {}\r\n", url.host));
    }
    head.push_str("\r\n");
    let texts = request
        .headers
        .iter()
        .flat_map(|(name, value)| [name, value]);
    let mut texts = texts.chain([&request.method, &request.url]);
    match texts.any(|text| text.contains(char::is_control)) {
        true => Err(WhichRuleError::ControlCharacter),
        false => Ok(head.into_bytes()),
    }
}

fn limits() -> HeadLimits {
    let limits = Limits::default();
    HeadLimits {
        head: limits.head,
        fields: limits.headers,
        request_line: limits.request_line,
        field: limits.field,
    }
}

fn refused(refusal: Refusal) -> WhichRuleError {
    WhichRuleError::Refused {
        status: refusal.status(),
        reason: refusal.to_string(),
    }
}

fn ports(ports: &[u16]) -> String {
    let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
    ports.join(", ")
}

impl EvaluatedRule {
    /// The first condition that does not hold, in words.
    pub fn because(&self) -> Option<String> {
        let unmet = self.unmet.first()?;
        let found = match &*unmet.found {
            "" => "nothing",
            found => found,
        };
        Some(format!("{} is {found}, not {}", unmet.field, unmet.wanted))
    }

    fn new(listener: &Listener, considered: rule::Considered<'_>) -> Self {
        let mut rules = listener.rules.iter();
        let described = rules.find(|rule| Some(rule.priority) == considered.priority);
        let action = described.map_or(&listener.default_action, |rule| &rule.action);
        let (verdict, unmet) = match considered.verdict {
            rule::Verdict::Takes => (Verdict::Takes, Vec::new()),
            rule::Verdict::ComesLater => (Verdict::ComesLater, Vec::new()),
            rule::Verdict::Unmet(unmet) => (Verdict::Unmet, unmet),
        };
        let unmet = unmet.into_iter().map(|unmet| UnmetCondition {
            field: unmet.field.to_owned(),
            wanted: unmet.wanted,
            found: unmet.found,
        });
        Self {
            priority: considered.label.to_owned(),
            verdict,
            action: action.clone(),
            summary: action.to_string(),
            unmet: unmet.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use minicloud_lb_api::{Condition, IpPermission, Patterns, Rule};

    use super::*;

    fn rule(priority: u32, conditions: Vec<Condition>, group: &str) -> Rule {
        Rule {
            priority,
            conditions,
            transforms: Vec::new(),
            action: Action::forward(group),
            rate_limit: None,
            compression: None,
        }
    }

    fn path(pattern: &str) -> Condition {
        Condition::PathPattern(values(pattern))
    }

    fn values(pattern: &str) -> Patterns {
        Patterns {
            values: vec![pattern.to_owned()],
            regex_values: Vec::new(),
        }
    }

    fn listener(port: u16) -> Listener {
        let host = Condition::HostHeader(values("shop.example"));
        let header = Condition::HttpHeader {
            http_header_name: "X-Beta".to_owned(),
            patterns: values("yes"),
        };
        Listener {
            load_balancer: "demo".to_owned(),
            port,
            rules: vec![
                rule(30, vec![path("/*")], "all"),
                rule(10, vec![host, path("/cart*")], "cart"),
                rule(20, vec![header], "beta"),
            ],
            default_action: Action::forward("web"),
            attributes: Default::default(),
        }
    }

    fn request(url: &str) -> RequestDescription {
        RequestDescription {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            source_ip: Ipv4Addr::LOCALHOST.into(),
        }
    }

    #[test]
    fn who_is_shut_out_comes_to_no_rule() {
        let mut guarded = listener(8080);
        let admitted = IpPermission {
            from_port: 8080,
            to_port: 8080,
            ip_ranges: vec!["10.0.0.0/8".parse().unwrap()],
        };
        guarded.attributes.ip_permissions = Some(vec![admitted]);
        let mut request = request("http://localhost:8080/");
        let asked = |request: &_| which_rule(std::slice::from_ref(&guarded), request);
        let refused = asked(&request).unwrap_err().to_string();
        assert!(
            refused.starts_with("no security group of `demo` lets 127.0.0.1 reach port 8080"),
            "{refused}"
        );
        request.source_ip = Ipv4Addr::new(10, 1, 2, 3).into();
        assert!(asked(&request).is_ok());
    }

    fn taken_by(request: &RequestDescription) -> Result<String, WhichRuleError> {
        let evaluation = which_rule(&[listener(8080)], request)?;
        let mut rules = evaluation.rules.into_iter();
        let taken = rules.find(|rule| rule.verdict == Verdict::Takes).unwrap();
        Ok(taken.priority)
    }

    #[test]
    fn rules_are_told_in_their_order() {
        let url = "http://shop.example:8080/login#top";
        let evaluation = which_rule(&[listener(8080), listener(81)], &request(url)).unwrap();
        assert_eq!(
            (&*evaluation.load_balancer, evaluation.port),
            ("demo", 8080)
        );
        let told: Vec<_> = evaluation
            .rules
            .iter()
            .map(|rule| (&*rule.priority, rule.verdict, &*rule.summary))
            .collect();
        assert_eq!(
            told,
            [
                ("10", Verdict::Unmet, "forward to cart"),
                ("20", Verdict::Unmet, "forward to beta"),
                ("30", Verdict::Takes, "forward to all"),
                ("default", Verdict::ComesLater, "forward to web"),
            ]
        );
        let expected = UnmetCondition {
            field: "path_pattern".to_owned(),
            wanted: "/cart*".to_owned(),
            found: "/login".to_owned(),
        };
        assert_eq!(evaluation.rules[0].unmet, [expected]);
    }

    #[test]
    fn headers_count_and_a_host_among_them_too() {
        let mut asked = request("/cart?x=1");
        assert_eq!(taken_by(&asked).unwrap(), "30");
        asked.headers = vec![("host".to_owned(), "shop.example:9".to_owned())];
        assert_eq!(taken_by(&asked).unwrap(), "10");
        asked.headers = vec![("x-beta".to_owned(), "YES".to_owned())];
        assert_eq!(taken_by(&asked).unwrap(), "20");
    }

    #[test]
    fn urls_may_be_short() {
        for url in [
            "shop.example/cart",
            "http://shop.example/cart",
            "shop.example:8080/cart",
        ] {
            assert_eq!(taken_by(&request(url)).unwrap(), "10", "{url}");
        }
        for url in ["http://[::1]:8080", "localhost?x", "http://a"] {
            assert_eq!(taken_by(&request(url)).unwrap(), "30", "{url}");
        }
    }

    #[test]
    fn what_comes_to_no_rule_is_told() {
        let listeners = [listener(80), listener(81)];
        let error = |url: &str| which_rule(&listeners, &request(url)).unwrap_err();
        assert_eq!(error("https://a/"), WhichRuleError::Https);
        assert_eq!(
            error("http://a:82/").to_string(),
            "no listener has port 82; there are: 80, 81"
        );
        for bad in ["", "http://", "http://a:x/"] {
            assert_eq!(error(bad), WhichRuleError::Url(bad.to_owned()));
        }
        let refused = error("http://a/b c").to_string();
        assert!(refused.contains("answered 400"), "{refused}");
        assert_eq!(error("http://a/\r\nX: y"), WhichRuleError::ControlCharacter);
        let mut split = request("http://a/");
        split.headers = vec![("X".to_owned(), "1\r\n\r\n".to_owned())];
        assert_eq!(
            which_rule(&listeners, &split),
            Err(WhichRuleError::ControlCharacter)
        );
    }
}
