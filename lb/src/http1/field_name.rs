/// No name that is known is longer.
const LONGEST: usize = 32;

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

            pub(super) fn of(name: &[u8]) -> Self {
                let mut lower = [0; LONGEST];
                let Some(text) = lower.get_mut(..name.len()) else {
                    return Self::Other;
                };
                text.copy_from_slice(name);
                // All of it, as that is done at once.
                lower.make_ascii_lowercase();
                match &lower[..name.len()] {
                    $($text => Self::$name,)*
                    _ => Self::Other,
                }
            }

            /// In lower case; empty for `Other`.
            fn as_bytes(self) -> &'static [u8] {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other => b"",
                }
            }
        }
    };
}

field_names! {
    Host = b"host",
    ContentLength = b"content-length",
    TransferEncoding = b"transfer-encoding",
    Connection = b"connection",
    KeepAlive = b"keep-alive",
    ProxyConnection = b"proxy-connection",
    Te = b"te",
    Trailer = b"trailer",
    Upgrade = b"upgrade",
    Expect = b"expect",
    Http2Settings = b"http2-settings",
    ProxyAuthorization = b"proxy-authorization",
    ProxyAuthenticate = b"proxy-authenticate",
    Proxy = b"proxy",
    XForwardedFor = b"x-forwarded-for",
    XForwardedProto = b"x-forwarded-proto",
    XForwardedPort = b"x-forwarded-port",
    XForwardedHost = b"x-forwarded-host",
    Forwarded = b"forwarded",
    XAmznTraceId = b"x-amzn-trace-id",
    Traceparent = b"traceparent",
    Tracestate = b"tracestate",
    Cookie = b"cookie",
    SetCookie = b"set-cookie",
    IdempotencyKey = b"idempotency-key",
    XIdempotencyKey = b"x-idempotency-key",
    AcceptEncoding = b"accept-encoding",
    ContentEncoding = b"content-encoding",
    ContentType = b"content-type",
    ContentRange = b"content-range",
    ContentMd5 = b"content-md5",
    ContentDigest = b"content-digest",
    ReprDigest = b"repr-digest",
    AcceptRanges = b"accept-ranges",
    CacheControl = b"cache-control",
    Etag = b"etag",
    Vary = b"vary",
    UserAgent = b"user-agent",
    Server = b"server",
    Date = b"date",
    Location = b"location",
    SecWebSocketKey = b"sec-websocket-key",
    RetryAfter = b"retry-after",
}

impl FieldName {
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
        let start = candidates[0]
            .as_bytes()
            .split(|&byte| byte == b'-')
            .next()?;
        let begins = letters.by_ref().take(start.len());
        if !begins
            .map(|byte| byte.to_ascii_lowercase())
            .eq(start.iter().copied())
        {
            return None;
        }
        let rest = || letters.clone().map(|byte| byte.to_ascii_lowercase());
        let is_it = |candidate: &&Self| {
            let text = candidate.as_bytes().iter().copied().skip(start.len());
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
            let text = str::from_utf8(name.as_bytes()).unwrap();
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
