//! A server on a free port, and requests to it.

use std::{collections::HashMap, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, client::conn::http1, http::request::Builder};
use hyper_util::rt::TokioIo;
use sample_app::{Config, run};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// How long a test waits for what must happen; never reached unless it does not.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    running: JoinHandle<io::Result<()>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[
            ("MINICLOUD_INSTANCE_ID", "i-0123456789abcdef0"),
            ("MINICLOUD_AVAILABILITY_ZONE", "a"),
            ("MINICLOUD_LAUNCH_TEMPLATE_VERSION", "3"),
            ("GREETING", "Good \"morning\""),
        ])
        .await
    }

    pub(crate) async fn start_with(vars: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, asked) = oneshot::channel();
        let running = tokio::spawn(run(config(vars), listener, asked));
        Self {
            address,
            shutdown,
            running,
        }
    }

    /// Asks the server to go; the handle ends once it is drained.
    pub(crate) fn shut_down(self) -> JoinHandle<io::Result<()>> {
        self.shutdown.send(()).unwrap();
        self.running
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Bytes> {
        self.send(Request::get(path), "").await
    }

    pub(crate) async fn post(&self, path: &str) -> Response<Bytes> {
        self.send(Request::post(path), "").await
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, request: Builder, body: &str) -> Response<Bytes> {
        Connection::open(self.address)
            .await
            .send(request, body)
            .await
    }
}

/// A connection that is kept alive.
pub(crate) struct Connection(http1::SendRequest<Full<Bytes>>);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub(crate) async fn send(&mut self, request: Builder, body: &str) -> Response<Bytes> {
        self.try_send(request, body).await.unwrap()
    }

    pub(crate) async fn try_send(
        &mut self,
        request: Builder,
        body: &str,
    ) -> hyper::Result<Response<Bytes>> {
        let body = Full::from(body.to_owned());
        let request = request.header("host", "test").body(body).unwrap();
        let exchange = async {
            self.0.ready().await?;
            let (head, body) = self.0.send_request(request).await?.into_parts();
            Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
        };
        timeout(DEADLINE, exchange)
            .await
            .expect("an answer in time")
    }

    /// Ends once the server has closed the connection.
    pub(crate) async fn closed(&mut self) {
        timeout(DEADLINE, async {
            while self.0.ready().await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("closed in time");
    }
}

pub(crate) fn config(vars: &[(&str, &str)]) -> Config {
    Config::from_env(&vars_of(vars)).unwrap()
}

pub(crate) fn vars_of(vars: &[(&str, &str)]) -> HashMap<String, String> {
    vars.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

pub(crate) fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}
