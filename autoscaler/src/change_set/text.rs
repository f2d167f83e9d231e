//! A change set as people read it.

use std::fmt;

use super::{ChangeAction, ChangeSet, InstanceChanges, MemberAction, ResourceChange, ResourceType};

impl fmt::Display for ChangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("No changes: what is in force is what the file says.\n");
        }
        for change in &self.changes {
            write!(f, "{change}")?;
        }
        let [add, change, remove] = self.counts();
        writeln!(f, "\n{add} to add, {change} to change, {remove} to remove")?;
        let mut total = InstanceChanges::default();
        for change in &self.changes {
            total.launched += change.instances.launched;
            total.terminated += change.instances.terminated;
            total.outdated += change.instances.outdated;
        }
        match total.is_none() {
            true => Ok(()),
            false => writeln!(f, "Instances: {total}"),
        }
    }
}

impl fmt::Display for ResourceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, kind) = (self.action.sign(), self.resource_type);
        writeln!(f, "{sign} {kind} {}", self.logical_resource_id)?;
        for detail in &self.details {
            let name = &detail.name;
            match detail.action() {
                None => {}
                Some(MemberAction::Add(after)) => writeln!(f, "    + {name}: {after}")?,
                Some(MemberAction::Modify(before, after)) => {
                    writeln!(f, "    ~ {name}: {before} -> {after}")?;
                }
                Some(MemberAction::Remove(before)) => writeln!(f, "    - {name}: {before}")?,
            }
        }
        match self.instances.is_none() {
            true => Ok(()),
            false => writeln!(f, "    instances: {}", self.instances),
        }
    }
}

/// `2 launched at once, 1 outdated and left as it is`.
impl fmt::Display for InstanceChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.launched, "launched at once"),
            (self.terminated, "terminated at once"),
            (self.outdated, "outdated and left running"),
        ];
        let parts: Vec<_> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

impl ChangeAction {
    fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Modify => '~',
            Self::Remove => '-',
        }
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "configuration",
            Self::SecurityGroup => "security_group",
            Self::InstanceType => "instance_type",
            Self::LaunchTemplate => "launch_template",
            Self::AutoScalingGroup => "auto_scaling_group",
            Self::TargetGroup => "target_group",
            Self::LoadBalancer => "load_balancer",
            Self::Listener => "listener",
            Self::Rule => "rule",
        })
    }
}
