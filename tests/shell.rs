//! A shell in an instance, for whoever has the key that it was launched with.

use std::{process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt, time::timeout};

use crate::support::{
    api::Api,
    child::{Minicloud, end_marked},
    example_config, free_port,
    machine::Machine,
    write,
};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn key_opens_a_shell_into_the_instances_launched_with_it() {
    let _machine = Machine::shared().await;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (config, state, key, other) = (path("c.yaml"), path("state"), path("key"), path("other"));
    let named = example_config(free_port()).replace("hello } }", "hello }, key_name: ops }");
    assert!(named.contains("key_name: ops"), "the example has changed");
    write(config.as_ref(), &named);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (api, listen) = (Api(address), address.to_string());
    let up = [
        "up",
        "--config",
        &config,
        "--state-dir",
        &state,
        "--api",
        &listen,
    ];
    let _minicloud = Minicloud::spawn(&up, &dir.path().join("up.log"));
    let _end = End(&state);

    crate::support::wait::until("the API answers", SOON, || api.get("/v1/status")).await;
    // The group waits for the key pair that its template names.
    let made = api
        .run(&["key-pair", "create", "ops", "--key-file", &key])
        .await;
    assert_eq!(made.0, 0, "{made:?}");
    let taken = api
        .run(&["key-pair", "create", "other", "--key-file", &key])
        .await;
    assert_eq!(taken.0, 73, "{taken:?}");
    let made = api
        .run(&["key-pair", "create", "other", "--key-file", &other])
        .await;
    assert_eq!(made.0, 0, "{made:?}");
    let (_, listed, _) = api.run(&["key-pairs"]).await;
    assert!(
        listed.contains("ops") && listed.contains("SHA256:"),
        "{listed}"
    );
    let in_service = crate::support::wait::until("an instance", SOON, || async {
        let found = api.instances("InService").await?;
        found.first().cloned().ok_or_else(|| "none yet".to_owned())
    })
    .await;

    let mut ssh = api
        .command(&[
            "ssh",
            &in_service,
            "-i",
            &key,
            "--",
            "sh",
            "-c",
            "read x; echo got $x; exit 7",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    ssh.stdin
        .take()
        .unwrap()
        .write_all(b"hello\n")
        .await
        .unwrap();
    let said = timeout(SOON, ssh.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&said.stdout), "got hello\n", "{}", text(&said.stderr));
    assert_eq!(said.status.code(), Some(7));

    let wrong = api
        .run(&["ssh", &in_service, "-i", &other, "--", "true"])
        .await;
    assert_eq!(wrong.0, 125);
    assert!(wrong.2.contains("UnauthorizedOperation"), "{wrong:?}");
    // The instance keeps its key.
    assert_eq!(api.run(&["key-pair", "delete", "ops"]).await.0, 0);
    let still = api
        .run(&["ssh", &in_service, "-i", &key, "--", "echo", "in"])
        .await;
    assert_eq!((still.0, still.1.as_str()), (0, "in\n"), "{still:?}");
}

/// No process outlives the test.
struct End<'a>(&'a str);

impl Drop for End<'_> {
    fn drop(&mut self) {
        end_marked(self.0.as_ref());
    }
}
