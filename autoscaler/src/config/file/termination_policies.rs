use crate::config::{
    TerminationPolicy, defaults::Defaults, fault::Mistake, node::Value, reader::Entry, scalar,
};

pub(super) const VALUE: &str = "list of `LeastBusy`, `Default`, `OldestInstance`, `NewestInstance`, `OldestLaunchTemplate`, `ClosestToNextInstanceHour`";

/// AWS's that have nothing to choose by here, and why.
const WITHOUT_OBJECT: [(&str, &str); 2] = [
    (
        "AllocationStrategy",
        "a group has one kind of instance here, so there is no allocation to align with: leave it out",
    ),
    (
        "OldestLaunchConfiguration",
        "there are no launch configurations here: write OldestLaunchTemplate",
    ),
];

pub(crate) fn or_default(defaults: &Defaults) -> Vec<TerminationPolicy> {
    vec![defaults.termination_policy]
}

pub(super) fn read(entry: &Entry<'_>) -> Option<Vec<TerminationPolicy>> {
    let mut policies: Vec<TerminationPolicy> = Vec::new();
    let items = entry.list()?;
    if items.is_empty() {
        entry.refuse(Mistake::new("no policy").hint("write [Default], or remove the key"));
    }
    for item in items {
        let Some(policy) = item.read(policy) else {
            continue;
        };
        if policies.contains(&policy) {
            let mistake = Mistake::new(format!("`{policy}` is listed twice"));
            item.refuse(mistake.hint("keep one of the two"));
        } else if let Some(last) = policies.iter().find(|before| before.is_last()) {
            let mistake = Mistake::new(format!(
                "`{policy}` is never asked, since {last} leaves one instance"
            ));
            item.refuse(mistake.hint(format!("put {last} last")));
        }
        policies.push(policy);
    }
    Some(policies)
}

fn policy(value: &Value) -> Result<TerminationPolicy, Mistake> {
    let written = scalar::text(value)?;
    if let Some((name, why)) = WITHOUT_OBJECT.iter().find(|(name, _)| *name == written) {
        return Err(Mistake::new(format!("`{name}` chooses nothing")).hint(*why));
    }
    if written.starts_with("arn:") {
        return Err(Mistake::new("there are no functions to call here")
            .hint("write one of AWS's own policies, or LeastBusy with a busy_check"));
    }
    let words = TerminationPolicy::ALL.map(TerminationPolicy::as_str);
    scalar::one_of(value, &words, &TerminationPolicy::ALL)
}
