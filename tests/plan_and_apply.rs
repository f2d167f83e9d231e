//! Plan before act, as a person at the command line and a script use it.

use std::{process::Output, time::Duration};

use tokio::process::Command;

use crate::support::{MINICLOUD, http, up::Up, wait::until, write};

const SOON: Duration = Duration::from_secs(60);

async fn minicloud(up: &Up, arguments: &[&str]) -> Output {
    let host = format!("http://{}", up.api.0);
    let command = Command::new(MINICLOUD)
        .args(arguments)
        .args(["--host", &host])
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(SOON, command).await;
    ended.expect("it ends by itself").unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn config(up: &Up) -> String {
    std::fs::read_to_string(up.dir.path().join("minicloud.yaml")).unwrap()
}

fn other_file(up: &Up, text: &str) -> String {
    let path = up.dir.path().join("next.yaml");
    write(&path, text);
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn file_is_planned_reviewed_and_applied() {
    let up = Up::start().await;
    let before = up.api.until_settled(1, SOON).await;
    let own = up.dir.path().join("minicloud.yaml");
    let own = own.to_str().unwrap();
    let same = minicloud(&up, &["plan", "-f", own, "--detailed-exitcode"]).await;
    assert_eq!(same.status.code(), Some(0), "{}", text(&same.stderr));
    assert!(text(&same.stdout).starts_with("No changes"));

    let next = config(&up).replace("desired_capacity: 1", "desired_capacity: 2");
    let next = other_file(&up, &next);
    let planned = minicloud(&up, &["plan", "-f", &next, "--detailed-exitcode"]).await;
    assert_eq!(planned.status.code(), Some(2), "{}", text(&planned.stderr));
    let told = text(&planned.stdout);
    assert!(told.contains("~ desired_capacity: 1 -> 2"), "{told}");
    assert!(told.contains("Instances: 1 launched at once"), "{told}");

    let refused = minicloud(&up, &["apply", "-f", &next]).await;
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused.stderr);
    assert!(told.contains("no terminal to ask at"), "{told}");
    assert_eq!(up.api.until_settled(1, SOON).await, before);

    let done = minicloud(&up, &["apply", "-f", &next, "--yes"]).await;
    assert!(done.status.success(), "{}", text(&done.stderr));
    let after = up.api.until_settled(2, SOON).await;
    assert!(after.contains(&before[0]), "{after:?} without {before:?}");
    let status = text(&minicloud(&up, &["status"]).await.stdout);
    assert!(status.contains("in force: what was applied at"), "{status}");
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_shown_with_their_lines() {
    let up = Up::start().await;
    up.api.until_settled(1, SOON).await;
    let next = config(&up).replace("min_size", "min_siz");
    let next = other_file(&up, &next);
    for verb in [&["plan", "-f", &next][..], &["apply", "-y", "-f", &next]] {
        let refused = minicloud(&up, verb).await;
        assert_eq!(refused.status.code(), Some(78));
        let told = text(&refused.stderr);
        assert!(told.contains("next.yaml:14:"), "{told}");
        assert!(told.contains("did you mean min_size?"), "{told}");
        assert!(told.contains(" | "), "with the line: {told}");
    }
    let missing = minicloud(&up, &["plan", "-f", "/nowhere.yaml"]).await;
    assert_eq!(missing.status.code(), Some(78), "{}", text(&missing.stderr));
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn applied_security_group_shuts_the_listener() {
    let up = Up::start().await;
    up.api.until_settled(1, SOON).await;
    http::get(up.address, "/").await.unwrap();
    let groups = "security_groups:\n  office: { ingress: [ { from_port: 1, to_port: 65535, cidr: 192.0.2.0/24 } ] }\n";
    let guarded = config(&up).replace(
        "exercise-lb: {",
        "exercise-lb: { security_groups: [office],",
    );
    let next = guarded + groups;
    let next = other_file(&up, &next);
    let done = minicloud(&up, &["apply", "-y", "-f", &next]).await;
    assert!(done.status.success(), "{}", text(&done.stderr));
    until("the listener is shut", SOON, || async {
        match http::get(up.address, "/").await {
            Err(_) => Ok(()),
            Ok(answer) => Err(answer.text()),
        }
    })
    .await;
    let metrics = http::get(up.api.0, "/metrics").await.unwrap().text();
    assert!(
        metrics.contains("minicloud_lb_connections_refused_by_security_group_total"),
        "{metrics}"
    );
    let listed = text(&minicloud(&up, &["security-groups"]).await.stdout);
    assert!(
        listed.contains("office") && listed.contains("192.0.2.0/24"),
        "{listed}"
    );
    up.interrupt().await;
}
