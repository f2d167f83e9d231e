//! The console in a real browser.

use std::time::Duration;

use serde_json::json;
use thirtyfour::{By, Key};

use crate::support::{
    browser::{Browser, Screen, browser_is_there},
    child::Minicloud,
    http,
    machine::Machine,
    traffic::Traffic,
    up::Up,
    wait::until,
};

const SOON: Duration = Duration::from_secs(60);

const DESK: Screen = Screen {
    width: 1280,
    height: 900,
    dark: false,
};
const TELEPHONE: Screen = Screen {
    width: 390,
    height: 844,
    dark: false,
};

/// Pages as they are called in screenshots; the last two stand for an instance and an action.
fn pages(instance: &str) -> Vec<(&'static str, String)> {
    vec![
        ("overview", "/".to_owned()),
        ("group", "/groups/web?range=5m".to_owned()),
        ("instances", "/instances".to_owned()),
        (
            "load-balancer",
            "/load-balancer?url=http%3A%2F%2Flocalhost%2Fcart&method=GET".to_owned(),
        ),
        ("activities", "/activities".to_owned()),
        ("configuration", "/configuration".to_owned()),
        ("instance", format!("/instances/{instance}")),
        ("scale", "/groups/web/scale".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn people_look_and_act() {
    if !browser_is_there() {
        return;
    }
    // The story sets the capacity itself: no policy shall take it back meanwhile.
    let machine = Machine::shared().await;
    let up = Up::start_with(machine, &[], |example| {
        example.replace(
            "target_value: 80",
            "target_value: 80, disable_scale_in: true",
        )
    });
    let instance = up.api.until_settled(1, SOON).await.remove(0);
    let browser = Browser::start().await;
    let console = Console {
        browser: &browser,
        origin: format!("http://{}", up.api.0),
    };
    let traffic = Traffic::start(up.address, 20);
    values_change_while_load_runs(&console).await;
    action_asks_first(&console, &up).await;
    every_page_is_whole(&console, &instance).await;
    keyboard_is_enough(&console).await;
    page_without_script_shows_the_same(&console).await;
    let requested = browser.requested().await;
    assert!(requested.len() > 20, "{requested:?}");
    for url in requested {
        // The browser's own pages are of no host.
        let leaves = url.starts_with("http") || url.starts_with("ws");
        let is_own = url.starts_with(&format!("{}/", console.origin));
        assert!(is_own || !leaves, "a request left for {url}");
    }
    group_is_refreshed(&console, &up).await;
    let tally = traffic.stop().await;
    assert_eq!(tally.failures, Vec::<String>::new());
    browser.quit().await;
    up.interrupt().await;
}

struct Console<'a> {
    browser: &'a Browser,
    origin: String,
}

impl Console<'_> {
    async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.origin);
        self.browser.driver.goto(&url).await.unwrap();
    }

    async fn until_text(&self, selector: &str, what: &str, is: impl Fn(&str) -> bool) -> String {
        let what = format!("{selector}: {what}");
        until(&what, SOON, async || {
            let text = self.browser.text(selector).await?;
            if is(&text) { Ok(text) } else { Err(text) }
        })
        .await
    }

    async fn click(&self, by: By) {
        let element = self.browser.driver.find(by).await.unwrap();
        element.click().await.unwrap();
    }

    async fn assert_no_complaint(&self, page: &str) {
        assert_eq!(
            self.browser.complaints().await,
            Vec::<String>::new(),
            "{page}"
        );
    }
}

/// Without a reload: what the page's own memory holds stays.
async fn values_change_while_load_runs(console: &Console<'_>) {
    console.browser.look_on(DESK).await;
    console.open("/groups/web?range=5m").await;
    let mark = "window.untouched = true; return true";
    console.browser.run(mark, vec![]).await.unwrap();
    // A table that is open stays open while its chart moves on.
    let open = "document.querySelector('#requests-table').open = true; return true";
    console.browser.run(open, vec![]).await.unwrap();
    let requests = "#figures dl > div:nth-child(4) dd";
    console
        .until_text(requests, "the rate of the load", |text| {
            let rate = text.trim_end_matches("/s").parse();
            rate.is_ok_and(|rate: f64| (10.0..=40.0).contains(&rate))
        })
        .await;
    let path = "return document.querySelector('.chart path.s-2xx').getAttribute('d')";
    let before = console.browser.run(path, vec![]).await.unwrap();
    until("the chart moves on", SOON, async || {
        let now = console.browser.run(path, vec![]).await?;
        if now == before {
            Err("the same".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
    let state =
        "return [window.untouched === true, document.querySelector('#requests-table').open]";
    let state = console.browser.run(state, vec![]).await.unwrap();
    assert_eq!(state, json!([true, true]));
    console
        .until_text("#connection", "live", |text| text == "live")
        .await;
    console.assert_no_complaint("group").await;
}

async fn action_asks_first(console: &Console<'_>, up: &Up) {
    console.open("/groups/web").await;
    console.click(By::LinkText("Scale…")).await;
    let title = console.browser.text("h1").await.unwrap();
    assert_eq!(title, "Scale web");
    let group = up.api.get("/v1/groups/web").await.unwrap();
    assert_eq!(group["desired_capacity"], 1, "to be asked changes nothing");
    let field = By::Name("desired_capacity");
    let field = console.browser.driver.find(field).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys("7").await.unwrap();
    console.click(By::Css("button.primary")).await;
    console
        .until_text("[role=alert]", "a refusal", |text| text.contains("max"))
        .await;
    // The browser tells of the answer 400 by itself.
    let complaints = console.browser.complaints().await;
    assert!(
        complaints.iter().all(|one| one.contains("400")),
        "{complaints:?}"
    );
    let field = By::Name("desired_capacity");
    let field = console.browser.driver.find(field).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys("2").await.unwrap();
    console.click(By::Css("button.primary")).await;
    console
        .until_text("[role=status].done", "what was done", |text| {
            text.contains("capacity is set")
        })
        .await;
    let instances = up.api.until_settled(2, SOON).await;
    console
        .until_text("#instances", "both in service", |text| {
            text.matches("InService").count() == 2
        })
        .await;
    let newest = &instances[1];
    console.open(&format!("/instances/{newest}")).await;
    console.click(By::LinkText("Protect…")).await;
    console.click(By::Css("button.primary")).await;
    console
        .until_text("#facts", "protected", |text| text.contains("protected"))
        .await;
    let shown = up.api.get("/v1/groups/web/instances").await.unwrap();
    let shown = shown["instances"].as_array().unwrap();
    let shown = shown.iter().find(|one| one["instance_id"] == **newest);
    assert_eq!(shown.unwrap()["protected_from_scale_in"], true);
    instance_is_drained_and_put_back(console, up, newest).await;
    processes_are_suspended_and_resumed(console, up).await;
    console.assert_no_complaint("actions").await;
}

async fn instance_is_drained_and_put_back(console: &Console<'_>, up: &Up, instance: &str) {
    console.open(&format!("/instances/{instance}")).await;
    console.click(By::LinkText("Drain…")).await;
    console.click(By::Css("button.primary")).await;
    console
        .until_text("#facts", "in standby", |text| text.contains("Standby"))
        .await;
    until(
        "it stands by, and the group does without",
        SOON,
        async || {
            let group = up.api.get("/v1/groups/web").await?;
            let standby = up.api.instances("Standby").await?;
            match group["desired_capacity"] == 1 && standby == [instance] {
                true => Ok(()),
                false => Err(group.to_string()),
            }
        },
    )
    .await;
    console.open(&format!("/instances/{instance}")).await;
    console.click(By::LinkText("Put back…")).await;
    console.click(By::Css("button.primary")).await;
    console
        .until_text("#facts", "in service", |text| text.contains("InService"))
        .await;
    up.api.until_settled(2, SOON).await;
}

async fn processes_are_suspended_and_resumed(console: &Console<'_>, up: &Up) {
    for expected in [json!(["Launch"]), json!([])] {
        console.open("/groups/web").await;
        console.click(By::LinkText("Suspend…")).await;
        console.click(By::Name("Launch")).await;
        console.click(By::Css("button.primary")).await;
        console
            .until_text("[role=status].done", "what was done", |text| {
                text.contains("as asked")
            })
            .await;
        let group = up.api.get("/v1/groups/web").await.unwrap();
        let suspended = group["suspended_processes"].as_array().unwrap().iter();
        let names: Vec<_> = suspended.map(|one| one["process_name"].clone()).collect();
        assert_eq!(json!(names), expected);
    }
}

async fn group_is_refreshed(console: &Console<'_>, up: &Up) {
    let before = up.api.until_settled(2, SOON).await;
    // A refresh waits for what is protected.
    console.open(&format!("/instances/{}", before[1])).await;
    console.click(By::LinkText("Unprotect…")).await;
    console.click(By::Css("button.primary")).await;
    console.open("/groups/web").await;
    console.click(By::LinkText("Refresh…")).await;
    console.click(By::Css("button.primary")).await;
    console
        .until_text("#figures", "how far it is", |text| {
            text.contains("Refresh ")
        })
        .await;
    until("every instance is another", 3 * SOON, async || {
        let now = up.api.instances("InService").await?;
        let others = now.iter().all(|one| !before.contains(one));
        match now.len() == 2 && others {
            true => Ok(()),
            false => Err(format!("{now:?}")),
        }
    })
    .await;
}

/// Light and dark, wide and narrow: nothing is cut, and the browser complains of nothing.
async fn every_page_is_whole(console: &Console<'_>, instance: &str) {
    for (name, path) in pages(instance) {
        for screen in [DESK, TELEPHONE] {
            for dark in [false, true] {
                let screen = Screen { dark, ..screen };
                console.browser.look_on(screen).await;
                console.open(&path).await;
                let wide = "return document.documentElement.scrollWidth - innerWidth";
                let wide = console.browser.run(wide, vec![]).await.unwrap();
                assert_eq!(wide, json!(0), "{name} is wider than {}", screen.width);
                let scheme = if dark { "dark" } else { "light" };
                let name = format!("console-{name}-{}-{scheme}", screen.width);
                console.browser.photograph(&name).await;
                console.assert_no_complaint(&name).await;
            }
        }
    }
    console.browser.look_on(DESK).await;
    console
        .open("/load-balancer?url=http%3A%2F%2Flocalhost%2F")
        .await;
    console
        .until_text("#verdict", "which rule", |text| text.contains("takes it"))
        .await;
}

async fn keyboard_is_enough(console: &Console<'_>) {
    console.browser.look_on(DESK).await;
    console.open("/").await;
    let body = By::Tag("body");
    let body = console.browser.driver.find(body).await.unwrap();
    body.send_keys(Key::Tab + "").await.unwrap();
    let focused = "return document.activeElement.innerText";
    let skip = console.browser.run(focused, vec![]).await.unwrap();
    assert_eq!(skip, json!("Skip to content"));
    console.open("/groups/web").await;
    let focus = "document.querySelector('#capacity-table summary').focus(); return true";
    console.browser.run(focus, vec![]).await.unwrap();
    // To whatever has the focus: the element may be another by now.
    for kind in ["keyDown", "keyUp"] {
        let enter = json!({
            "type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13,
            "text": if kind == "keyDown" { "\r" } else { "" },
        });
        console.browser.cdp("Input.dispatchKeyEvent", enter).await;
    }
    console
        .until_text("#capacity-table", "its table", |text| text.contains("now"))
        .await;
    // The focus is where it was after the section has been renewed.
    let looks = "window.looks = 0; addEventListener('x', () => 0); \
         new MutationObserver(() => window.looks++).observe(document.getElementById('charts'), \
         { childList: true }); return true";
    console.browser.run(looks, vec![]).await.unwrap();
    until("renewed twice", SOON, async || {
        let looks = console.browser.run("return window.looks", vec![]).await?;
        looks
            .as_u64()
            .filter(|looks| *looks >= 2)
            .ok_or(looks.to_string())
    })
    .await;
    let place = "return document.activeElement.closest('details')?.id ?? null";
    let place = console.browser.run(place, vec![]).await.unwrap();
    assert_eq!(place, json!("capacity-table"));
}

async fn page_without_script_shows_the_same(console: &Console<'_>) {
    let off = json!({ "value": true });
    let cdp = console
        .browser
        .cdp("Emulation.setScriptExecutionDisabled", off);
    cdp.await;
    for (path, text) in [
        ("/", "2 in service of 2 desired"),
        ("/groups/web", "Requests by status class"),
        ("/instances", "InService"),
        ("/load-balancer", "Healthy"),
        ("/activities", "Launching a new instance"),
        ("/configuration", "auto_scaling_groups.web.max_size"),
    ] {
        console.open(path).await;
        let source = console.browser.driver.source().await.unwrap();
        let plain: String = source
            .split('<')
            .filter_map(|part| part.split_once('>'))
            .map(|(_, text)| text)
            .collect();
        assert!(plain.contains(text), "{path}: {plain}");
        assert!(source.contains("http-equiv=\"refresh\""), "{path}");
    }
    console
        .browser
        .photograph("console-configuration-without-script")
        .await;
    let on = json!({ "value": false });
    console
        .browser
        .cdp("Emulation.setScriptExecutionDisabled", on)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_and_a_lost_connection_comes_back() {
    if !browser_is_there() {
        return;
    }
    let token = "0123456789abcdef0123456789abcdef";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, token).unwrap();
    let environment = [("MINICLOUD_TOKEN_FILE", file.to_str().unwrap())];
    let machine = Machine::shared().await;
    let mut up = Up::start_with(machine, &environment, |example| example);
    let address = up.api.0;
    until("the API is there", SOON, || async move {
        http::get(address, "/healthz").await.map(drop)
    })
    .await;
    let browser = Browser::start().await;
    let console = Console {
        browser: &browser,
        origin: format!("http://{address}"),
    };
    console.open("/instances").await;
    assert_eq!(browser.text("h1").await.unwrap(), "Log in");
    let log_in = async |token: &str| {
        let field = browser.driver.find(By::Name("token")).await.unwrap();
        field.send_keys(token).await.unwrap();
        console.click(By::Css("button.primary")).await;
    };
    browser.photograph("console-login").await;
    log_in("not the token, by far").await;
    console
        .until_text("[role=alert]", "a refusal", |text| {
            text.contains("not the token")
        })
        .await;
    log_in(token).await;
    console
        .until_text("h1", "where one wanted to go", |text| text == "Instances")
        .await;
    console
        .until_text("#connection", "live", |text| text == "live")
        .await;
    up.minicloud.kill().await;
    console
        .until_text("#connection", "what is wrong", |text| {
            text.contains("connection lost")
        })
        .await;
    let config = up.dir.path().join("minicloud.yaml");
    let state = up.dir.path().join("state");
    let arguments = [
        "up",
        "--config",
        config.to_str().unwrap(),
        "--state-dir",
        state.to_str().unwrap(),
        "--api",
        &address.to_string(),
    ];
    let log = up.dir.path().join("again.log");
    up.minicloud = Minicloud::spawn_with(&arguments, &environment, &log);
    until("the API is there again", SOON, || async move {
        http::get(address, "/healthz").await.map(drop)
    })
    .await;
    // Its sessions ended with it.
    console.open("/instances").await;
    assert_eq!(browser.text("h1").await.unwrap(), "Log in");
    log_in(token).await;
    console
        .until_text("#connection", "live", |text| text == "live")
        .await;
    console.click(By::Css("header form button")).await;
    console
        .until_text("h1", "logged out", |text| text == "Log in")
        .await;
    browser.quit().await;
    up.interrupt().await;
}
