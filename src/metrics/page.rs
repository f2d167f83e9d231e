//! docs/reference/metrics.md, written from what the parts declare.

use super::{
    catalogue::{Part, families},
    lint::bounds,
};

const HEAD: &str = include_str!("page.md");

const SECTIONS: [(Part, &str); 4] = [
    (Part::Autoscaler, "Autoscaler"),
    (Part::LoadBalancer, "Balancer"),
    (Part::Agent, "Agent"),
    (Part::Process, "Process"),
];

fn page() -> String {
    let mut page = HEAD.to_owned();
    let families = families();
    for (part, title) in SECTIONS {
        page.push_str(&format!(
            "\n## {title}\n\n| metric | type | labels | what |\n|---|---|---|---|\n"
        ));
        for family in families.iter().filter(|family| family.part == part) {
            let labels: Vec<_> = family
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect();
            page.push_str(&format!(
                "| `{}` | {} | {} | {} |\n",
                family.name,
                family.kind.as_str(),
                labels.join(", "),
                family.help
            ));
        }
    }
    page.push_str("\n## Labels\n\n| label | its values |\n|---|---|\n");
    for (label, bound) in bounds() {
        page.push_str(&format!("| `{label}` | {bound} |\n"));
    }
    page
}

#[test]
fn reference_of_metrics_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/metrics.md");
    if std::env::var_os("MINICLOUD_BLESS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/reference/metrics.md is out of date: MINICLOUD_BLESS=1 cargo test -p minicloud --bin minicloud metrics"
    );
}
