use hyper::{Request, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::client::{DEADLINE, Server, text};

/// Reads until `wanted` has come, however it is cut into segments.
pub(crate) async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut seen = String::new();
    let reading = async {
        let mut buffer = [0; 1024];
        while !seen.contains(wanted) {
            let length = stream.read(&mut buffer).await.unwrap();
            assert_ne!(length, 0, "closed after {seen:?}");
            seen.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
    };
    timeout(DEADLINE, reading).await.expect("read in time");
    seen
}

#[tokio::test]
async fn posted_bodies_come_back() {
    let server = Server::start().await;
    for path in ["/", "/echo"] {
        let request = Request::post(path).header("content-type", "text/csv");
        let response = server.send(request, "a,b\n").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/csv");
        assert_eq!(response.headers()["content-length"], "4");
        assert_eq!(text(&response), "a,b\n");
    }
}

#[tokio::test]
async fn a_body_is_echoed_while_it_comes_in() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"5\r\nfirst\r\n").await.unwrap();
    read_until(&mut stream, "first").await;
    stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut stream, "\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn a_large_body_comes_back_whole() {
    let server = Server::start().await;
    let body = "0123456789abcdef".repeat(256 * 1024);
    let response = server.send(Request::post("/echo"), &body).await;
    assert!(text(&response) == body);
}

#[tokio::test]
async fn a_tunnel_echoes_both_ways() {
    let server = Server::start().await;
    let mut stream = open_tunnel(&server, "Echo").await;
    for word in ["ping", "pong"] {
        stream.write_all(word.as_bytes()).await.unwrap();
        read_until(&mut stream, word).await;
    }
    stream.shutdown().await.unwrap();
    let end = timeout(DEADLINE, stream.read(&mut [0; 1])).await.unwrap();
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test]
async fn other_protocols_are_not_upgraded_to() {
    let server = Server::start().await;
    let request = Request::get("/ws")
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    let response = server.send(request, "").await;
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(response.headers()["upgrade"], "echo");
}

#[tokio::test]
async fn work_nobody_waits_for_is_dropped() {
    let server = Server::start().await;
    // As many as there are workers, or more: the last request below would wait for a minute.
    for _ in 0..std::thread::available_parallelism().unwrap().get() {
        let mut leaving = TcpStream::connect(server.address).await.unwrap();
        let head = b"GET /work?ms=60000 HTTP/1.1\r\nhost: test\r\n\r\n";
        leaving.write_all(head).await.unwrap();
        // Answered by the same thread, so the work above has begun by then.
        server.get("/health").await;
    }
    assert_eq!(server.get("/work?ms=1").await.status(), StatusCode::OK);
}

pub(crate) async fn open_tunnel(server: &Server, protocol: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "GET /ws HTTP/1.1\r\nhost: test\r\nconnection: keep-alive, Upgrade\r\nupgrade: {protocol}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    stream
}
