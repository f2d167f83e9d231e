//! The tutorial's story, the same on every provider: a group grows under stress and shrinks
//! after it, and a client that sends 200 requests a second sees none of them fail.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;

use crate::support::{api::Api, traffic::Traffic, wait::until};

const BOOT: Duration = Duration::from_secs(60);
/// The goal is 8 s; a noisy machine gets more before the story is called broken.
const SCALE_OUT: Duration = Duration::from_secs(90);
/// The 120 s scale-in window, drain and stop, twice over.
const SCALE_IN: Duration = Duration::from_secs(330);

/// Where the load comes from.
pub(crate) enum Stress<'a> {
    /// This command, inside the first instance, until the second has served.
    Exec(&'a [&'a str]),
    /// `minicloud demo stress`, which watches the whole story itself.
    Demo,
}

/// Tells the story against a running minicloud.
pub(crate) async fn tell(api: Api, address: SocketAddr, stress: Stress<'_>) {
    let first = api.until_settled(1, BOOT).await.remove(0);
    api.until_warm(BOOT).await;
    let traffic = Traffic::start(address, 200);

    let mut burner = match stress {
        Stress::Exec(command) => api.stress(&first, command),
        Stress::Demo => api
            .command(&["demo", "stress", "web", "--for", "60s"])
            .spawn()
            .unwrap(),
    };
    let both = api.until_settled(2, SCALE_OUT).await;
    let second = both.into_iter().find(|id| *id != first).unwrap();
    let before = traffic.tally();
    until("both instances serve", BOOT, || async {
        let served = traffic.tally().served;
        let since =
            |id: &String| served.get(id).unwrap_or(&0) - before.served.get(id).unwrap_or(&0);
        if since(&first) > 100 && since(&second) > 100 {
            Ok(())
        } else {
            Err(format!("{served:?}"))
        }
    })
    .await;
    assert!(
        burner.try_wait().unwrap().is_none(),
        "the stress still runs"
    );
    if let Stress::Exec(_) = stress {
        burner.kill().await.unwrap();
    }

    let left = api.until_settled(1, SCALE_IN).await;
    let tally = traffic.stop().await;
    tally.assert_none_failed();
    if let Stress::Demo = stress {
        let ended = tokio::time::timeout(BOOT, burner.wait()).await;
        assert!(
            ended
                .expect("the demo sees the end of its story")
                .unwrap()
                .success()
        );
    }
    assert_eq!(
        left,
        [first],
        "the instance that was stressed is not the one to go"
    );
    check_activities(api).await;
    eprintln!(
        "story: 0 of {} requests failed; served by instance: {:?}",
        tally.sent, tally.served
    );
}

/// The history says what happened and why, in three activities.
async fn check_activities(api: Api) {
    let answer = api.get("/v1/groups/web/activities").await.unwrap();
    let activities = answer["activities"].as_array().unwrap();
    let text = |activity: &Value, field: &str| activity[field].as_str().unwrap().to_owned();
    assert_eq!(activities.len(), 3, "{answer}");
    assert!(
        activities
            .iter()
            .all(|activity| activity["status_code"] == "Successful"),
        "{answer}"
    );
    assert!(
        text(&activities[0], "description").starts_with("Terminating"),
        "{answer}"
    );
    assert!(
        text(&activities[0], "cause").contains("scale in 2 -> 1"),
        "{answer}"
    );
    assert!(
        text(&activities[1], "cause").contains("scale out 1 -> 2"),
        "{answer}"
    );
}

/// Capacity by hand: all instances go, then one comes back, healthy and routed to.
pub(crate) async fn tell_capacity_by_hand(api: Api, address: SocketAddr) {
    api.until_settled(1, BOOT).await;
    let (code, _, error) = api
        .run(&["scale", "web", "--min", "0", "--max", "0", "--desired", "0"])
        .await;
    assert_eq!(code, 0, "{error}");
    api.until_settled(0, BOOT).await;
    let answer = crate::support::http::get(address, "/").await.unwrap();
    assert_eq!(answer.status, 503, "no instance, no target");
    let (code, _, error) = api
        .run(&["scale", "web", "--min", "1", "--max", "2", "--desired", "1"])
        .await;
    assert_eq!(code, 0, "{error}");
    let back = api.until_settled(1, BOOT).await;
    until("routed to", BOOT, || async {
        let answer = crate::support::http::get(address, "/").await?;
        if answer.instance().as_ref() == back.first() {
            Ok(())
        } else {
            Err(answer.text())
        }
    })
    .await;
}
