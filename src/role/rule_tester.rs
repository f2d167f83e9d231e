use minicloud_autoscaler::console::{RuleQuestion, RuleTester, RuleVerdict, TestedRule};
use minicloud_lb::{RequestDescription, Verdict, which_rule};
use minicloud_lb_api::Listener;

/// Asks what the balancer itself asks.
pub(super) struct BalancersRules;

impl RuleTester for BalancersRules {
    fn test(&self, listeners: &[Listener], question: &RuleQuestion) -> Result<RuleVerdict, String> {
        let request = RequestDescription {
            method: question.method.clone(),
            url: question.url.clone(),
            headers: Vec::new(),
            source_ip: question.source_ip,
        };
        let evaluation = which_rule(listeners, &request).map_err(|error| error.to_string())?;
        let rules = evaluation.rules.into_iter().map(|rule| TestedRule {
            takes: rule.verdict == Verdict::Takes,
            because: match rule.verdict {
                Verdict::Takes => String::new(),
                Verdict::ComesLater => "a rule before it does".to_owned(),
                Verdict::Unmet => rule.because().unwrap_or_default(),
            },
            priority: rule.priority,
            action: rule.summary,
        });
        Ok(RuleVerdict {
            load_balancer: evaluation.load_balancer,
            port: evaluation.port,
            rules: rules.collect(),
        })
    }
}
