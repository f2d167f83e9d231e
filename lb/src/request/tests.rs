use super::*;

fn request(line: &str, version: Version, fields: &[(&str, &str)]) -> Request<()> {
    let (method, target) = line.split_once(' ').unwrap();
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .version(version);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn check(line: &str, fields: &[(&str, &str)]) -> Result<(Request<()>, Traits), Fault> {
    let mut request = request(line, Version::HTTP_11, fields);
    let traits = normalize(&mut request, false, &HeaderValue::from_static("local:80"))?;
    Ok((request, traits))
}

#[test]
fn hosts_are_checked() {
    for host in [
        "a",
        "a.b:80",
        "a:",
        "[::1]",
        "[::1]:8080",
        "127.0.0.1:1",
        "xn--a_b~c",
    ] {
        assert!(check("GET /", &[("host", host)]).is_ok(), "{host}");
    }
    for host in [
        "", "a b", "a,b", "a@b", "a/b", ":80", "a:b", "a:123456", "[::1", "[]", "[::1]x", "a:1:2",
    ] {
        let fault = check("GET /", &[("host", host)]).unwrap_err();
        assert!(matches!(fault, Fault::BadRequest(_)), "{host}");
    }
    assert!(check("GET /", &[]).is_err());
    assert!(check("GET /", &[("host", "a"), ("host", "a")]).is_err());
}

#[test]
fn old_client_without_host_gets_one() {
    let mut request = request("GET /", Version::HTTP_10, &[]);
    normalize(&mut request, false, &HeaderValue::from_static("local:80")).unwrap();
    assert_eq!(request.headers()[HOST], "local:80");
}

#[test]
fn request_targets_become_origin_form() {
    let (request, _) = check("GET http://b:81/p?q", &[("host", "a")]).unwrap();
    assert_eq!(
        (request.uri().to_string().as_str(), &request.headers()[HOST]),
        ("/p?q", &HeaderValue::from_static("b:81"))
    );
    let (request, _) = check("GET http://b", &[("host", "a")]).unwrap();
    assert_eq!(request.uri().path(), "/");
    assert!(check("OPTIONS *", &[("host", "a")]).is_ok());
    for bad in ["GET *", "GET b:80", "GET ftp://b/", "GET http://u@b/"] {
        assert!(check(bad, &[("host", "a")]).is_err(), "{bad}");
    }
}

#[test]
fn methods_and_expectations() {
    for line in ["CONNECT a:80", "TRACE /"] {
        assert!(matches!(
            check(line, &[("host", "a")]),
            Err(Fault::MethodNotAllowed)
        ));
    }
    let (request, _) = check("GET /", &[("host", "a"), ("expect", "100-Continue")]).unwrap();
    assert!(!request.headers().contains_key(EXPECT));
    let fault = check("GET /", &[("host", "a"), ("expect", "magic")]).unwrap_err();
    assert!(matches!(fault, Fault::ExpectationFailed));
}

#[test]
fn only_one_chunked_passes() {
    let te = |values: &[&'static str]| {
        let mut fields = vec![("host", "a")];
        fields.extend(values.iter().map(|value| ("transfer-encoding", *value)));
        check("POST /", &fields)
    };
    assert!(te(&["Chunked"]).is_ok());
    for values in [
        &["chunked", "chunked"][..],
        &["chunked, chunked"],
        &["identity"],
        &["identity, chunked"],
        &[""],
    ] {
        assert!(
            matches!(te(values), Err(Fault::BadRequest(_))),
            "{values:?}"
        );
    }
    for values in [&["gzip, chunked"][..], &["xchunked"], &["chunked;q=1"]] {
        assert!(
            matches!(te(values), Err(Fault::TransferCoding)),
            "{values:?}"
        );
    }
}

#[test]
fn traits_are_read() {
    let (_, traits) = check(
        "GET /",
        &[
            ("host", "a"),
            ("connection", "x, Upgrade"),
            ("upgrade", "websocket"),
        ],
    )
    .unwrap();
    assert_eq!(traits.upgrade.unwrap(), "websocket");
    for fields in [
        &[("host", "a"), ("upgrade", "websocket")][..],
        &[
            ("host", "a"),
            ("connection", "upgrade, http2-settings"),
            ("upgrade", "h2c"),
        ],
        &[("host", "a"), ("connection", "upgrade")],
    ] {
        assert!(check("GET /", fields).unwrap().1.upgrade.is_none());
    }
    let (_, traits) = check("POST /", &[("host", "a"), ("content-length", "7")]).unwrap();
    assert_eq!((traits.is_idempotent, traits.length), (false, Some(7)));
    assert!(
        check("POST /", &[("host", "a"), ("idempotency-key", "k")])
            .unwrap()
            .1
            .is_idempotent
    );
    assert!(check("PUT /", &[("host", "a")]).unwrap().1.is_idempotent);
}
