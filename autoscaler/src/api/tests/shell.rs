use futures_util::{SinkExt, StreamExt};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::Framed;

use super::*;
use crate::{key_pair::PrivateKey, provider::WindowSize};

const CHALLENGE: &str = "/v1/instances/i-0123abcd/shell/challenge";
const SHELL: &str = "/v1/instances/i-0123abcd/shell";

fn key() -> PrivateKey {
    PrivateKey::from_seed([1; 32])
}

fn launched_with(core: &Loop, key: &PrivateKey) {
    core.view.send_modify(|view| {
        let view = Arc::make_mut(view);
        let group = Arc::make_mut(&mut view.auto_scaling_groups[0]);
        group.instances[0].public_key = Some(key.parts().1);
    });
}

/// A server, and what speaks to it.
struct Served {
    address: std::net::SocketAddr,
    token: Option<&'static str>,
    core: Loop,
    _server: tokio_util::task::AbortOnDropHandle<()>,
}

impl Served {
    async fn start(access: Access) -> Self {
        let (api, core) = api();
        launched_with(&core, &key());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = serve(Listener::Tcp(listener), router(api, access), shutdown);
        Self {
            address,
            token: None,
            core,
            _server: tokio_util::task::AbortOnDropHandle::new(tokio::spawn(server)),
        }
    }

    async fn send(&self, path: &str, body: &Value) -> axum::http::Response<hyper::body::Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let mut request = request("POST", path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, SHELL_PROTOCOL);
        if let Some(token) = self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(body.to_string()).unwrap();
        sender.send_request(request).await.unwrap()
    }

    async fn answer(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let response = self.send(path, body).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn signed(&self, key: &PrivateKey, command: &str) -> Value {
        let (status, challenge) = self.answer(CHALLENGE, &Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{challenge}");
        let nonce = challenge["nonce"].as_str().unwrap();
        let signature = key.answer(nonce, &"i-0123abcd".parse().unwrap());
        json!({ "nonce": nonce, "signature": signature, "command": [command] })
    }

    async fn open(&self, command: &str) -> Framed<TokioIo<hyper::upgrade::Upgraded>, ShellCodec> {
        let response = self.send(SHELL, &self.signed(&key(), command).await).await;
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let connection = hyper::upgrade::on(response).await.unwrap();
        Framed::new(TokioIo::new(connection), ShellCodec)
    }
}

/// The next frame that means something.
async fn next(
    shell: &mut Framed<TokioIo<hyper::upgrade::Upgraded>, ShellCodec>,
) -> Option<ShellFrame> {
    let hear = async {
        loop {
            match shell.next().await {
                Some(Ok(ShellFrame::KeepAlive)) => {}
                other => return other.map(Result::unwrap),
            }
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(20), hear).await;
    heard.expect("a frame comes")
}

#[tokio::test]
async fn key_opens_a_shell_beside_the_token() {
    const TOKEN: &str = "0123456789abcdef";
    let token = Token::try_new(TOKEN).unwrap();
    let mut served = Served::start(Access::Token(token)).await;
    for path in [CHALLENGE, SHELL] {
        let (status, _) = served.answer(path, &Value::Null).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    served.token = Some(TOKEN);
    let mut shell = served.open("cat").await;
    let typed = Bytes::from_static(b"hello");
    shell.send(ShellFrame::Stdin(typed.clone())).await.unwrap();
    assert_eq!(next(&mut shell).await, Some(ShellFrame::Stdout(typed)));
    let (rows, columns) = (30, 100);
    let size = ShellFrame::Resize(WindowSize { rows, columns });
    shell.send(size).await.unwrap();
    shell.send(ShellFrame::StdinEnd).await.unwrap();
    assert_eq!(next(&mut shell).await, Some(ShellFrame::Exit(1)));
    assert_eq!(next(&mut shell).await, None);
}

#[tokio::test]
async fn shell_ends_with_its_client() {
    let mut served = Served::start(Access::Loopback).await;
    drop(served.open("hang").await);
    let dropped = tokio::time::timeout(Duration::from_secs(20), served.core.dropped.recv());
    dropped.await.expect("the command ends").unwrap();
}

#[tokio::test]
async fn challenge_is_taken_once_and_from_its_key_alone() {
    let served = Served::start(Access::Loopback).await;
    let right = served.signed(&key(), "no-such-command").await;
    let (status, answer) = served.answer(SHELL, &right).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    let (status, answer) = served.answer(SHELL, &right).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(answer["error"]["code"], "UnauthorizedOperation");
    let other = PrivateKey::from_seed([2; 32]);
    let mut held_up = false;
    for _ in 0..10 {
        let wrong = served.signed(&other, "echo").await;
        let (status, answer) = served.answer(SHELL, &wrong).await;
        let code = answer["error"]["code"].as_str().unwrap();
        match status {
            StatusCode::FORBIDDEN => assert_eq!(code, "UnauthorizedOperation"),
            StatusCode::TOO_MANY_REQUESTS => {
                assert_eq!(code, "RequestLimitExceeded");
                held_up = true;
            }
            other => panic!("{other}: {answer}"),
        }
    }
    assert!(held_up);
}

#[tokio::test]
async fn instance_without_a_key_refuses() {
    let (api, _core) = api();
    let router = router(api, Access::Loopback);
    let (status, body) = send(&router, json_request("POST", CHALLENGE, "null")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("launched without a key pair"), "{message}");
    let unknown = "/v1/instances/i-00000000/shell/challenge";
    let (status, body) = send(&router, json_request("POST", unknown, "null")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{body}");
    let (status, body) = send(&router, json_request("POST", SHELL, "{}")).await;
    assert_eq!(status, StatusCode::UPGRADE_REQUIRED, "{body}");
}
