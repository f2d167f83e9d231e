//! Bad input gets a clear error - what, where, what to do - and loses nothing.

use std::{net::TcpListener, path::Path, process::Output, time::Duration};

use hyper::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{
    MINICLOUD, child::Minicloud, example_config, free_port, http, up::Up, wait::until, write,
};

const SOON: Duration = Duration::from_secs(60);
const CONFIG_INVALID: i32 = 78;

async fn minicloud(arguments: &[&str]) -> Output {
    let command = Command::new(MINICLOUD)
        .args(arguments)
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(SOON, command)
        .await
        .expect("it ends by itself")
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `up` with a state folder and ports of its own.
async fn up(config: &Path, dir: &TempDir, more: &[&str]) -> Output {
    let (state, api) = (
        dir.path().join("state"),
        format!("127.0.0.1:{}", free_port()),
    );
    let mut arguments = vec!["up", "--config", config.to_str().unwrap(), "--api", &api];
    arguments.extend(["--state-dir", state.to_str().unwrap()]);
    arguments.extend(more);
    minicloud(&arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_refused_with_every_fault_and_its_place() {
    let example = example_config(free_port());
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        (
            "unknown key",
            example.replace("min_size", "min_siz").into(),
            &[":14:", "min_size"],
        ),
        (
            "wrong type",
            example.replace("max_size: 2", "max_size: two").into(),
            &["max_size"],
        ),
        (
            "missing unit",
            example
                .replace(
                    "health_check_grace_period: 30s",
                    "health_check_grace_period: 30",
                )
                .into(),
            &["30s"],
        ),
        (
            "min > max",
            example.replace("min_size: 1", "min_size: 5").into(),
            &["min_size 5 is above max_size 2"],
        ),
        (
            "desired out of range",
            example
                .replace("desired_capacity: 1", "desired_capacity: 7")
                .into(),
            &["desired_capacity 7"],
        ),
        (
            "unknown reference",
            example.replace("forward: web", "forward: wbe").into(),
            &["wbe", "web"],
        ),
        (
            "two at once",
            example
                .replace("max_size: 2", "max_size: two")
                .replace("path: /health", "path: health")
                .into(),
            &["max_size", "path"],
        ),
        ("empty", Vec::new(), &["empty"]),
        (
            "not UTF-8",
            b"version: 1\npace: \xff\n".to_vec(),
            &[":2:7", "UTF-8"],
        ),
        ("10 MB", vec![b'#'; 10 * 1024 * 1024], &["1 MiB"]),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (case, content, expected) in cases {
        let config = dir.path().join("minicloud.yaml");
        std::fs::write(&config, content).unwrap();
        for output in [
            up(&config, &dir, &[]).await,
            minicloud(&["validate", config.to_str().unwrap()]).await,
        ] {
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(CONFIG_INVALID), "{case}: {text}");
            for part in expected {
                assert!(text.contains(part), "{case}: no {part:?} in\n{text}");
            }
        }
        assert!(
            !dir.path().join("state").join("minicloud.db").exists(),
            "{case}: something was started"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_compose_file_are_validated() {
    let dir = tempfile::tempdir().unwrap();
    let compose = dir.path().join("compose.yaml");
    let path = compose.to_str().unwrap();
    let validated = async |services: &str| {
        write(&compose, services);
        let output = minicloud(&["validate", path]).await;
        (output.status.code(), stderr(&output))
    };
    let (code, text) = validated(
        "services:
  api:
    labels:
      minicloud.enable: \"true\"
      minicloud.targer-cpu: 80
    expose: [80]
    ports: [\"8080:80\"]
",
    )
    .await;
    assert_eq!(code, Some(CONFIG_INVALID), "{text}");
    for expected in [
        "compose.yaml:5:7: service api: label minicloud.targer-cpu: unknown; did you mean minicloud.target-cpu?",
        "compose.yaml:7:13: service api: ports: port 8080 of the host is published",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    let (code, text) =
        validated("services: { api: { labels: [minicloud.enable=true], expose: [80], cpus: 1 } }")
            .await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("is valid; to be adopted: api"), "{text}");
    let (code, text) = validated("services: { db: { image: postgres } }").await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("no service asks to be adopted"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn file_made_bad_while_running_changes_nothing_and_shows() {
    let up = Up::start().await;
    let before = up.api.until_settled(1, SOON).await;
    let config = up.dir.path().join("minicloud.yaml");
    let good = std::fs::read_to_string(&config).unwrap();
    write(&config, &good.replace("max_size: 2", "max_size: two"));
    until("the fault in status", SOON, || async {
        let (_, status, _) = up.api.run(&["status"]).await;
        if status.contains("max_size") {
            Ok(())
        } else {
            Err(status)
        }
    })
    .await;
    let metrics = http::get(up.api.0, "/metrics").await.unwrap().text();
    assert!(
        metrics.contains("minicloud_config_last_reload_successful 0"),
        "{metrics}"
    );
    assert_eq!(up.api.until_settled(1, SOON).await, before);
    write(&config, &good.replace("max_size: 2", "max_size: 3"));
    until("the mended file in force", SOON, || async {
        let group = up.api.get("/v1/groups/web").await?;
        if group["max_size"] == 3 {
            Ok(())
        } else {
            Err(group.to_string())
        }
    })
    .await;
    up.interrupt().await;
}

/// A balancer's file: a rule that answers `/here` with `text`, 404 to all else.
fn ruled(port: u16, rule: &str) -> String {
    format!(
        "version: 1\nload_balancers:\n  lb:\n    listeners:\n      - port: {port}\n        rules:\n          - priority: 1\n            conditions: [ {rule} ]\n            action: {{ fixed_response: {{ status_code: 200 }} }}\n        default_action: {{ fixed_response: {{ status_code: 404 }} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_rules_are_told_and_those_in_force_stay() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("lb.yaml");
    let (port, admin) = (free_port(), format!("127.0.0.1:{}", free_port()));
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let path = config.to_str().unwrap();
    let validated = async |rule: &str| {
        write(&config, &ruled(port, rule));
        minicloud(&["validate", path]).await
    };
    for (rule, expected) in [
        ("path: /here", "write path_pattern"),
        (
            "path_pattern: { regex_values: '/(here' }",
            "not a regular expression",
        ),
        ("source_ip: 10.0.0.0/33", "`10.0.0.0/33` is not a network"),
    ] {
        let output = validated(rule).await;
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(CONFIG_INVALID), "{text}");
        let place = format!("{path}:8:");
        assert!(
            text.contains(&place) && text.contains(expected),
            "{rule}: {text}"
        );
    }
    assert!(validated("path_pattern: /here").await.status.success());

    let arguments = ["lb", "--config", path, "--admin", &admin];
    let mut lb = Minicloud::spawn(&arguments, &dir.path().join("lb.log"));
    let status = |path: &'static str| async move {
        let answer = http::get(address, path).await?;
        Ok::<_, String>(answer.status.as_u16())
    };
    let serves = |path: &'static str| async move {
        match status(path).await? {
            200 => Ok(()),
            other => Err(other.to_string()),
        }
    };
    until("the rule is in force", SOON, || serves("/here")).await;
    write(
        &config,
        &ruled(port, "path_pattern: { regex_values: '/(there' }"),
    );
    until("the fault in the log", SOON, || async {
        match lb.log().contains("not a regular expression") {
            true => Ok(()),
            false => Err(lb.log()),
        }
    })
    .await;
    assert_eq!(status("/here").await, Ok(200));
    assert_eq!(status("/there").await, Ok(404));
    write(
        &config,
        &ruled(port, "path_pattern: { regex_values: '/(there)' }"),
    );
    until("the mended rule in force", SOON, || serves("/there")).await;
    assert_eq!(status("/here").await, Ok(404));
    lb.signal(rustix::process::Signal::TERM);
    assert!(lb.exited(SOON).await.success(), "{}", lb.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_to_the_api_change_nothing() {
    let up = Up::start().await;
    up.api.until_settled(1, SOON).await;
    let before = up.api.get("/v1/groups/web").await.unwrap();
    for (body, status, code) in [
        ("{", StatusCode::BAD_REQUEST, "MalformedJson"),
        (
            "{\"min_siz\": 1}",
            StatusCode::BAD_REQUEST,
            "ValidationError",
        ),
        (
            "{\"min_size\": \"one\"}",
            StatusCode::BAD_REQUEST,
            "ValidationError",
        ),
        (
            "{\"min_size\": -1}",
            StatusCode::BAD_REQUEST,
            "ValidationError",
        ),
        (
            "{\"desired_capacity\": 9}",
            StatusCode::BAD_REQUEST,
            "ValidationError",
        ),
        (
            "{\"min_size\": 3}",
            StatusCode::BAD_REQUEST,
            "ValidationError",
        ),
        (
            "{\"max_size\": 4000000000}",
            StatusCode::BAD_REQUEST,
            "ValidationError",
        ),
    ] {
        let (got, fault) = up.api.patch("/v1/groups/web", body).await;
        assert_eq!(
            (got, &fault["error"]["code"]),
            (status, &Value::from(code)),
            "{body}: {fault}"
        );
        assert!(
            fault["error"]["message"]
                .as_str()
                .is_some_and(|message| message.len() > 10),
            "{fault}"
        );
    }
    let (status, fault) = up.api.patch("/v1/groups/nope", "{\"min_size\": 1}").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(
        fault["error"]["message"].as_str().unwrap().contains("web"),
        "{fault}"
    );
    for path in [
        "/v1/groups/nope",
        "/v1/target-groups/nope/targets",
        "/v1/nothing",
        "/v1/groups/nope/decision",
    ] {
        let answer = http::get(up.api.0, path).await.unwrap();
        let fault: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(fault["error"]["code"].is_string(), "{path}: {fault}");
    }
    let after = up.api.get("/v1/groups/web").await.unwrap();
    for field in ["min_size", "max_size", "desired_capacity"] {
        assert_eq!(before[field], after[field]);
    }
    for (arguments, code) in [
        (vec!["scale", "nope", "--min", "1"], 3),
        (vec!["scale", "web", "--min", "9"], 1),
        (vec!["exec", "i-00000000", "--", "true"], 125),
        (vec!["status", "--host", "http://127.0.0.1:1"], 69),
    ] {
        let (got, _, error) = up.api.run(&arguments).await;
        assert_eq!(got, code, "{arguments:?}: {error}");
        assert!(!error.trim().is_empty(), "{arguments:?}");
    }
    let foreign = http::send(up.api.0, Method::DELETE, "/v1/groups/web", "")
        .await
        .unwrap();
    assert_eq!(foreign.status, StatusCode::METHOD_NOT_ALLOWED);
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_named_with_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("minicloud.yaml");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();

    write(&config, &example_config(port));
    let output = up(&config, &dir, &[]).await;
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains(&port.to_string()),
        "listener's port: {}",
        stderr(&output)
    );

    write(&config, &example_config(free_port()));
    let (state, api) = (dir.path().join("state"), format!("127.0.0.1:{port}"));
    let arguments = [
        "up",
        "--config",
        config.to_str().unwrap(),
        "--api",
        &api,
        "--state-dir",
        state.to_str().unwrap(),
    ];
    let output = minicloud(&arguments).await;
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains(&port.to_string()),
        "API's port: {}",
        stderr(&output)
    );

    write(&dir.path().join("file"), "");
    let state = dir.path().join("file").join("state");
    let output = minicloud(&[
        "up",
        "--config",
        config.to_str().unwrap(),
        "--state-dir",
        state.to_str().unwrap(),
    ])
    .await;
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("--state-dir"),
        "{}",
        stderr(&output)
    );

    let output = Command::new(MINICLOUD)
        .args([
            "up",
            "--provider",
            "docker",
            "--config",
            config.to_str().unwrap(),
        ])
        .args([
            "--state-dir",
            dir.path().join("docker").to_str().unwrap(),
            "--api",
            "127.0.0.1:0",
        ])
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
    assert!(
        stderr(&output).to_lowercase().contains("docker"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn second_minicloud_on_a_state_folder_is_refused() {
    let first = Up::start().await;
    first.api.until_settled(1, SOON).await;
    let config = first.dir.path().join("other.yaml");
    write(&config, &example_config(free_port()));
    let state = first.dir.path().join("state");
    let api = format!("127.0.0.1:{}", free_port());
    let arguments = [
        "up",
        "--config",
        config.to_str().unwrap(),
        "--api",
        &api,
        "--state-dir",
        state.to_str().unwrap(),
    ];
    let output = minicloud(&arguments).await;
    assert!(!output.status.success());
    let text = stderr(&output);
    assert!(
        text.contains("in use") && text.contains(&first.minicloud.pid().to_string()),
        "{text}"
    );
    assert_eq!(first.api.until_settled(1, SOON).await.len(), 1);
    first.interrupt().await;
}
