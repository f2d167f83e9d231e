use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Method, Request, Response, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use minicloud_agent::{Agent, Config, Listener, serve};
use minicloud_agent_api::{names, parse};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::measured::{DEADLINE, Measured, Tree};

async fn send(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    method: Method,
    path: &str,
) -> Response<Bytes> {
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "test")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    };
    timeout(DEADLINE, exchange).await.unwrap()
}

struct Server {
    tree: Tree,
    measured: Measured,
    address: std::net::SocketAddr,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let tree = Tree::new();
        tree.write("cgroup/cgroup.controllers", "cpu\n");
        let measured = tree.start();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let agent = measured.agent.clone();
        let running = tokio::spawn(serve(Listener::Tcp(listener), agent, shutdown.clone()));
        Self {
            tree,
            measured,
            address,
            shutdown,
            running,
        }
    }

    async fn send(&self, method: Method, path: &str) -> Response<Bytes> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        send(stream, method, path).await
    }
}

#[tokio::test]
async fn metrics_are_served_as_prometheus_text() {
    let server = Server::start().await;
    let response = server.send(Method::GET, "/metrics").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = std::str::from_utf8(response.body()).unwrap();
    let name = names::MINICLOUD_AGENT_LAST_SAMPLE_TIMESTAMP_SECONDS;
    assert!(
        parse(text)
            .unwrap()
            .iter()
            .any(|sample| sample.name == name)
    );
}

#[tokio::test]
async fn a_unix_socket_serves_the_same() {
    let server = Server::start().await;
    let path = server.tree.path("agent.sock");
    let listener = Listener::Unix(UnixListener::bind(&path).unwrap());
    let agent = server.measured.agent.clone();
    tokio::spawn(serve(listener, agent, server.shutdown.clone()));
    let stream = UnixStream::connect(&path).await.unwrap();
    let response = send(stream, Method::GET, "/metrics").await;
    assert_eq!(response.status(), StatusCode::OK);
    server.shutdown.cancel();
}

#[tokio::test]
async fn health_is_that_of_the_sampling() {
    let shutdown = CancellationToken::new();
    let config = Config {
        interval: Duration::from_millis(100),
        ..Config::default()
    };
    let agent = Agent::start(config, shutdown.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(
        Listener::Tcp(listener),
        agent.clone(),
        CancellationToken::new(),
    ));
    let health = async |wanted: StatusCode| {
        timeout(DEADLINE, async {
            loop {
                let stream = TcpStream::connect(address).await.unwrap();
                let status = send(stream, Method::GET, "/healthz").await.status();
                if status == wanted {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
    };
    health(StatusCode::OK).await;
    shutdown.cancel();
    health(StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(!agent.is_fresh());
    assert_ne!(agent.metrics_text(), "");
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let server = Server::start().await;
    let response = server.send(Method::POST, "/metrics").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET, HEAD");
    let response = server.send(Method::GET, "/").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let response = server.send(Method::HEAD, "/metrics").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.body().is_empty());
}

#[tokio::test]
async fn shutdown_closes_idle_connections() {
    let server = Server::start().await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    server.send(Method::GET, "/healthz").await;
    server.shutdown.cancel();
    timeout(DEADLINE, server.running).await.unwrap().unwrap();
    let end = timeout(DEADLINE, silent.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)));
}
