use hyper::{Request, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    client::{Connection, DEADLINE, Server, text},
    streams::{open_tunnel, read_until},
};

#[tokio::test]
async fn a_server_without_connections_leaves_at_once() {
    let server = Server::start().await;
    let address = server.address;
    drained(server).await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_is_in_flight_is_answered() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // The head of the answer shows that the request has arrived.
    read_until(&mut stream, "\r\n\r\n").await;
    let running = server.shut_down();
    stream.write_all(b"hello").await.unwrap();
    read_until(&mut stream, "hello").await;
    assert_eq!(
        timeout(DEADLINE, stream.read(&mut [0; 1]))
            .await
            .unwrap()
            .unwrap(),
        0
    );
    timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_connection_may_bring_one_more_request() {
    let server = Server::start().await;
    let mut connection = Connection::open(server.address).await;
    connection.send(Request::get("/"), "").await;
    let running = server.shut_down();
    let response = connection.send(Request::get("/"), "").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(text(&response).ends_with("requests served: 2\n"));
    connection.closed().await;
    timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn answers_while_draining_say_close() {
    let server = Server::start().await;
    let address = server.address;
    let mut first = Connection::open(address).await;
    let mut second = Connection::open(address).await;
    let response = first.send(Request::get("/"), "").await;
    assert_eq!(response.headers().get("connection"), None);
    let running = server.shut_down();
    // The listener is closed after the phase has changed.
    timeout(DEADLINE, async {
        while TcpStream::connect(address).await.is_ok() {}
    })
    .await
    .unwrap();
    let response = second.send(Request::get("/"), "").await;
    assert_eq!(response.headers()["connection"], "close");
    drop(first);
    timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_in_the_backlog_is_served() {
    let server = Server::start().await;
    // On this runtime of one thread nothing is accepted between these lines.
    let stream = std::net::TcpStream::connect(server.address).unwrap();
    let running = server.shut_down();
    stream.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(stream).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    let answer = read_until(&mut stream, "requests served").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn silent_connections_do_not_hold_the_drain() {
    let server = Server::start().await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    let mut idle = Connection::open(server.address).await;
    idle.send(Request::get("/"), "").await;
    let start = Instant::now();
    drained(server).await;
    assert!(start.elapsed().as_secs() < 9, "cut, not closed");
    drop((silent, idle));
}

#[tokio::test]
async fn what_does_not_end_is_cut() {
    let server = Server::start().await;
    let address = server.address;
    let mut tunnel = open_tunnel(&server, "echo").await;
    let mut working = Connection::open(address).await;
    let work =
        tokio::spawn(async move { working.try_send(Request::get("/work?ms=60000"), "").await });
    drained(server).await;
    assert!(work.await.unwrap().is_err());
    // Cut may reach the client as an end or as a reset.
    let end = timeout(DEADLINE, tunnel.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)));
}

async fn drained(server: Server) {
    timeout(DEADLINE, server.shut_down())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
