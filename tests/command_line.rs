//! The command line as a person and a script use it, against a running minicloud.

use std::time::Duration;

use crate::support::up::Up;

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn names_logs_and_a_flood_are_fit_for_scripts() {
    let up = Up::start().await;
    up.api.until_settled(1, SOON).await;
    let (code, names, _) = up.api.run(&["instances", "web", "-o", "name"]).await;
    let id = names.trim_end();
    assert!(
        code == 0 && id.starts_with("i-") && !id.contains(['\n', ' ']),
        "{names}"
    );

    // Of one instance as it wrote it, of a group with the instance before each line.
    let (code, log, _) = up.api.run(&["logs", id, "--tail", "1"]).await;
    assert!(code == 0 && log.contains("listens on"), "{log}");
    let (code, logs, _) = up.api.run(&["logs", "web", "--tail", "1"]).await;
    assert_eq!((code, logs), (0, format!("{id}  {log}")));
    let (code, _, told) = up.api.run(&["logs", "nope"]).await;
    assert_eq!(code, 3, "{told}");
    assert!(
        told.contains("  where: ") && told.contains("  to do: "),
        "{told}"
    );

    let flood = ["demo", "flood", "web", "--for", "1s", "--rate", "20"];
    let (code, summary, told) = up.api.run(&flood).await;
    assert_eq!(code, 0, "{told}");
    assert!(summary.contains(" answered, 0 errors; p50 "), "{summary}");
    up.interrupt().await;
}
