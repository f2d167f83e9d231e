//! Spans, as a collector gets them from `minicloud up`.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::support::{machine::Machine, up::Up, wait::until};

const SOON: Duration = Duration::from_secs(60);
const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
const PARENT: u64 = 0xb7ad_6b71_6920_3331;
const UNSAMPLED: u128 = 0x1bf7_6519_16cd_43dd_8448_eb21_1c80_319c;

/// Keeps what it is sent, protobuf as it is: ids and texts stand in it as they are.
struct Collector {
    address: SocketAddr,
    batches: Arc<Mutex<Vec<Bytes>>>,
    _serving: JoinSet<()>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let batches = Arc::new(Mutex::default());
        let kept = Arc::clone(&batches);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    let service = service_fn(|request| keep(request, &kept));
                    let io = TokioIo::new(stream);
                    let _ = http1::Builder::new().serve_connection(io, service).await;
                });
            }
        });
        Self {
            address,
            batches,
            _serving: serving,
        }
    }

    fn has(&self, wanted: &[u8]) -> bool {
        let batches = self.batches.lock().unwrap();
        let mut windows = batches.iter().flat_map(|batch| batch.windows(wanted.len()));
        windows.any(|window| window == wanted)
    }

    async fn until_has(&self, wanted: &[u8]) {
        let shown = String::from_utf8_lossy(wanted).into_owned();
        until(&shown, SOON, || async {
            let found = self.has(wanted).then_some(());
            found.ok_or_else(|| "not exported".to_owned())
        })
        .await;
    }
}

async fn keep(
    request: Request<Incoming>,
    kept: &Mutex<Vec<Bytes>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.uri().path(), "/v1/traces");
    let kind = &request.headers()[header::CONTENT_TYPE];
    assert_eq!(kind, "application/x-protobuf");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    kept.lock().unwrap().push(body);
    Ok(Response::default())
}

async fn ask(address: SocketAddr, trace: u128, flags: u8) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /cart?secret=1 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\
         traceparent: 00-{trace:032x}-{PARENT:016x}-{flags:02x}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_activities_are_spans() {
    let collector = Collector::start().await;
    let endpoint = format!("http://{}", collector.address);
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let up = Up::start_with(Machine::shared().await, &environment, |example| example);
    let id = up.api.until_settled(1, SOON).await.remove(0);
    collector.until_has(b"Launching a new instance").await;

    ask(up.address, UNSAMPLED, 0).await;
    ask(up.address, TRACE, 1).await;
    collector.until_has(&TRACE.to_be_bytes()).await;
    // Field 4 of a span is its parent, of 8 bytes.
    let parent = [&[0x22, 8][..], &PARENT.to_be_bytes()].concat();
    for wanted in [&*parent, b"GET web", b"/cart", id.as_bytes()] {
        let shown = String::from_utf8_lossy(wanted);
        assert!(collector.has(wanted), "{shown} is missing");
    }
    assert!(
        !collector.has(&UNSAMPLED.to_be_bytes()),
        "it was not sampled"
    );
    assert!(!collector.has(b"secret"), "a query is not exported");
    up.interrupt().await;
}
