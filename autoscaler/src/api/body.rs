use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::fault::Fault;

/// A request body that is one JSON object and nothing else. A form cannot forge it: only
/// `application/json` passes, which a browser does not send across origins unasked.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        if !is_json(request.headers()) {
            return Err(Fault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UnsupportedMediaType",
                "the body must be JSON: send `Content-Type: application/json`",
            ));
        }
        parse(&read(request, state).await?).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    essence(headers).is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

/// The content type without its parameters.
pub(super) fn essence(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// The whole body, within the route's limit.
pub(super) async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Fault> {
    let read = Bytes::from_request(request, state).await;
    read.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "the body is too large",
        ),
        _ => Fault::new(
            StatusCode::BAD_REQUEST,
            "IncompleteBody",
            rejection.body_text(),
        ),
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    // serde would take an array for a struct, member by member.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|byte| b"[\"0123456789-tfn".contains(byte)) {
        return Err(Fault::validation("the body must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        fault(&path, error.inner())
    })?;
    json.end().map_err(|error| fault(".", &error))?;
    Ok(value)
}

fn fault(path: &str, error: &serde_json::Error) -> Fault {
    match error.classify() {
        Category::Data if path == "." => Fault::validation(error.to_string()),
        Category::Data => Fault::validation(format!("{path}: {error}")),
        Category::Syntax | Category::Eof | Category::Io => Fault::new(
            StatusCode::BAD_REQUEST,
            "MalformedJson",
            format!("the body is not JSON: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::CapacityUpdate;

    #[test]
    fn faults_name_the_field_and_the_place() {
        for (body, code, says) in [
            ("", "MalformedJson", "line 1 column 0"),
            ("{\n \"min_size\": 1,", "MalformedJson", "line 2 column 15"),
            ("{} x", "MalformedJson", "column 4"),
            ("[1, 2, 2]", "ValidationError", "a JSON object"),
            ("null", "ValidationError", "a JSON object"),
            ("{\"size\": 1}", "ValidationError", "unknown field `size`"),
            (
                "{\"min_size\": \"1\"}",
                "ValidationError",
                "min_size: invalid type",
            ),
            (
                "{\"max_size\": -1}",
                "ValidationError",
                "max_size: invalid value",
            ),
            (
                "{\"max_size\": 1.5}",
                "ValidationError",
                "max_size: invalid type",
            ),
            (
                "{\"max_size\": 4294967296}",
                "ValidationError",
                "max_size: invalid value",
            ),
            (
                "{\"min_size\": 1, \"min_size\": 2}",
                "ValidationError",
                "duplicate field",
            ),
        ] {
            let detail = parse::<CapacityUpdate>(body.as_bytes())
                .unwrap_err()
                .detail();
            assert_eq!(detail.code, code, "{body}: {}", detail.message);
            assert!(detail.message.contains(says), "{body}: {}", detail.message);
        }
    }
}
