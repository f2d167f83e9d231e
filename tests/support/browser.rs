//! A headless Chromium, driven by WebDriver: Debian's `chromium` and `chromium-driver`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{
    Capabilities, WebDriver,
    error::{WebDriverError, WebDriverResult},
    session::http::{Body, HttpClient},
};
use tokio::process::{Child, Command};

use super::{free_port, http, wait::until};

const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
const SOON: Duration = Duration::from_secs(60);

/// What a browser does by itself is not what is tested, and reaches nobody here.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    // The sandbox wants what root in a container does not have.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    // Whatever is not this machine has no address.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    process: Child,
    _profile: TempDir,
}

/// A screen that a page is looked at on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

/// Whether a browser is there; says why a test is skipped where none is, and fails where one
/// must be.
pub(crate) fn browser_is_there() -> bool {
    let there = [CHROMIUM, CHROMEDRIVER]
        .iter()
        .all(|path| Path::new(path).exists());
    let required = std::env::var_os("MINICLOUD_REQUIRE_BROWSER").is_some_and(|value| value == "1");
    assert!(
        there || !required,
        "MINICLOUD_REQUIRE_BROWSER=1, and {CHROMIUM} or {CHROMEDRIVER} is missing"
    );
    if !there {
        eprintln!("skipped: no browser here (apt-get install chromium chromium-driver)");
    }
    there
}

/// Where pages and screens are kept to be looked at.
pub(crate) fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let port = free_port();
        let profile = tempfile::tempdir().unwrap();
        let process = Command::new(CHROMEDRIVER)
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        until("chromedriver answers", SOON, || async move {
            http::get(address, "/status").await.map(drop)
        })
        .await;
        let folder = format!("--user-data-dir={}", profile.path().display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([&*folder]).collect();
        let mut capabilities = Capabilities::new();
        for (key, value) in [
            ("browserName", json!("chrome")),
            (
                "goog:chromeOptions",
                json!({ "binary": CHROMIUM, "args": arguments }),
            ),
            (
                "goog:loggingPrefs",
                json!({ "browser": "ALL", "performance": "ALL" }),
            ),
        ] {
            capabilities.set(key, value).unwrap();
        }
        let driver = WebDriver::builder(format!("http://{address}"), capabilities)
            .client(Client)
            .await
            .unwrap();
        Self {
            driver,
            process,
            _profile: profile,
        }
    }

    /// Ends the browser and its driver.
    pub(crate) async fn quit(mut self) {
        self.driver.quit().await.unwrap();
        let _ = self.process.kill().await;
    }

    pub(crate) async fn cdp(&self, method: &str, parameters: Value) -> Value {
        let answer = self.driver.cdp().send_raw(method, parameters).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub(crate) async fn look_on(&self, screen: Screen) {
        let Screen {
            width,
            height,
            dark,
        } = screen;
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", media).await;
    }

    /// The whole page, however long.
    pub(crate) async fn photograph(&self, name: &str) {
        let metrics = self.cdp("Page.getLayoutMetrics", json!({})).await;
        let size = &metrics["cssContentSize"];
        let clip = json!({
            "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1,
        });
        let wanted = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.cdp("Page.captureScreenshot", wanted).await;
        let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(screenshots().join(format!("{name}.png")), bytes).unwrap();
    }

    pub(crate) async fn text(&self, selector: &str) -> Result<String, String> {
        let script = "return document.querySelector(arguments[0])?.innerText ?? null";
        match self.run(script, vec![json!(selector)]).await? {
            Value::String(text) => Ok(text),
            _ => Err(format!("nothing is {selector}")),
        }
    }

    pub(crate) async fn run(&self, script: &str, arguments: Vec<Value>) -> Result<Value, String> {
        let ran = self.driver.execute(script, arguments).await;
        let ran = ran.map_err(|error| error.to_string())?;
        Ok(ran.json().clone())
    }

    /// What the console has complained about since it was last asked.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver.get_log("browser").await.unwrap();
        log.into_iter().map(|entry| entry.message).collect()
    }

    /// Every address that was asked for since it was last asked.
    pub(crate) async fn requested(&self) -> Vec<String> {
        let log = self.driver.get_log("performance").await.unwrap();
        let events = log.into_iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(&entry.message).ok()?;
            let message = &event["message"];
            (message["method"] == "Network.requestWillBeSent").then(|| {
                message["params"]["request"]["url"]
                    .as_str()
                    .map(str::to_owned)
            })?
        });
        events.collect()
    }
}

/// WebDriver's requests over the client that all tests use.
struct Client;

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send(&self, request: Request<Body<'_>>) -> WebDriverResult<Response<Bytes>> {
        let (mut parts, body) = request.into_parts();
        let failed = |what: String| WebDriverError::FatalError(what);
        let authority = parts.uri.authority().map(ToString::to_string);
        let authority = authority.ok_or_else(|| failed("no address".to_owned()))?;
        let address: SocketAddr = authority
            .parse()
            .map_err(|_| failed(format!("{authority} is no address")))?;
        parts.headers.insert(
            hyper::header::HOST,
            authority.parse().expect("an address is a host"),
        );
        // A connection of its own for each: hyper keeps none here.
        parts.headers.remove(hyper::header::CONNECTION);
        let path = parts.uri.path_and_query().cloned();
        parts.uri = path.map(Into::into).unwrap_or_default();
        let body = match body {
            Body::Empty => Bytes::new(),
            Body::Json(value) => Bytes::from(value.to_string()),
        };
        let request = Request::from_parts(parts, Full::new(body));
        let answer = http::exchange_within(address, request, SOON).await;
        let answer = answer.map_err(failed)?;
        let response = Response::builder().status(answer.status);
        Ok(response.body(answer.body).expect("a status and bytes"))
    }

    async fn new(&self) -> Arc<dyn HttpClient> {
        Arc::new(Self)
    }
}
