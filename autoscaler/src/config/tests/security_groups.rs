//! Security groups in the file: what they come to, and each way of being wrong.

use super::*;

const RIGHT: &str = "\
version: 1
launch_templates: { t: { image: nginx, process: { command: [x] }, port: 80, security_groups: [web] } }
target_groups: { g: {} }
load_balancers:
  l: { security_groups: [edge, web], listeners: [ { port: 80, default_action: { forward: g } }, { port: 81, default_action: { forward: g } } ] }
security_groups:
  edge:
    description: Clients
    ingress:
      - { from_port: 80, cidr: 10.0.0.0/8 }
      - { protocol: tcp, from_port: 1, to_port: 9, cidr: [\"::1\", 0.0.0.0/0] }
  web: { ingress: [ { from_port: 0, to_port: 65535, source_security_group: edge } ] }
";

#[test]
fn groups_come_to_who_may_reach_each_listener() {
    let config = parse(RIGHT).unwrap();
    assert_eq!(config.launch_templates["t"].security_groups, ["web"]);
    let edge = &config.security_groups["edge"];
    assert_eq!((&*edge.group_name, &*edge.description), ("edge", "Clients"));
    let balancer = &config.load_balancers["l"];
    assert_eq!(balancer.security_groups, ["edge", "web"]);
    for listener in &balancer.listeners {
        let permissions = listener.attributes.ip_permissions.as_ref().unwrap();
        let told: Vec<_> = permissions
            .iter()
            .map(|it| format!("{}-{} {:?}", it.from_port, it.to_port, it.ip_ranges))
            .collect();
        let expected = [
            "80-80 [10.0.0.0/8]",
            "1-9 [::1/128, 0.0.0.0/0]",
            "0-65535 []",
        ];
        assert_eq!(told, expected);
    }
}

#[test]
fn without_groups_everybody_is_let_in() {
    let open = RIGHT.replace("security_groups: [edge, web], ", "");
    let config = parse(&open).unwrap();
    let listener = &config.load_balancers["l"].listeners[0];
    assert_eq!(listener.attributes.ip_permissions, None);
    let empty = RIGHT.replace("[edge, web]", "[nobody]") + "  nobody: {}\n";
    let config = parse(&empty).unwrap();
    let listener = &config.load_balancers["l"].listeners[0];
    assert_eq!(listener.attributes.ip_permissions, Some(Vec::new()));
}

#[test]
fn what_is_not_enforced_is_told() {
    let config = parse(RIGHT).unwrap();
    let warnings = |config: &Config, provider| -> Vec<String> {
        let warnings = config.warnings(provider, None, jiff::Timestamp::UNIX_EPOCH);
        warnings.iter().map(ToString::to_string).collect()
    };
    let told = |provider| warnings(&config, provider);
    let [process, docker, members] = &told(None)[..] else {
        panic!("{:#?}", told(None));
    };
    assert!(process.contains("launch_templates.t.security_groups: child processes"));
    assert!(
        docker.contains("ports and cidr are not enforced"),
        "{docker}"
    );
    assert!(members.starts_with("load_balancers.l.security_groups"));
    assert_eq!(told(Some(ProviderKind::Process)).len(), 2);
    assert_eq!(warnings(&Config::example(), None), Vec::<String>::new());
}

#[test]
fn each_mistake_says_where_what_and_what_to_do() {
    let long = "x".repeat(256);
    let many = "{ from_port: 80, cidr: 10.0.0.0/8 }, ".repeat(61);
    let too_long = format!("\"{long}\"");
    for (old, new, expected) in [
        (
            "cidr: 10.0.0.0/8",
            "cidr: 10.0.0.1/8",
            "security_groups.edge.ingress[0].cidr: `10.0.0.1/8` is an address with bits beyond its prefix",
        ),
        (
            "cidr: 10.0.0.0/8",
            "cidr: anywhere",
            "`anywhere` is not a network",
        ),
        (
            "cidr: 10.0.0.0/8",
            "cidr: \"::ffff:10.0.0.0/104\"",
            "is IPv4, mapped into IPv6; write 10.0.0.0/8",
        ),
        (
            ", cidr: 10.0.0.0/8",
            "",
            "ingress[0]: the rule lets nobody in; add cidr: 0.0.0.0/0",
        ),
        (
            "from_port: 80, ",
            "",
            "ingress[0]: from_port is missing; add from_port: 8080",
        ),
        (
            "from_port: 80, ",
            "port: 80, ",
            "ingress[0].port: unknown key; write from_port and to_port",
        ),
        (
            "from_port: 80,",
            "from_port: 65536,",
            "`65536` is out of range; write 0 to 65535",
        ),
        (
            "to_port: 9",
            "to_port: 0",
            "ingress[1].to_port: to_port 0 is below from_port 1; write 1 or more",
        ),
        ("protocol: tcp", "protocol: udp", "unknown value `udp`"),
        (
            "source_security_group: edge",
            "source_security_group: edgy",
            "there is no security group `edgy`; did you mean edge?",
        ),
        (
            "security_groups: [web]",
            "security_groups: [wed]",
            "launch_templates.t.security_groups[0]: there is no security group `wed`; did you mean web?",
        ),
        (
            "[edge, web]",
            "[]",
            "load_balancers.l.security_groups: no security group; name one, or remove the key",
        ),
        ("[edge, web]", "[web, web]", "`web` is listed twice"),
        (
            "[edge, web]",
            "[edge, web, a, b, c, d]",
            "there is no security group `a`",
        ),
        (
            "  edge:\n",
            "  sg-edge:\n",
            "`sg-edge` is not a security group's name",
        ),
        (
            "  edge:\n",
            "  edge|:\n",
            "`edge|` is not a security group's name",
        ),
        (
            "description: Clients",
            &format!("description: {long}"),
            "too long",
        ),
        (
            "  edge:\n",
            &format!("  {too_long}:\n"),
            "is not a security group's name",
        ),
        (
            "    ingress:\n",
            "    egress: []\n    ingress:\n",
            "what instances ask for is not restricted",
        ),
        (
            "ingress: [ {",
            &format!("ingress: [ {many} {{"),
            "62 rules are too many; write up to 60",
        ),
    ] {
        assert!(RIGHT.contains(old), "{old}");
        let faults = parse(&RIGHT.replacen(old, new, 1)).unwrap_err().to_string();
        assert!(faults.contains(expected), "{new}: {faults}");
    }
}

#[test]
fn six_groups_are_too_many() {
    let more = "  a: {}\n  b: {}\n  c: {}\n  d: {}\n";
    let faults = parse(&(RIGHT.replace("[edge, web]", "[edge, web, a, b, c, d]") + more));
    let faults = faults.unwrap_err().to_string();
    assert!(
        faults.contains("6 security groups are too many; name up to 5"),
        "{faults}"
    );
}
