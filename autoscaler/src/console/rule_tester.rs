use std::net::IpAddr;

use minicloud_lb_api::Listener;

/// Port: what the balancer would do with a request, told without sending it.
pub trait RuleTester: Send + Sync + 'static {
    /// Asks the rules of the listener that the question's URL names.
    ///
    /// # Errors
    /// There is no such listener, or the request would come to no rule: a sentence.
    fn test(&self, listeners: &[Listener], question: &RuleQuestion) -> Result<RuleVerdict, String>;
}

/// Which rule takes this request?
#[derive(Clone, Debug)]
pub struct RuleQuestion {
    pub method: String,
    /// `http://host:port/path?query`.
    pub url: String,
    pub source_ip: IpAddr,
}

/// The rules of a listener, asked one after the other, up to the default.
#[derive(Clone, Debug)]
pub struct RuleVerdict {
    pub load_balancer: String,
    pub port: u16,
    pub rules: Vec<TestedRule>,
}

#[derive(Clone, Debug)]
pub struct TestedRule {
    /// Or `default`.
    pub priority: String,
    /// It takes the request.
    pub takes: bool,
    /// The action in a few words.
    pub action: String,
    /// Why it does not take it; empty where it does.
    pub because: String,
}
