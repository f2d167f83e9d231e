use super::ScalingPolicy;

/// A policy as it is and as the file last had it: a three-way apply needs both.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PolicyRecord {
    pub(crate) policy_name: String,
    /// A UUID that stays with the name: alarms are named after it.
    pub(crate) policy_id: String,
    /// `None` where it was deleted through the API, and the file still has it.
    pub(crate) current: Option<ScalingPolicy>,
    /// `None` where the file never had it.
    pub(crate) file: Option<ScalingPolicy>,
}

/// What was put or deleted through the API stays until the file changes that policy. In the
/// order of the file; what only the API knows comes last.
pub(crate) fn merge(
    mut stored: Vec<PolicyRecord>,
    file: &[ScalingPolicy],
    mut new_id: impl FnMut() -> String,
) -> Vec<PolicyRecord> {
    let mut merged = Vec::new();
    for policy in file {
        let known = stored
            .iter()
            .position(|record| record.policy_name == policy.name)
            .map(|index| stored.remove(index));
        merged.push(match known {
            Some(record) if record.file.as_ref() == Some(policy) => record,
            known => PolicyRecord {
                policy_name: policy.name.clone(),
                policy_id: known.map_or_else(&mut new_id, |record| record.policy_id),
                current: Some(policy.clone()),
                file: Some(policy.clone()),
            },
        });
    }
    // One that the file had and has no more was removed there.
    let of_api = |record: &PolicyRecord| record.file.is_none() && record.current.is_some();
    merged.extend(stored.into_iter().filter(of_api));
    merged
}
