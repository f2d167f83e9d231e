//! `minicloud top` at a real terminal. What the screens showed is in `target/screenshots`.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::{io::AsyncReadExt, time::timeout};

use crate::support::{
    MINICLOUD,
    api::Api,
    machine::Machine,
    tmux::{Tmux, tmux_is_there},
    up::Up,
    wait::until,
};

const SOON: Duration = Duration::from_secs(60);
const SMALL: (u16, u16) = (80, 24);

/// The example, with a second group that wants nothing.
fn two_groups(example: String) -> String {
    let second = "auto_scaling_groups:\n  idle: { launch_template: web, min_size: 0, max_size: 1, \
                  desired_capacity: 0, availability_zones: [a] }\n";
    assert!(
        example.contains("auto_scaling_groups:\n"),
        "the example has changed"
    );
    example.replace("auto_scaling_groups:\n", second)
}

async fn up() -> Up {
    let up = Up::start_with(Machine::shared().await, &[], two_groups);
    up.api.until_settled(1, SOON).await;
    up
}

/// Waits until the group is as `holds` says.
async fn until_group(api: Api, what: &str, holds: impl Fn(&Value) -> bool) {
    until(what, SOON, || async {
        let group = api.get("/v1/groups/web").await?;
        if holds(&group) {
            Ok(())
        } else {
            Err(group.to_string())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn top_shows_a_group_and_each_key_does_what_it_says() {
    if !tmux_is_there().await {
        return;
    }
    let up = up().await;
    let id = up.api.instances("InService").await.unwrap().remove(0);
    let top = Tmux::run(up.api, "", "top web", SMALL).await;
    let first = top
        .until_shows(&[
            "▸web",
            "1/1 of 1-2",
            &id,
            "req/s",
            "Launching a new instance",
            "q quit",
        ])
        .await;
    assert_eq!(first.lines().count(), 24);
    top.until_shows(&["healthy"]).await;
    top.save("top-80x24").await;

    top.press(&["?"]).await;
    top.until_shows(&["Help", "protect the selected instance"])
        .await;
    top.save("top-help").await;
    top.press(&["x"]).await;
    top.until_shows_no("Help").await;
    top.press(&["z"]).await;
    top.until_shows(&["the last 24 h"]).await;
    top.press(&["z", "Tab"]).await;
    top.until_shows(&["the last 15 min", "▸idle", "no instances"])
        .await;
    top.press(&["BTab"]).await;
    top.until_shows(&["▸web", &id]).await;

    top.press(&["s", "9", "Enter"]).await;
    top.until_shows(&["Change web: desired from 1 to 9?"]).await;
    top.press(&["y"]).await;
    top.until_shows(&["refused: ", "ValidationError"]).await;
    top.save("top-refused").await;
    top.press(&["s", "2", "Enter", "n"]).await;
    top.until_shows(&["nothing was done"]).await;
    top.press(&["s", "2", "Enter"]).await;
    top.until_shows(&["desired from 1 to 2?"]).await;
    top.save("top-confirm").await;
    top.press(&["y"]).await;
    until_group(up.api, "two are desired", |group| {
        group["desired_capacity"] == 2
    })
    .await;
    top.until_shows(&["done: web wants 2"]).await;
    up.api.until_settled(2, SOON).await;
    top.until_shows(&["2/2 of 1-2"]).await;

    top.press(&["p"]).await;
    top.until_shows(&["from scale-in?"]).await;
    top.press(&["y"]).await;
    until_group(up.api, "one is protected", |group| protected(group) == 1).await;
    top.until_shows(&["is protected from scale-in"]).await;
    top.press(&["p", "y"]).await;
    until_group(up.api, "none is protected", |group| protected(group) == 0).await;

    let ids = up.api.instances("InService").await.unwrap();
    assert_eq!(ids[0], id, "the oldest is the first");
    top.until_shows(&[&format!("▸{}", ids[0])]).await;
    top.press(&["j"]).await;
    top.until_shows(&[&format!("▸{}", ids[1])]).await;
    top.press(&["t"]).await;
    top.until_shows(&[&format!("Terminate {}?", ids[1])]).await;
    top.press(&["d"]).await;
    top.until_shows(&["done: Terminating instance"]).await;
    until_group(up.api, "one is desired", |group| {
        group["desired_capacity"] == 1
    })
    .await;
    assert_eq!(up.api.until_settled(1, SOON).await, [ids[0].clone()]);

    top.until_shows(&[&format!("▸{}", ids[0])]).await;
    top.press(&["t"]).await;
    top.until_shows(&[&format!("Terminate {}?", ids[0])]).await;
    top.press(&["y"]).await;
    until_group(up.api, "another is in its place", |group| {
        group["desired_capacity"] == 1 && !ids.contains(&self::ids(group)[0])
    })
    .await;
    top.press(&["q"]).await;
    top.until_shows(&["before", "left with 0"]).await;
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn top_drains_refreshes_and_suspends() {
    if !tmux_is_there().await {
        return;
    }
    let up = up().await;
    let id = up.api.instances("InService").await.unwrap().remove(0);
    let top = Tmux::run(up.api, "", "top web", SMALL).await;
    top.until_shows(&[
        &format!("▸{id}"),
        "healthy",
        "d drain  r refresh  u suspend",
    ])
    .await;
    let state_of = |group: &Value, id: &str| {
        let instances = group["instances"].as_array().unwrap().iter();
        let mut own = instances.filter(|one| one["instance_id"] == id);
        own.next().map(|one| one["lifecycle_state"].clone())
    };

    top.press(&["u"]).await;
    top.until_shows(&["1  Launch", "goes on"]).await;
    top.press(&["1"]).await;
    top.until_shows(&["Suspend Launch of web?"]).await;
    top.press(&["y"]).await;
    top.until_shows(&["done: suspended: Launch", "~ suspended: Launch"])
        .await;
    until_group(up.api, "Launch is suspended", |group| {
        group["suspended_processes"][0]["process_name"] == "Launch"
    })
    .await;
    top.press(&["u", "n", "y"]).await;
    until_group(up.api, "nothing is suspended", |group| {
        group["suspended_processes"]
            .as_array()
            .is_some_and(Vec::is_empty)
    })
    .await;
    top.until_shows(&["done: no process is suspended"]).await;

    top.press(&["d"]).await;
    top.until_shows(&[&format!("Drain {id}")]).await;
    top.save("top-drain").await;
    top.press(&["y"]).await;
    until_group(up.api, "it is in standby", |group| {
        state_of(group, &id).is_some_and(|state| state == "Standby")
    })
    .await;
    top.until_shows(&["Standby"]).await;
    top.press(&["d"]).await;
    top.until_shows(&[&format!("Put {id} back")]).await;
    top.press(&["y"]).await;
    until_group(up.api, "it is back", |group| {
        state_of(group, &id).is_some_and(|state| state == "InService")
    })
    .await;

    top.press(&["r"]).await;
    top.until_shows(&["Replace the instances of web"]).await;
    top.press(&["y"]).await;
    top.until_shows(&["done: the refresh of web has begun", "~ instance refresh"])
        .await;
    top.save("top-refresh").await;
    until_group(up.api, "it is replaced", |group| {
        state_of(group, &id).is_none()
    })
    .await;
    top.press(&["q"]).await;
    restored(&top).await;
    up.interrupt().await;
}

fn ids(group: &Value) -> Vec<String> {
    let instances = group["instances"].as_array().unwrap().iter();
    instances
        .map(|one| one["instance_id"].as_str().unwrap().to_owned())
        .collect()
}

fn protected(group: &Value) -> usize {
    let instances = group["instances"].as_array().unwrap().iter();
    instances
        .filter(|one| one["protected_from_scale_in"] == true)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn top_follows_the_size_of_the_terminal_and_leaves_it_as_it_was() {
    if !tmux_is_there().await {
        return;
    }
    let up = up().await;
    let top = Tmux::run(up.api, "", "top", SMALL).await;
    top.until_shows(&["CAPACITY", "q quit"]).await;
    assert!(has_color(&top.screen_with_colors().await));
    top.resize((60, 20)).await;
    top.until_shows(&["needs 80 x 24", "has 60 x 20"]).await;
    top.resize((120, 40)).await;
    top.until_shows(&["RESPONSE TIME", "q quit"]).await;
    top.press(&["Tab"]).await;
    top.until_shows(&["▸web", "Launching a new instance"]).await;
    top.save("top-120x40").await;
    assert_eq!(top.variable("alternate_on").await, "1");
    top.signal(Signal::TERM).await;
    restored(&top).await;

    let plain = Tmux::run(up.api, "NO_COLOR=1", "top web", SMALL).await;
    plain.until_shows(&["CAPACITY", "InService"]).await;
    let screen = plain.screen_with_colors().await;
    assert!(!has_color(&screen), "{screen}");
    plain.press(&["s", "C-c"]).await;
    restored(&plain).await;

    // tmux says what kind of terminal it is; the command is told something else.
    let dumb = Tmux::run(up.api, "TERM=dumb", "top", SMALL).await;
    dumb.until_shows(&["cannot be drawn on", "TERM", "left with 1"])
        .await;
    up.interrupt().await;
}

/// What stood there before is there again, the cursor too, and what is typed is shown.
async fn restored(top: &Tmux) {
    let screen = top.until_shows(&["before", "left with 0", "echok"]).await;
    assert!(
        !screen.contains("-icanon") && !screen.contains("-echo "),
        "{screen}"
    );
    assert_eq!(top.variable("alternate_on").await, "0");
    assert_eq!(top.variable("cursor_flag").await, "1");
}

fn has_color(screen: &str) -> bool {
    // Select graphic rendition: 30 to 38 and 90 to 97 are colours of the text.
    let codes = screen
        .split("\u{1b}[")
        .skip(1)
        .filter_map(|rest| rest.split('m').next());
    codes
        .flat_map(|codes| codes.split(';'))
        .any(|code| matches!(code.parse(), Ok(30..=38 | 90..=97)))
}

#[tokio::test(flavor = "multi_thread")]
async fn top_shows_what_it_knew_while_the_control_plane_is_away_and_goes_on_by_itself() {
    if !tmux_is_there().await {
        return;
    }
    let mut up = up().await;
    let id = up.api.instances("InService").await.unwrap().remove(0);
    let top = Tmux::run(up.api, "", "top web", SMALL).await;
    top.until_shows(&[&id, "req/s"]).await;
    up.minicloud.signal(Signal::INT);
    up.minicloud.exited(SOON).await;
    top.until_shows(&["! reconnecting, without an answer since", &id, "1/1 of 1-2"])
        .await;
    top.save("top-reconnecting").await;
    // Keys act, and say that there is nobody to ask.
    top.press(&["p", "y"]).await;
    top.until_shows(&["refused: cannot connect"]).await;
    up.start_again();
    top.until_shows_no("reconnecting").await;
    let next = up.api.until_settled(1, SOON).await.remove(0);
    assert_ne!(next, id);
    top.until_shows(&[&next, "req/s"]).await;
    top.press(&["q"]).await;
    restored(&top).await;
    up.interrupt().await;
}

/// A window that is closed: nobody is left to say anything to.
#[tokio::test(flavor = "multi_thread")]
async fn top_ends_quietly_with_its_terminal() {
    let up = up().await;
    let (mut terminal, program) = pty_process::open().unwrap();
    let (columns, rows) = SMALL;
    terminal
        .resize(pty_process::Size::new(rows, columns))
        .unwrap();
    let command = pty_process::Command::new(MINICLOUD)
        .arg("top")
        .env("MINICLOUD_HOST", format!("http://{}", up.api.0))
        .env("TERM", "xterm")
        .kill_on_drop(true);
    let mut top = command.spawn(program).unwrap();
    let mut drawn = Vec::new();
    while !String::from_utf8_lossy(&drawn).contains("CAPACITY") {
        assert_ne!(terminal.read_buf(&mut drawn).await.unwrap(), 0);
    }
    drop(terminal);
    let ended = timeout(SOON, top.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn top_without_a_terminal_says_what_to_use_instead() {
    let nobody = Api(([127, 0, 0, 1], 1).into());
    let (code, stdout, stderr) = nobody.run(&["top"]).await;
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(
        stderr.contains("there is no terminal to draw on"),
        "{stderr}"
    );
    assert!(stderr.contains("minicloud status --watch"), "{stderr}");
}
