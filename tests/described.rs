//! What the control API answers is what its description says, and so is what `-o json` prints.

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{api::Api, http, up::Up};

/// The description that a minicloud serves, with no member allowed that it does not tell of.
struct Description(Value);

impl Description {
    async fn of(api: Api) -> Self {
        let mut document = api.get("/v1/openapi.json").await.unwrap();
        let shared = members_of_others(&document);
        let schemas = document["components"]["schemas"].as_object_mut().unwrap();
        for (name, schema) in schemas {
            // What is a part of another is closed by that other.
            if !shared.contains(name) {
                schema["unevaluatedProperties"] = json!(false);
            }
        }
        Self(document)
    }

    /// For the body that `method` on `path` answers with `status`.
    fn answer(&self, method: &str, path: &str, status: &str) -> Validator {
        let answer = &self.0["paths"][path][method]["responses"][status];
        let schema = &answer["content"]["application/json"]["schema"];
        assert!(
            schema.is_object(),
            "{method} {path} {status} is not described"
        );
        let schema = json!({
            "$ref": schema["$ref"],
            "components": self.0["components"],
        });
        jsonschema::draft202012::new(&schema).unwrap()
    }
}

/// Schemas that stand in an `allOf`.
fn members_of_others(document: &Value) -> Vec<String> {
    match document {
        Value::Object(members) => {
            let parts = members.get("allOf").and_then(Value::as_array);
            let own = parts.into_iter().flatten().filter_map(|part| {
                let name = part["$ref"].as_str()?.rsplit('/').next()?;
                Some(name.to_owned())
            });
            own.chain(members.values().flat_map(members_of_others))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(members_of_others).collect(),
        _ => Vec::new(),
    }
}

fn assert_fits(validator: &Validator, answer: &Value, what: &str) {
    let errors = validator.iter_errors(answer);
    let errors: Vec<_> = errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{answer:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_as_they_are_described() {
    let up = Up::start().await;
    let api = up.api;
    api.until_settled(1, BOOT).await;
    api.until_warm(BOOT).await;
    let description = Description::of(api).await;
    let action = [
        "put-scheduled-action",
        "web",
        "friday",
        "--recurrence",
        "0 22 * * FRI",
        "--min",
        "0",
    ];
    let (code, _, error) = api.run(&action).await;
    assert_eq!(code, 0, "{error}");

    let paths = description.0["paths"].as_object().unwrap();
    let read = paths.iter().filter(|(_, item)| {
        let body = &item["get"]["responses"]["200"]["content"];
        body["application/json"]["schema"]["$ref"].is_string()
    });
    let mut seen = 0;
    for (path, _) in read {
        let alarms = api.get("/v1/alarms").await.unwrap();
        let alarm = alarms["metric_alarms"][0]["alarm_name"].as_str().unwrap();
        let name = if path.starts_with("/v1/alarms") {
            alarm
        } else {
            "web"
        };
        let asked = path.replace("{name}", name).replace("{action}", "friday");
        let answer = api.get(&asked).await.unwrap();
        assert_fits(&description.answer("get", path, "200"), &answer, &asked);
        seen += 1;
    }
    assert!(seen > 20, "{seen}");

    let path = "/v1/groups/{name}";
    let mut more = api.get("/v1/groups/web").await.unwrap();
    more["instances"][0]["mood"] = json!("sunny");
    let group = description.answer("get", path, "200");
    assert!(
        !group.is_valid(&more),
        "a member that nothing describes passes"
    );
    let (_, answer) = api.patch("/v1/groups/web", r#"{"max_size": 3}"#).await;
    assert_fits(
        &description.answer("patch", path, "200"),
        &answer,
        "an update",
    );
    let (_, answer) = api.patch("/v1/groups/web", r#"{"size": 3}"#).await;
    assert_fits(
        &description.answer("patch", path, "default"),
        &answer,
        "a refusal",
    );
    let fault = http::get(api.0, "/v1/groups/nobody").await.unwrap();
    let fault = serde_json::from_slice(&fault.body).unwrap();
    assert_fits(
        &description.answer("get", path, "default"),
        &fault,
        "no such group",
    );
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_print_what_is_described() {
    let up = Up::start().await;
    let api = up.api;
    let id = api.until_settled(1, BOOT).await.remove(0);
    let description = Description::of(api).await;
    for (arguments, method, path) in [
        (&["status"][..], "get", "/v1/status"),
        (&["groups"], "get", "/v1/groups"),
        (&["instances", "web"], "get", "/v1/groups/{name}/instances"),
        (
            &["targets", "web"],
            "get",
            "/v1/target-groups/{name}/targets",
        ),
        (
            &["activities", "web"],
            "get",
            "/v1/groups/{name}/activities",
        ),
        (&["explain", "web"], "get", "/v1/groups/{name}/explain"),
        (&["launch-templates"], "get", "/v1/launch-templates"),
        (&["instance-types"], "get", "/v1/instance-types"),
        (&["key-pairs"], "get", "/v1/key-pairs"),
        (&["security-groups"], "get", "/v1/security-groups"),
        (&["alarms"], "get", "/v1/alarms"),
        (
            &["scale", "web", "--max", "3"],
            "patch",
            "/v1/groups/{name}",
        ),
        (
            &["protect", &id],
            "put",
            "/v1/groups/{name}/instances/protection",
        ),
        (&["terminate", &id], "post", "/v1/instances/{id}/terminate"),
    ] {
        let arguments = [arguments, &["-o", "json"]].concat();
        let (code, printed, error) = api.run(&arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {error}");
        let printed: Value = serde_json::from_str(&printed).unwrap();
        let what = format!("{arguments:?}");
        assert_fits(&description.answer(method, path, "200"), &printed, &what);
    }
    up.interrupt().await;
}

const BOOT: std::time::Duration = std::time::Duration::from_secs(90);
