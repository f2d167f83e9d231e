//! Who wants to know what a group does is told: by webhook, by schedule, by `explain`.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper::StatusCode;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::{example_config, up::Up, wait::until, write};

const SOON: Duration = Duration::from_secs(60);
/// A cron of every minute, and a launch.
const SCHEDULED: Duration = Duration::from_secs(150);

/// What a webhook got: head and body as text.
type Received = Arc<Mutex<Vec<String>>>;

/// Hangs on the first request, fails the second, takes all others.
async fn moody_webhook() -> (u16, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let received = Received::default();
    let log = Arc::clone(&received);
    tokio::spawn(async move {
        let mut hung = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read(&mut stream).await;
            let count = {
                let mut log = log.lock().unwrap();
                log.push(request);
                log.len()
            };
            let answer = match count {
                1 => {
                    hung.push(stream);
                    continue;
                }
                2 => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
                _ => "HTTP/1.1 204 No Content\r\n\r\n",
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (port, received)
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").and_then(|length| length.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            _ => return text,
        }
    }
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let lines = request.lines().take_while(|line| !line.is_empty());
    let mut headers = lines.filter_map(|line| line.split_once(": "));
    headers
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

async fn stdout(up: &Up, arguments: &[&str]) -> String {
    let output = up.api.command(arguments).output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_told_and_schedules_are_kept() {
    let up = Up::start().await;
    up.api.until_settled(1, SOON).await;
    let (port, received) = moody_webhook().await;
    let secret = up.dir.path().join("secret");
    write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    let notifications = format!(
        "max_size: 2\n    notifications: [ {{ endpoint: 'http://127.0.0.1:{port}/hook', secret_file: '{}' }} ]",
        secret.display()
    );
    let config = example_config(up.address.port()).replacen("max_size: 2", &notifications, 1);
    write(&up.dir.path().join("minicloud.yaml"), &config);

    until(
        "the test notification is taken at the third try",
        SOON,
        || async {
            let count = received.lock().unwrap().len();
            (count >= 3)
                .then_some(())
                .ok_or_else(|| format!("{count} requests"))
        },
    )
    .await;
    let requests = received.lock().unwrap().clone();
    let id = header(&requests[0], "webhook-id").unwrap();
    for request in &requests[..3] {
        assert!(request.starts_with("POST /hook HTTP/1.1"), "{request}");
        assert!(
            request.contains("\"Event\":\"autoscaling:TEST_NOTIFICATION\""),
            "{request}"
        );
        assert_eq!(header(request, "webhook-id"), Some(id));
        assert!(header(request, "webhook-timestamp").is_some());
        assert!(
            header(request, "webhook-signature")
                .unwrap()
                .starts_with("v1,")
        );
    }

    let following = ["events", "web", "-o", "json"];
    let mut command = up.api.command(&following);
    let mut events = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(events.stdout.take().unwrap()).lines();

    let put = [
        "put-scheduled-action",
        "web",
        "up",
        "--recurrence",
        "* * * * *",
        "--desired",
        "2",
    ];
    let shown = stdout(&up, &put).await;
    assert!(shown.contains("* * * * *"), "{shown}");
    up.api.until_settled(2, SCHEDULED).await;
    let activities = stdout(&up, &["activities", "web", "--max-records", "1"]).await;
    assert!(
        activities.contains("a scheduled action update"),
        "{activities}"
    );
    until("the launch is told", SOON, || async {
        let requests = received.lock().unwrap().clone();
        let told = requests
            .iter()
            .any(|r| r.contains("autoscaling:EC2_INSTANCE_LAUNCH\""));
        told.then_some(()).ok_or_else(|| format!("{requests:#?}"))
    })
    .await;
    let explained = stdout(&up, &["explain", "web"]).await;
    assert!(
        explained.contains("the next scheduled action is up at"),
        "{explained}"
    );
    stdout(&up, &["delete-scheduled-action", "web", "up"]).await;
    let left = stdout(&up, &["scheduled-actions", "web", "-o", "json"]).await;
    let left: serde_json::Value = serde_json::from_str(&left).unwrap();
    assert_eq!(
        left["scheduled_update_group_actions"],
        serde_json::json!([])
    );
    let (status, _) = up
        .api
        .patch("/v1/groups/web", "{\"desired_capacity\": 1}")
        .await;
    assert_eq!(status, StatusCode::OK);
    let told = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert!(event["id"].is_u64(), "{line}");
            if event["type"] == "capacity_changed" && event["desired_capacity"] == 1 {
                return;
            }
        }
        panic!("the events ended");
    };
    timeout(SOON, told).await.expect("the change is told");
    events.kill().await.unwrap();
    up.interrupt().await;
}
