macro_rules! field_names {
    ($($name:ident = $text:literal,)*) => {
        /// The fields that a proxy acts on, whatever their case; all others are `Other`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum FieldName {
            $($name,)*
            Other,
        }

        impl FieldName {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// In lower case; empty for `Other`.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other => "",
                }
            }
        }
    };
}

field_names! {
    Host = "host",
    ContentLength = "content-length",
    TransferEncoding = "transfer-encoding",
    Connection = "connection",
    KeepAlive = "keep-alive",
    ProxyConnection = "proxy-connection",
    Te = "te",
    Trailer = "trailer",
    Upgrade = "upgrade",
    Expect = "expect",
    Http2Settings = "http2-settings",
    ProxyAuthorization = "proxy-authorization",
    ProxyAuthenticate = "proxy-authenticate",
    Proxy = "proxy",
    XForwardedFor = "x-forwarded-for",
    XForwardedProto = "x-forwarded-proto",
    XForwardedPort = "x-forwarded-port",
    XForwardedHost = "x-forwarded-host",
    Forwarded = "forwarded",
    XAmznTraceId = "x-amzn-trace-id",
    Traceparent = "traceparent",
    Tracestate = "tracestate",
    Cookie = "cookie",
    SetCookie = "set-cookie",
    IdempotencyKey = "idempotency-key",
    XIdempotencyKey = "x-idempotency-key",
    AcceptEncoding = "accept-encoding",
    ContentEncoding = "content-encoding",
    ContentType = "content-type",
    ContentRange = "content-range",
    ContentMd5 = "content-md5",
    ContentDigest = "content-digest",
    ReprDigest = "repr-digest",
    AcceptRanges = "accept-ranges",
    CacheControl = "cache-control",
    Etag = "etag",
    Vary = "vary",
    UserAgent = "user-agent",
    Server = "server",
    Date = "date",
    Location = "location",
    SecWebSocketKey = "sec-websocket-key",
    RetryAfter = "retry-after",
}

impl FieldName {
    /// By length first: a name that is not here is compared to four others at most.
    pub(super) fn of(name: &[u8]) -> Self {
        let candidates: &[Self] = match name.len() {
            2 => &[Self::Te],
            4 => &[Self::Host, Self::Date, Self::Etag, Self::Vary],
            5 => &[Self::Proxy],
            6 => &[Self::Cookie, Self::Expect, Self::Server],
            7 => &[Self::Upgrade, Self::Trailer],
            8 => &[Self::Location],
            9 => &[Self::Forwarded],
            10 => &[
                Self::UserAgent,
                Self::Connection,
                Self::KeepAlive,
                Self::SetCookie,
                Self::Tracestate,
            ],
            11 => &[
                Self::Traceparent,
                Self::RetryAfter,
                Self::ContentMd5,
                Self::ReprDigest,
            ],
            12 => &[Self::ContentType],
            13 => &[Self::CacheControl, Self::ContentRange, Self::AcceptRanges],
            14 => &[
                Self::ContentLength,
                Self::Http2Settings,
                Self::ContentDigest,
            ],
            15 => &[
                Self::AcceptEncoding,
                Self::XForwardedFor,
                Self::XAmznTraceId,
                Self::IdempotencyKey,
            ],
            16 => &[
                Self::ContentEncoding,
                Self::ProxyConnection,
                Self::XForwardedPort,
                Self::XForwardedHost,
            ],
            17 => &[
                Self::TransferEncoding,
                Self::XForwardedProto,
                Self::SecWebSocketKey,
                Self::XIdempotencyKey,
            ],
            18 => &[Self::ProxyAuthenticate],
            19 => &[Self::ProxyAuthorization],
            _ => &[],
        };
        let is_it = |candidate: &&Self| name.eq_ignore_ascii_case(candidate.as_str().as_bytes());
        candidates
            .iter()
            .find(is_it)
            .copied()
            .unwrap_or(Self::Other)
    }

    /// What `name`, which is none of the above, may become where names are normalised: CGI
    /// and its heirs take `_` for `-`, others drop what is no letter. As ALB's guardian does,
    /// this takes any one byte for the first `-`.
    pub(super) fn look_alike(name: &[u8]) -> Option<Self> {
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric();
        let mut letters = name.iter().copied().filter(is_letter);
        let candidates: &[Self] = match letters.clone().next()?.to_ascii_lowercase() {
            b'c' => &[Self::ContentLength],
            b't' => &[Self::TransferEncoding],
            b'x' => &[
                Self::XForwardedFor,
                Self::XForwardedProto,
                Self::XForwardedPort,
                Self::XForwardedHost,
            ],
            _ => return None,
        };
        let (start, _) = candidates[0].as_str().split_once('-')?;
        let begins = letters.by_ref().take(start.len());
        if !begins
            .map(|byte| byte.to_ascii_lowercase())
            .eq(start.bytes())
        {
            return None;
        }
        let rest = || letters.clone().map(|byte| byte.to_ascii_lowercase());
        let is_it = |candidate: &&Self| {
            let text = candidate.as_str().bytes().skip(start.len());
            let text = || text.clone().filter(is_letter);
            rest().eq(text()) || rest().skip(1).eq(text())
        };
        candidates.iter().find(is_it).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_recognised_in_any_case() {
        for &name in FieldName::ALL {
            let text = name.as_str();
            assert_eq!(FieldName::of(text.as_bytes()), name, "{text}");
            assert_eq!(
                FieldName::of(text.to_ascii_uppercase().as_bytes()),
                name,
                "{text}"
            );
            assert_eq!(
                FieldName::of(text.replace(['-', 't'], "_").as_bytes()) == name,
                !text.contains(['-', 't'])
            );
        }
        assert!(
            (FieldName::Other as u32) < u64::BITS,
            "a set of names is a u64"
        );
    }

    #[test]
    fn other_names_are_not() {
        for text in [
            "",
            "x",
            "accept",
            "content-lengti",
            "x-forwarded-foo",
            "transfer-encodings",
            "content-my-length",
            "x-my-forwarded-for",
        ] {
            assert_eq!(FieldName::of(text.as_bytes()), FieldName::Other, "{text}");
            assert_eq!(FieldName::look_alike(text.as_bytes()), None, "{text}");
        }
    }
}
