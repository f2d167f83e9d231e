use ipnet::IpNet;

use crate::{
    config::{
        fault::{Mistake, quoted},
        file::Names,
        limits::Limits,
        node::Value,
        reader::Entry,
        scalar,
        schema::{Absent, Form, Key, Section},
    },
    security_group::{IngressRule, Protocol},
};

pub(super) const SECTION: Section = Section {
    place: "security_groups.NAME.ingress[]",
    keys: &[
        Key::new(
            "protocol",
            Form::OneOf(PROTOCOLS),
            Absent::Default("`tcp`"),
            "There is no other.",
        ),
        Key::new(
            "from_port",
            Form::Count(&PORT),
            Absent::Fault("8080"),
            "First port of the range: a listener's, or an instance's.",
        ),
        Key::new(
            "to_port",
            Form::Count(&PORT),
            Absent::Default("`from_port`"),
            "Last port of the range.",
        ),
        Key::new(
            "cidr",
            Form::TextOrTexts("network or list of networks, such as `10.0.0.0/8` or `::1`"),
            Absent::Default("none"),
            "Networks that are let in. `0.0.0.0/0` is all of IPv4 and nothing of IPv6, `::/0` the other way round.",
        ),
        Key::new(
            "source_security_group",
            Form::Text("name of a security group"),
            Absent::Default("none"),
            "Group whose members are let in.",
        ),
    ],
    renamed: &[
        ("ip_protocol", "protocol"),
        ("port", "write from_port and to_port"),
        ("ports", "write from_port and to_port"),
        ("cidrs", "cidr"),
        ("cidr_ip", "cidr"),
        ("cidr_ipv6", "cidr"),
        ("cidr_blocks", "cidr"),
        ("ip_ranges", "cidr"),
        ("ipv6_ranges", "cidr"),
        ("source", "write cidr or source_security_group"),
        ("source_group", "source_security_group"),
        ("source_security_group_name", "source_security_group"),
        ("source_security_group_id", "source_security_group"),
        ("user_id_group_pairs", "source_security_group"),
        ("security_group", "source_security_group"),
        ("security_groups", "source_security_group"),
    ],
};

const PROTOCOLS: &[&str] = &["tcp"];

/// EC2's, from 0.
const PORT: Limits<u32> = Limits::new(0, 65535);

/// IPv4 addresses as IPv6 writes them.
const MAPPED_PREFIX: u8 = 96;

pub(super) fn read(entry: &Entry<'_>, names: &Names) -> Option<IngressRule> {
    let fields = entry.fields(&SECTION)?;
    let protocol = fields.or("protocol", Protocol::Tcp, |entry| {
        entry.read(|word| scalar::one_of(word, PROTOCOLS, &[Protocol::Tcp]))
    });
    let from_port = fields.required("from_port", port);
    let to_port = fields.optional("to_port", port);
    let cidr = fields.or("cidr", Vec::new(), networks);
    let source = fields.optional("source_security_group", |entry| {
        entry.read(|name| names.resolve(name))
    });
    if fields.get("cidr").is_none() && fields.get("source_security_group").is_none() {
        let mistake = Mistake::new("the rule lets nobody in");
        entry.refuse_label(mistake.hint("add cidr: 0.0.0.0/0 or source_security_group: NAME"));
    }
    let from_port = from_port?;
    let to_port = to_port?.unwrap_or(from_port);
    if let Some(entry) = fields.get("to_port")
        && to_port < from_port
    {
        let mistake = Mistake::new(format!("to_port {to_port} is below from_port {from_port}"));
        entry.refuse(mistake.hint(format!("write {from_port} or more")));
        return None;
    }
    Some(IngressRule {
        protocol: protocol?,
        from_port,
        to_port,
        cidr: cidr?,
        source_security_group: source?,
    })
}

fn port(entry: &Entry<'_>) -> Option<u16> {
    entry.read(|port| {
        let port = scalar::count(port, &PORT)?;
        u16::try_from(port).map_err(|_| PORT.outside(port))
    })
}

fn networks(entry: &Entry<'_>) -> Option<Vec<IpNet>> {
    let items = entry.items();
    let networks: Vec<_> = items.iter().map(|item| item.read(network)).collect();
    networks.into_iter().collect()
}

/// One that a client's address can be in: a mapped address counts as the IPv4 one that it is.
fn network(value: &Value) -> Result<IpNet, Mistake> {
    let network = scalar::network(value)?;
    let IpNet::V6(v6) = network else {
        return Ok(network);
    };
    let Some(v4) = v6.addr().to_ipv4_mapped() else {
        return Ok(network);
    };
    match v6.prefix_len().checked_sub(MAPPED_PREFIX) {
        Some(prefix) => {
            let written = quoted(&network.to_string());
            let mistake = Mistake::new(format!("{written} is IPv4, mapped into IPv6"));
            Err(mistake.hint(format!("write {v4}/{prefix}")))
        }
        None => Ok(network),
    }
}
