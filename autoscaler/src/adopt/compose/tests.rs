//! A file of mistakes with its messages is in `tests/mistakes.yaml` and `tests/mistakes.txt`.

use proptest::prelude::*;

use super::*;
use crate::adopt::Standing;

const MISTAKES: &str = include_str!("tests/mistakes.yaml");

fn valid(file: &str) -> ComposeVerdict {
    validate_compose(file.as_bytes(), "My Shop").unwrap_or_else(|faults| panic!("{faults}"))
}

fn notes(verdict: &ComposeVerdict) -> Vec<String> {
    verdict.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn every_mistake_has_its_place() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/adopt/compose/tests/mistakes.txt"
    );
    let faults = validate_compose(MISTAKES.as_bytes(), "folder").unwrap_err();
    let found = faults.in_file("compose.yaml").to_string() + "\n";
    if std::env::var_os("MINICLOUD_BLESS").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(path).unwrap());
}

#[test]
fn services_that_ask_are_adopted() {
    let verdict = valid(
        "services:
  api:
    image: myapp
    labels: { minicloud.enable: true, minicloud.max: 3, minicloud.network: shared }
    expose: [8080]
    cpus: 0.5
    networks: [front, back]
  db: { image: postgres, ports: [\"5432:5432\"], volumes: [\"db:/data\"] }
  off: { image: x, labels: [minicloud.enable=false] }
networks: { back: { name: shared } }
",
    );
    assert_eq!(notes(&verdict), [""; 0]);
    let [api] = &verdict.services[..] else {
        panic!("{verdict:?}");
    };
    assert_eq!(api.standing, Standing::Accepted);
    assert_eq!(api.name, "myshop-api");
}

#[test]
fn networks_go_by_the_names_of_file_and_engine() {
    let network = |label: &str| {
        let file = format!(
            "services:
  api:
    labels: {{ minicloud.enable: true, minicloud.port: 80, minicloud.network: {label} }}
    networks: [own, named, ext, old]
networks:
  named: {{ name: shared }}
  ext: {{ external: true }}
  old: {{ external: {{ name: ancient }} }}
"
        );
        let verdict = validate_compose(file.as_bytes(), "shop").ok()?;
        verdict.services[0].network.clone()
    };
    for (label, expected) in [
        ("own", Some("shop_own")),
        ("shop_own", Some("shop_own")),
        ("shared", Some("shared")),
        ("ext", Some("ext")),
        ("ancient", Some("ancient")),
        ("default", None),
    ] {
        assert_eq!(network(label).as_deref(), expected, "{label}");
    }
}

#[test]
fn what_the_environment_decides_is_named_and_not_judged() {
    let verdict = valid(
        "services:
  api:
    labels:
      minicloud.enable: \"true\"
      minicloud.min: \"3\"
      minicloud.max: ${MAX}
      minicloud.health.timeout: 9s
      minicloud.health.interval: \"${EVERY:-10s}\"
    ports: [\"${PORT}:80\"]
    volumes: [\"${DIR}:/srv\"]
    extends: { service: base }
    cpus: 1
",
    );
    let expected = [
        "3:3: service api: not judged: whether the image exposes one port; minicloud.port says which",
        "6:22: service api: not judged: label minicloud.max, which cannot be known from this file alone",
        "9:13: service api: not judged: a port, which cannot be known from this file alone",
        "10:15: service api: not judged: a volume, which cannot be known from this file alone",
        "11:5: service api: not judged: what comes by extends",
    ];
    let found = notes(&verdict);
    // The service's own place is that of its name.
    assert_eq!(found[1..], expected[1..]);
    assert_eq!(
        found[0].split_once(": ").unwrap().1,
        expected[0].split_once(": ").unwrap().1
    );
}

#[test]
fn no_fault_is_made_of_what_is_not_judged() {
    let verdict = valid(
        "services:
  api:
    labels:
      minicloud.enable: \"true\"
      minicloud.port: \"80\"
      minicloud.max: ${MAX}
      minicloud.allow: ${ALLOW}
      minicloud.path: ${API_PATH}
    scale: 4
    volumes: [\"db:/db\"]
    network_mode: ${MODE}
    cpus: 1
  other:
    labels: { minicloud.enable: true, minicloud.port: 80, minicloud.host: api.localhost }
    network_mode: bridge
    cpus: 1
  maybe:
    labels: [ \"minicloud.enable=${SCALE}\" ]
",
    );
    let found = notes(&verdict);
    assert_eq!(found.len(), 6, "{found:?}");
    assert_eq!(verdict.services.len(), 2);
    assert_eq!(verdict.services[1].network.as_deref(), Some("bridge"));
}

#[test]
fn compose_files_are_told_from_ours() {
    for (file, is_compose) in [
        ("services: {}", true),
        ("version: \"3.8\"\nservices: { a: { image: x } }", true),
        ("version: 3.8\nservices: {}", true),
        ("version: 1\nservices: {}", false),
        ("version: 1\nauto_scaling_groups: {}", false),
        ("a: [", false),
        ("- services", false),
        ("", false),
    ] {
        assert_eq!(is_compose_file(file.as_bytes()), is_compose, "{file}");
    }
    assert!(!is_compose_file(config::EXAMPLE.as_bytes()));
    let own = include_bytes!("../../../../docker-compose.yml");
    assert!(is_compose_file(own));
    assert_eq!(validate_compose(own, "minicloud").unwrap().services, []);
}

proptest! {
    #[test]
    fn any_file_gets_an_answer(
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..12usize, "[ -~\n]{0,8}|\\$\\{|\\{|\\[|: |- |-1|~|é"),
            1..6,
        ),
    ) {
        let mut bytes = MISTAKES.as_bytes().to_vec();
        for (at, removed, inserted) in edits {
            let start = at.index(bytes.len());
            let end = (start + removed).min(bytes.len());
            bytes.splice(start..end, inserted.into_bytes());
            bytes.push(b'\n');
        }
        if let Err(faults) = validate_compose(&bytes, "x") {
            for fault in &faults {
                prop_assert!(fault.line > 0 && fault.column > 0);
                let shown = fault.to_string();
                prop_assert!(shown.len() < 2000 && !shown.contains(char::is_control), "{shown:?}");
            }
        }
    }
}
