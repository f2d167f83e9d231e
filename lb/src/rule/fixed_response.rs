use bytes::Bytes;

/// A response that the balancer gives by itself.
#[derive(Debug)]
pub(crate) struct FixedResponse {
    pub(crate) status: u16,
    /// None: no Content-Type.
    pub(crate) content_type: Option<String>,
    pub(crate) body: Bytes,
}

impl FixedResponse {
    pub(super) fn new(response: &minicloud_lb_api::FixedResponse) -> Self {
        // Told apart from HTML, which a browser might else take it for.
        let content_type = match (&*response.content_type, &*response.message_body) {
            ("", "") => None,
            ("", _) => Some("text/plain; charset=utf-8".to_owned()),
            (content_type, _) => Some(content_type.to_owned()),
        };
        Self {
            status: response.status_code,
            content_type,
            body: Bytes::copy_from_slice(response.message_body.as_bytes()),
        }
    }
}
