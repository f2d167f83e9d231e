use super::*;

#[tokio::test]
async fn pages_show_what_is_there_and_load_nothing_from_elsewhere() {
    let (router, _core) = console(Access::Loopback, |_| {});
    for path in PAGES {
        let response = send(&router, empty(get(path))).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let policy = &response.headers()[header::CONTENT_SECURITY_POLICY];
        assert!(policy.to_str().unwrap().starts_with("default-src 'none'"));
        let text = text(response).await;
        assert!(text.contains("<h1>"), "{path}: {text}");
        for outside in ["src=\"http", "style=", "onclick", "href=\"//", "@import"] {
            assert!(!text.contains(outside), "{path} has {outside}");
        }
    }
    let (_, overview) = page(&router, "/").await;
    assert!(
        overview.contains("<b>1</b> in service of <b>1</b> desired"),
        "{overview}"
    );
    for asset in ["console.css", "console.js", "icon.svg"] {
        let (status, body) = page(&router, &format!("/assets/{asset}")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!body.contains("http://") || asset == "icon.svg", "{asset}");
    }
    for missing in [
        "/groups/nope",
        "/instances/i-00000000",
        "/instances/nope",
        "/assets/nope",
    ] {
        let (status, text) = page(&router, missing).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{missing}");
        assert!(text.contains("There is no"), "{text}");
    }
}

#[tokio::test]
async fn text_from_outside_is_text() {
    let hostile = "<img src=x onerror=alert(1)>\"'&</script><script>";
    let (router, _core) = console(Access::Loopback, |view| tell_everywhere(view, hostile));
    for path in PAGES.into_iter().chain(["/groups/web"]) {
        let (status, text) = page(&router, path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!text.contains("<img src=x"), "{path}: {text}");
        assert!(!text.contains("</script><script>"), "{path}: {text}");
    }
    let (_, text) = page(
        &router,
        "/load-balancer?url=%3Cimg+src%3Dx%3E&method=%22%3E",
    )
    .await;
    assert!(
        !text.contains("<img") || text.contains("icon.svg"),
        "{text}"
    );
    assert!(!text.contains("<img src=x"), "{text}");
}

#[tokio::test]
async fn what_was_rejected_stands_above_what_is_in_force() {
    let (router, _core) = console(Access::Loopback, |view| {
        let example = include_bytes!("../../../../minicloud.yaml");
        view.configuration.text = example.as_slice().into();
        tell_everywhere(view, "label minicloud.mxa of api is not one");
    });
    let (status, text) = page(&router, "/configuration").await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(
        place("minicloud.mxa") < place("<h2>Rejected</h2>"),
        "it is wrong, too"
    );
    assert!(place("<h2>Rejected</h2>") < place("auto_scaling_groups.web.max_size"));
}

#[tokio::test]
async fn drain_counts_down_where_targets_and_instances_are_listed() {
    let (router, _core) = console(Access::Loopback, |view| {
        tell_everywhere(view, "a probe that failed");
        let until = view.time + Duration::from_secs(25);
        let group = Arc::make_mut(&mut view.auto_scaling_groups[0]);
        group.instances[0].lifecycle_state = crate::instance::LifecycleState::Terminating;
        group.instances[0].draining_until = Some(until);
    });
    for path in ["/instances", "/load-balancer", "/groups/web"] {
        let (_, text) = page(&router, path).await;
        assert!(text.contains("25 s at most"), "{path}: {text}");
        assert!(text.contains("a probe that failed"), "{path}: {text}");
    }
}
