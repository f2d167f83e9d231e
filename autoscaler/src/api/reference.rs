//! docs/reference/openapi.json and api.md, written from the [`document`](super::document).

use std::{collections::BTreeSet, fmt::Write as _, fs};

use serde_json::{Value, json};

use super::document::document;

const HEAD: &str = "\
# The control API

<!-- Written from the handlers in autoscaler/src/api. After a change of them:
     MINICLOUD_BLESS=1 cargo test -p minicloud-autoscaler --lib -- api::reference -->

JSON over HTTP, in AWS's words and snake_case, at <http://127.0.0.1:8090>. [openapi.json](openapi.json)
has every type (OpenAPI 3.1); a running minicloud serves it at `/v1/openapi.json`, and `minicloud openapi`
prints it. What a verb prints with `-o json` is what the API answered.

- A body is one JSON object sent as `application/json`, or a configuration file sent as
  `application/yaml`. A member that is not described is refused.
- Whatever is refused answers `{\"error\": {\"code\", \"message\"}}` and has changed nothing.
- Where the API listens on more than this machine, it wants `Authorization: Bearer TOKEN`.
";

fn page(document: &Value) -> String {
    let mut page = HEAD.to_owned();
    let tags: BTreeSet<_> = operations(document).map(|(_, _, it)| tag(it)).collect();
    for tag in tags {
        page += &format!("\n## {tag}\n\n| | takes | answers | |\n|---|---|---|---|\n");
        let of_tag = operations(document).filter(|(_, _, it)| self::tag(it) == tag);
        for (path, method, operation) in of_tag {
            let row = writeln!(
                page,
                "| `{} {path}{}` | {} | {} | {} |",
                method.to_uppercase(),
                query(operation),
                body(&operation["requestBody"]),
                answer(&operation["responses"]),
                operation["summary"].as_str().unwrap_or_default(),
            );
            row.unwrap();
        }
    }
    page
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap();
        item.iter()
            .map(move |(method, it)| (path.as_str(), method.as_str(), it))
    })
}

fn tag(operation: &Value) -> &str {
    operation["tags"][0].as_str().unwrap()
}

fn query(operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let names = parameters
        .filter(|parameter| parameter["in"] == "query")
        .map(|parameter| format!("{}=", parameter["name"].as_str().unwrap()));
    match names.collect::<Vec<_>>() {
        names if names.is_empty() => String::new(),
        names => format!("?{}", names.join("&")),
    }
}

fn answer(responses: &Value) -> String {
    let mut responses = responses.as_object().unwrap().iter();
    let (status, answer) = responses.find(|(status, _)| *status != "default").unwrap();
    match (status.as_str(), body(answer)) {
        ("200", body) => body,
        (status, body) => format!("{status} {body}").trim_end().to_owned(),
    }
}

fn body(of: &Value) -> String {
    let content = of["content"].as_object().into_iter().flatten();
    let bodies = content.map(|(kind, content)| {
        let name = content["schema"]["$ref"].as_str();
        let name = name.and_then(|name| name.rsplit('/').next());
        match (kind.as_str(), name) {
            ("application/json", Some(name)) => format!("`{name}`"),
            ("application/json", None) => "an object".to_owned(),
            (kind, Some(name)) => format!("`{name}`s, `{kind}`"),
            (kind, None) => format!("`{kind}`"),
        }
    });
    bodies.collect::<Vec<_>>().join(", ")
}

#[test]
fn reference_pages_are_current() {
    let document = document();
    let json = document.to_pretty_json().unwrap() + "\n";
    let page = page(&serde_json::to_value(&document).unwrap());
    for (name, text) in [("openapi.json", json), ("api.md", page)] {
        let path = format!("{}/../docs/reference/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("MINICLOUD_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "docs/reference/{name} is out of date: MINICLOUD_BLESS=1 cargo test -p minicloud-autoscaler --lib -- api::reference"
        );
    }
}

#[test]
fn operations_have_names_of_their_own_and_a_summary() {
    let document = serde_json::to_value(document()).unwrap();
    let mut seen = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(
            seen.insert(name.to_owned()),
            "{name} twice: {method} {path}"
        );
        assert!(operation["summary"].is_string(), "{method} {path}");
    }
}

#[test]
fn references_lead_somewhere() {
    fn check(document: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    let pointer = to.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{to}");
                }
                members.values().for_each(|value| check(document, value));
            }
            Value::Array(items) => items.iter().for_each(|value| check(document, value)),
            _ => {}
        }
    }
    let document = serde_json::to_value(document()).unwrap();
    assert_ne!(document["components"]["schemas"], json!({}));
    check(&document, &document);
}

/// Routes come with their description, except where they are given as bare paths.
#[test]
fn routes_without_description_are_the_balancers() {
    let router = include_str!("mod.rs");
    let bare = router.match_indices(".route(").map(|(at, _)| &router[at..]);
    let bare: Vec<_> = bare.map(|call| call.split('"').nth(1).unwrap()).collect();
    assert_eq!(bare, ["/internal/v1/report", "/internal/v1/snapshot"]);
}
