mod ingress;

use super::Names;
use crate::{
    config::{
        fault::{Mistake, quoted},
        node::Value,
        reader::Entry,
        scalar,
        schema::{Absent, Form, Key, Section},
    },
    security_group::SecurityGroup,
};

pub(in crate::config) const SECTION: Section = Section {
    place: "security_groups.NAME",
    keys: &[
        Key::new(
            "description",
            Form::Text("text, up to 255 characters"),
            Absent::Default("none"),
            "What it is for.",
        ),
        Key::new(
            "ingress",
            Form::ListOf(&ingress::SECTION),
            Absent::Default("none: nobody is let in"),
            "Who is let in, up to 60 rules; one that fits is enough.",
        ),
    ],
    renamed: &[
        ("group_description", "description"),
        ("rules", "ingress"),
        ("inbound", "ingress"),
        ("inbound_rules", "ingress"),
        ("ingress_rules", "ingress"),
        ("ip_permissions", "ingress"),
        ("security_group_ingress", "ingress"),
        (
            "egress",
            "remove it: what instances ask for is not restricted",
        ),
        (
            "ip_permissions_egress",
            "remove it: what instances ask for is not restricted",
        ),
    ],
};

/// Characters of a group's name and of its description, as at EC2.
const MOST_TEXT: usize = 255;

/// EC2's quota.
const MOST_RULES: usize = 60;

/// Groups of one load balancer or instance: EC2's quota for a network interface.
const MOST_GROUPS: usize = 5;

pub(super) fn read(name: &str, entry: &Entry<'_>, names: &Names) -> Option<SecurityGroup> {
    let fields = entry.fields(&SECTION)?;
    let description = fields.or("description", String::new(), |entry| {
        entry.read(description)
    });
    let ingress = fields.or("ingress", Vec::new(), |entry| {
        let items = entry.list()?;
        if items.len() > MOST_RULES {
            let mistake = Mistake::new(format!("{} rules are too many", items.len()));
            entry.refuse(mistake.hint(format!("write up to {MOST_RULES} in a security group")));
        }
        let rules: Vec<_> = items
            .iter()
            .map(|item| ingress::read(item, names))
            .collect();
        rules.into_iter().collect()
    });
    Some(SecurityGroup {
        group_id: String::new(),
        group_name: name.to_owned(),
        description: description?,
        ingress: ingress?,
    })
}

/// The groups that something else is in.
pub(super) fn references(entry: &Entry<'_>, names: &Names) -> Option<Vec<String>> {
    let groups = entry.distinct(|item| item.read(|name| names.resolve(name)))?;
    let mistake = match groups.len() {
        0 => Mistake::new("no security group").hint("name one, or remove the key"),
        1..=MOST_GROUPS => return Some(groups),
        count => Mistake::new(format!("{count} security groups are too many"))
            .hint(format!("name up to {MOST_GROUPS}")),
    };
    entry.refuse(mistake);
    None
}

/// EC2's rule for a group's name.
pub(super) fn check_name(name: &str) -> Result<(), Mistake> {
    const MARKS: &str = " ._-:/()#,@[]+=&;{}!$*";
    let allowed = |c: char| c.is_ascii_alphanumeric() || MARKS.contains(c);
    let well_formed = (1..=MOST_TEXT).contains(&name.len())
        && name.chars().all(allowed)
        && name.trim() == name
        && !name.starts_with("sg-");
    if well_formed {
        return Ok(());
    }
    let mistake = Mistake::new(format!("{} is not a security group's name", quoted(name)));
    Err(mistake.hint(format!(
        "use 1 to {MOST_TEXT} letters, digits, spaces and {}, not sg- first",
        MARKS.trim()
    )))
}

fn description(value: &Value) -> Result<String, Mistake> {
    let text = scalar::text(value)?;
    if text.chars().count() > MOST_TEXT || text.chars().any(char::is_control) {
        return Err(Mistake::new("the description is too long, or not one line")
            .hint(format!("write up to {MOST_TEXT} characters")));
    }
    Ok(text.to_owned())
}
