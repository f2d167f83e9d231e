use minicloud_autoscaler::api::Listeners;
use minicloud_lb::{EvaluatedRule, RequestDescription, RuleEvaluation, Verdict, which_rule};

use super::connect;
use crate::{
    cli::{Output, WhichRuleArgs},
    failure::Failure,
    output::{Listing, Tone, show},
};

pub(crate) async fn run(args: WhichRuleArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let Listeners { listeners } = api.read("/v1/listeners").await?;
    let request = RequestDescription {
        method: args.method,
        url: args.url,
        headers: args.headers,
        source_ip: args.source_ip,
    };
    let evaluation =
        which_rule(&listeners, &request).map_err(|error| Failure::no_rule(&request.url, &error))?;
    show(args.reading.output, &evaluation, screen)
}

fn screen(evaluation: &RuleEvaluation, output: Output) -> String {
    if output == Output::Name {
        let rules = evaluation.rules.iter();
        return listing().render(rules.filter(|rule| rule.verdict == Verdict::Takes), output);
    }
    format!(
        "listener {} of {}\n\n{}",
        evaluation.port,
        evaluation.load_balancer,
        listing().render(&evaluation.rules, output)
    )
}

fn listing() -> Listing<EvaluatedRule> {
    Listing::new(|rule: &EvaluatedRule| rule.priority.clone())
        .column("RULE", |rule| rule.priority.clone().into())
        .column("VERDICT", |rule| match rule.verdict {
            Verdict::Takes => Tone::Good.cell("takes it"),
            Verdict::ComesLater => Tone::Faint.cell("comes later"),
            Verdict::Unmet => "unmet".into(),
        })
        .column("ACTION", |rule| rule.summary.clone().into())
        .column("BECAUSE", |rule| rule.because().unwrap_or_default().into())
}

#[cfg(test)]
mod tests {
    use minicloud_lb_api::Listener;

    use super::*;

    #[test]
    fn table_tells_what_each_rule_makes_of_the_request() {
        let listener: Listener = serde_json::from_value(serde_json::json!({
            "load_balancer": "demo", "port": 8080,
            "default_action": { "forward": { "target_groups": [
                { "target_group": "web", "weight": 1 },
            ] } },
            "rules": [
                {
                    "priority": 10,
                    "conditions": [{ "path_pattern": { "values": ["/cart*"] } }],
                    "action": { "fixed_response": { "status_code": 404 } },
                },
                {
                    "priority": 20,
                    "conditions": [{ "query_string": [{ "key": "v", "value": "2" }] }],
                    "action": { "fixed_response": { "status_code": 410 } },
                },
                {
                    "priority": 30,
                    "conditions": [{ "http_request_method": ["GET"] }],
                    "action": { "forward": { "target_groups": [
                        { "target_group": "a", "weight": 9 },
                        { "target_group": "b", "weight": 1 },
                    ] } },
                },
            ],
        }))
        .unwrap();
        let request = RequestDescription {
            method: "GET".to_owned(),
            url: "/login".to_owned(),
            headers: Vec::new(),
            source_ip: [127, 0, 0, 1].into(),
        };
        let screen = screen(&which_rule(&[listener], &request).unwrap(), Output::Table);
        let screen = anstream::adapter::strip_str(&screen).to_string();
        let expected = "\
listener 8080 of demo

RULE     VERDICT      ACTION                   BECAUSE
10       unmet        fixed response 404       path_pattern is /login, not /cart*
20       unmet        fixed response 410       query_string is nothing, not v=2
30       takes it     forward to a (9), b (1)
default  comes later  forward to web
";
        assert_eq!(screen, expected, "{screen}");
    }
}
