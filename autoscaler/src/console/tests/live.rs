use super::*;

#[tokio::test]
async fn page_is_renewed_where_it_has_changed() {
    let (mut api, core) = fixture::api();
    let api = Arc::get_mut(&mut api)
        .map(|api| api.statistics.clone())
        .zip(Some(api))
        .unwrap();
    let (statistics, api) = api;
    let router = api::router(api, Access::Loopback);
    let view = fixture::view();
    let clock = VirtualClock::starting_at(view.time);
    let stream = get("/").header(header::ACCEPT, "text/event-stream");
    let mut body = send(&router, empty(stream)).await.into_body();
    let mut next = async || {
        let frame = body.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    };
    statistics.look(&view, clock.now());
    assert!(
        next().await.contains("\"id\":\"conditions\""),
        "all of it first"
    );
    assert!(next().await.contains("\"id\":\"groups\""));
    assert!(next().await.starts_with("event: look"));
    core.view.send_modify(|view| {
        let group = &mut Arc::make_mut(view).auto_scaling_groups[0];
        Arc::make_mut(group).max_size = 9;
    });
    statistics.look(&view, clock.now());
    let changed = next().await;
    assert!(
        changed.contains("max 9") && changed.contains("\"id\":\"groups\""),
        "{changed}"
    );
    assert!(next().await.starts_with("event: look"));
    statistics.look(&view, clock.now());
    assert!(
        next().await.starts_with("event: look"),
        "nothing has changed"
    );
}

#[tokio::test]
async fn so_many_pages_are_renewed_at_once() {
    let (router, _core) = console(Access::Loopback, |_| {});
    let ask = || {
        let stream = get("/").header(header::ACCEPT, "text/event-stream");
        send(&router, empty(stream))
    };
    let mut streams = Vec::new();
    for _ in 0..32 {
        let response = ask().await;
        assert_eq!(response.status(), StatusCode::OK);
        streams.push(response);
    }
    assert_eq!(ask().await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let (status, _) = page(&router, "/").await;
    assert_eq!(status, StatusCode::OK, "it is still shown");
    streams.pop();
    assert_eq!(ask().await.status(), StatusCode::OK);
}
