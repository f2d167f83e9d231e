use super::*;

#[tokio::test]
async fn exec_streams_bytes_and_exit_code() {
    let (api, _core) = api();
    let request = json_request(
        "POST",
        "/v1/instances/i-0123abcd/exec",
        "{\"command\":[\"echo\"]}",
    );
    let response = router(api, Access::Loopback)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/x-ndjson"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let frames: Vec<ExecFrame> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let bytes = Bytes::from_static(b"\xff\x00hi\n");
    assert_eq!(
        frames,
        [
            ExecFrame::Stdout(bytes.clone()),
            ExecFrame::Stderr(bytes),
            ExecFrame::ExitCode(3)
        ]
    );
}

#[tokio::test]
async fn client_that_leaves_ends_its_command() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (api, mut core) = api();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let router = router(api, Access::Loopback);
    let server = tokio::spawn(serve(Listener::Tcp(listener), router, shutdown.clone()));
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = "{\"command\":[\"hang\"]}";
    let head = format!(
        "POST /v1/instances/i-0123abcd/exec HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    drop(client);
    tokio::time::timeout(Duration::from_secs(5), core.dropped.recv())
        .await
        .expect("the command ends with its client")
        .unwrap();
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), server)
        .await
        .expect("the server ends")
        .unwrap();
}

proptest::proptest! {
    /// Whatever path and method come in, the answer is a success, a fault, or a page of the
    /// console that says what is wrong.
    #[test]
    fn no_route_answers_without_a_fault(
        method in "GET|PUT|POST|PATCH|DELETE|OPTIONS|TRACE|[A-Z]{1,9}",
        path in "/(v1|internal/v1)?/?(groups|target-groups|instances|status|report|snapshot)?(/[a-z%0-9]{0,9}){0,3}",
        body in "\\PC{0,60}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (api, core) = api();
        drop(core.commands);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = json_request(method.as_str(), &path, body);
        let (status, body) = runtime.block_on(async {
            let answer = router(api, Access::Loopback).oneshot(request).await.unwrap();
            let status = answer.status();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8_lossy(&body).into_owned())
        });
        let fault: Value = serde_json::from_str(&body).unwrap_or_default();
        proptest::prop_assert!(
            status.is_success() || fault["error"]["code"].is_string() || body.contains("role=\"alert\""),
            "{} {} {:?}", status, path, body
        );
    }
}
