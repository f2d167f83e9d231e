//! Every list as it is shown of the answers in `answers.json`, in `tables.txt`.

use std::sync::Arc;

use minicloud_autoscaler::describe::View;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    activities, alarms, config, groups, instance_types, instances, key_pair, launch_template,
    policies, refresh, scheduled_actions, security_groups, status, suspend, targets, why,
};
use crate::{cli::Output, golden, output::Listing};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/verb/tests/tables.txt");
const FORMS: [(Output, &str); 3] = [
    (Output::Table, "table"),
    (Output::Wide, "wide"),
    (Output::Name, "name"),
];

fn answer<T: DeserializeOwned>(name: &str) -> T {
    let mut answers: Value = serde_json::from_str(include_str!("answers.json")).unwrap();
    serde_json::from_value(answers[name].take()).unwrap()
}

/// What has been shown so far.
struct Page(String);

impl Page {
    fn list<T>(&mut self, verb: &str, listing: &Listing<T>, items: &[T]) {
        self.show(verb, |output| listing.render(items, output));
    }

    fn show(&mut self, verb: &str, render: impl Fn(Output) -> String) {
        for (output, name) in FORMS {
            let shown = render(output);
            let shown = anstream::adapter::strip_str(&shown);
            self.0 += &format!("$ minicloud {verb} -o {name}\n{shown}\n");
        }
    }
}

#[test]
fn lists_are_as_written_down() {
    let view: View = answer("view");
    let all = &view.auto_scaling_groups;
    let web = &all[0];
    let mut page = Page(String::new());
    page.show("status", |output| status::screen(&view, output));
    page.show("groups", |output| {
        groups::listing().render(all.iter().map(Arc::as_ref), output)
    });
    page.list("instances", &instances::listing(), &web.instances);
    page.list("suspend web", &suspend::listing(), &web.suspended_processes);
    let target_group = &view.target_groups[0];
    page.list(
        "targets",
        &targets::listing(),
        &target_group.target_health_descriptions,
    );
    page.show("policies", |output| {
        policies::listing().render(policies::rows(all), output)
    });
    let values: Vec<_> = answer("configuration_values");
    page.list("config", &config::listing(), &values);
    page.list("alarms", &alarms::listing(), &web.alarms);
    page.list(
        "scheduled-actions",
        &scheduled_actions::listing(),
        &web.scheduled_actions,
    );
    page.list(
        "refreshes web",
        &refresh::listing(),
        &answer::<Vec<_>>("instance_refreshes"),
    );
    page.list(
        "activities",
        &activities::listing(),
        &answer::<Vec<_>>("activities"),
    );
    let security_groups: Vec<_> = answer("security_groups");
    page.show("security-groups", |output| {
        security_groups::text(&security_groups, output)
    });
    page.list(
        "launch-templates",
        &launch_template::listing(),
        &answer::<Vec<_>>("launch_templates"),
    );
    page.list(
        "launch-templates web",
        &launch_template::version_listing(),
        &answer::<Vec<_>>("launch_template_versions"),
    );
    page.list(
        "instance-types",
        &instance_types::listing(),
        &answer::<Vec<_>>("instance_types"),
    );
    page.list(
        "key-pairs",
        &key_pair::listing(),
        &answer::<Vec<_>>("key_pairs"),
    );
    page.list(
        "why",
        &why::listing(),
        &answer::<Vec<_>>("request_failures"),
    );
    golden::check(GOLDEN, &page.0);
}
