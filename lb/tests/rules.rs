//! What a listener's rules do with a request, and whom it believes.

use minicloud_lb_api::{
    Action, Condition, FixedResponse, Patterns, RateLimit, RateLimitKey, Redirect, Rewrite, Rule,
    Transform, XffHeaderProcessingMode,
};

use crate::harness::{Client, Lb, Record, Reply, get, target::field};

fn on_path(priority: u32, pattern: &str, action: Action) -> Rule {
    Rule {
        priority,
        conditions: vec![Condition::PathPattern(Patterns {
            values: vec![pattern.into()],
            ..Patterns::default()
        })],
        transforms: Vec::new(),
        action,
        rate_limit: None,
        compression: None,
    }
}

async fn start(rules: Vec<Rule>) -> (Lb, Record, crate::harness::Target) {
    let record = Record::default();
    let target = record.target().await;
    let lb = Lb::start(&[&target]).await;
    lb.apply(|snapshot| snapshot.listeners[0].rules = rules)
        .await;
    assert_eq!(lb.lb.report().borrow().faults, [] as [String; 0]);
    (lb, record, target)
}

async fn ask(lb: &Lb, request: impl AsRef<[u8]>) -> Reply {
    let mut client = lb.connect().await;
    client.send(request).await;
    client.reply().await
}

#[tokio::test]
async fn redirect_keeps_what_it_is_told_to() {
    let redirect = Redirect {
        protocol: "HTTPS".into(),
        port: "443".into(),
        path: "/new/#{path}".into(),
        status_code: 301,
        ..Redirect::default()
    };
    let (lb, record, _target) = start(vec![on_path(1, "/old/*", Action::Redirect(redirect))]).await;
    let reply = ask(&lb, "GET /old/a?b=c HTTP/1.1\r\nHost: shop:81\r\n\r\n").await;
    assert_eq!(reply.status, 301);
    assert_eq!(reply.headers["location"], "https://shop/new/old/a?b=c");
    // What would split the response is not decoded.
    let split = get("/old/%0d%0aSet-Cookie:%20evil?%0d%0a");
    let reply = ask(&lb, split).await;
    assert_eq!(reply.status, 301);
    assert!(!reply.headers.contains_key("set-cookie"), "{reply:?}");
    assert!(record.take().1.is_empty(), "no target is asked");
    // A request with a body is answered, and its body is nobody's next request.
    let inner = get("/inner");
    let post = format!(
        "POST /old/ HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{inner}",
        inner.len()
    );
    let mut client = lb.connect().await;
    client.send(post + &get("/canary")).await;
    assert_eq!(client.reply().await.status, 301);
    assert!(client.is_closed().await);
    assert!(record.take().1.is_empty());
}

#[tokio::test]
async fn fixed_response_is_given_as_it_is() {
    let response = FixedResponse {
        status_code: 418,
        content_type: "application/json".into(),
        message_body: "{\"tea\":true}".into(),
    };
    let rule = on_path(1, "/tea", Action::FixedResponse(response));
    let (lb, _record, _target) = start(vec![rule]).await;
    let mut client = lb.connect().await;
    for _ in 0..2 {
        client.send(get("/tea")).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.text()), (418, "{\"tea\":true}"));
        assert_eq!(reply.headers["content-type"], "application/json");
    }
    client.send("HEAD /tea HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let reply = client.try_reply(false).await.unwrap();
    assert_eq!(reply.headers["content-length"], "12");
    client.send(get("/else")).await;
    assert_eq!(client.reply().await.text(), "GET /else HTTP/1.1");
}

#[tokio::test]
async fn transforms_change_what_targets_see() {
    let rewrite = |regex: &str, replace: &str| Rewrite {
        regex: regex.into(),
        replace: replace.into(),
    };
    let mut rule = on_path(1, "/api/*", Action::forward("web"));
    rule.transforms = vec![
        Transform::HostHeaderRewrite(rewrite("^(.*)\\.example$", "$1.internal")),
        Transform::UrlRewrite(rewrite("^/api/", "/")),
    ];
    let mut hostile = on_path(2, "/split/*", Action::forward("web"));
    hostile.transforms = vec![Transform::UrlRewrite(rewrite("^/split/(.*)$", "$1"))];
    let (lb, record, _target) = start(vec![rule, hostile]).await;
    let reply = ask(
        &lb,
        "GET /api/v1?q=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    )
    .await;
    assert_eq!(reply.text(), "GET /v1?q=1 HTTP/1.1");
    let (_, requests) = record.take();
    assert_eq!(field(&requests[0].head, "host"), Some("shop.internal"));
    // What is no request target any more is not sent.
    assert_eq!(ask(&lb, get("/split/a")).await.status, 500);
    assert!(record.take().1.is_empty());
}

#[tokio::test]
async fn requests_over_the_rate_are_told_when_to_come() {
    let mut rule = on_path(1, "/limited", Action::forward("web"));
    rule.rate_limit = Some(RateLimit {
        requests_per_second: 0.1,
        burst: 3,
        per: RateLimitKey::SourceIp,
    });
    let (lb, record, _target) = start(vec![rule]).await;
    let mut client = lb.connect().await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        client.send(get("/limited")).await;
        let reply = client.reply().await;
        statuses.push(reply.status);
        if reply.status == 429 {
            let seconds: u64 = reply.headers["retry-after"].parse().unwrap();
            assert!((1..=10).contains(&seconds), "{seconds}");
            assert!(!reply.says_close());
        }
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    client.send(get("/free")).await;
    assert_eq!(client.reply().await.status, 200, "no limit here");
    let mut other = Client::connect_from([127, 0, 0, 2].into(), lb.port).await;
    other.send(get("/limited")).await;
    assert_eq!(
        other.reply().await.status,
        200,
        "another client's allowance"
    );
    assert_eq!(record.take().1.len(), 5);
    // A change of other rules does not give the allowance back.
    lb.apply(|snapshot| {
        let other = on_path(7, "/other", Action::forward("web"));
        snapshot.listeners[0].rules.push(other);
    })
    .await;
    client.send(get("/limited")).await;
    assert_eq!(client.reply().await.status, 429);
}

/// Fields that a client claims to have been sent by hops before it.
const CLAIMS: &str = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 10.0.0.9\r\n\
    X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\nForwarded: for=6.6.6.6\r\n";

async fn claims_seen(lb: &Lb, record: &Record) -> (Option<String>, Option<String>, bool) {
    let reply = ask(lb, format!("GET / HTTP/1.1\r\nHost: a\r\n{CLAIMS}\r\n")).await;
    assert_eq!(reply.status, 200);
    let (_, mut requests) = record.take();
    let head = requests.remove(0).head;
    let value = |name| field(&head, name).map(ToOwned::to_owned);
    let fields = head
        .to_ascii_lowercase()
        .matches("x-forwarded-for:")
        .count();
    assert!(fields <= 1, "{head}");
    (
        value("x-forwarded-for"),
        value("x-forwarded-proto"),
        head.contains("Forwarded: for"),
    )
}

#[tokio::test]
async fn only_trusted_networks_are_believed() {
    use XffHeaderProcessingMode::{Append, Preserve, Remove};
    let (lb, record, _target) = start(Vec::new()).await;
    let cases = [
        (None, Append, Some("127.0.0.1"), "http"),
        (None, Preserve, Some("127.0.0.1"), "http"),
        (None, Remove, None, "http"),
        (
            Some("127.0.0.0/8"),
            Append,
            Some("6.6.6.6, 10.0.0.9, 127.0.0.1"),
            "https",
        ),
        (
            Some("127.0.0.0/8"),
            Preserve,
            Some("6.6.6.6, 10.0.0.9"),
            "https",
        ),
        (Some("127.0.0.0/8"), Remove, None, "https"),
        (Some("10.0.0.0/8"), Append, Some("127.0.0.1"), "http"),
    ];
    for (network, mode, forwarded_for, proto) in cases {
        lb.apply(|snapshot| {
            let attributes = &mut snapshot.listeners[0].attributes;
            attributes.trusted_networks = network.iter().map(|net| net.parse().unwrap()).collect();
            attributes.xff_header_processing_mode = mode;
        })
        .await;
        let (seen_for, seen_proto, has_forwarded) = claims_seen(&lb, &record).await;
        let is_trusted = proto == "https";
        assert_eq!(seen_for.as_deref(), forwarded_for, "{network:?} {mode:?}");
        assert_eq!(seen_proto.as_deref(), Some(proto), "{network:?} {mode:?}");
        assert_eq!(has_forwarded, is_trusted, "{network:?} {mode:?}");
    }
}

/// A rule on the client's address goes by the last hop that is not trusted, nobody else's word.
#[tokio::test]
async fn source_ip_is_the_last_untrusted_hop() {
    let mut rule = on_path(
        1,
        "/*",
        Action::FixedResponse(FixedResponse {
            status_code: 403,
            content_type: String::new(),
            message_body: String::new(),
        }),
    );
    rule.conditions = vec![Condition::SourceIp(vec!["6.6.6.0/24".parse().unwrap()])];
    let (lb, _record, _target) = start(vec![rule]).await;
    let claim =
        |hops: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {hops}\r\n\r\n");
    assert_eq!(ask(&lb, claim("6.6.6.6")).await.status, 200, "not believed");
    lb.apply(|snapshot| {
        let networks = ["127.0.0.0/8", "10.0.0.0/8"].map(|net| net.parse().unwrap());
        snapshot.listeners[0].attributes.trusted_networks = networks.into();
    })
    .await;
    for (hops, status) in [
        ("6.6.6.6", 403),
        ("6.6.6.6, 10.0.0.1", 403),
        ("6.6.6.6, 7.7.7.7", 200),
        ("6.6.6.6, nonsense", 200),
        ("10.0.0.1", 200),
    ] {
        assert_eq!(ask(&lb, claim(hops)).await.status, status, "{hops}");
    }
}

#[tokio::test]
async fn too_many_forwarding_hops_are_refused() {
    let (lb, record, _target) = start(Vec::new()).await;
    let hops = |count| vec!["10.0.0.1"; count].join(", ");
    for (count, status) in [(30, 200), (31, 463)] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {}\r\n\r\n",
            hops(count)
        );
        assert_eq!(ask(&lb, request).await.status, status, "{count}");
    }
    assert_eq!(record.take().1.len(), 1);
}

#[tokio::test]
async fn weight_of_zero_gets_nothing_even_alone() {
    let mut action = Action::forward("web");
    if let Action::Forward(forward) = &mut action {
        forward.target_groups[0].weight = 0;
    }
    let (lb, _, target) = start(vec![on_path(1, "/none", action)]).await;
    assert_eq!(lb.get("/none").await.status, 503);
    assert_eq!(lb.get("/").await.status, 200);
    assert_eq!(target.requests(), 1);
}
