//! Where a part listens or is reached: `host:port`, `http://host:port` or `unix:/path`.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream, lookup_host},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp {
        /// A name or an IP address, IPv6 without brackets.
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` {fault}; write host:port, http://host:port or unix:/path")]
pub(crate) struct EndpointError {
    text: String,
    fault: &'static str,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Endpoint {
    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Tcp { .. } => {
                let addresses = self.addresses().await?;
                let stream = TcpStream::connect(addresses.as_slice()).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }

    /// The socket addresses of a TCP endpoint; none of a Unix one. `localhost` and
    /// `*.localhost` are this machine, which glibc does not know of the latter (RFC 6761 6.3).
    pub(crate) async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let Self::Tcp { host, port } = self else {
            return Ok(Vec::new());
        };
        let name = host.to_ascii_lowercase();
        if name == "localhost" || name.ends_with(".localhost") {
            let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            return Ok(loopback.map(|ip| SocketAddr::new(ip, *port)).to_vec());
        }
        Ok(lookup_host((host.as_str(), *port)).await?.collect())
    }

    /// What goes into a `Host` header.
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |fault| {
            Err(EndpointError {
                text: text.chars().take(80).collect(),
                fault,
            })
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.is_empty() {
                true => fail("names no socket"),
                false => Ok(Self::Unix(path.into())),
            };
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains("://") {
            return fail("is not plain http");
        }
        let Some((host, port)) = rest.rsplit_once(':') else {
            return fail("has no port");
        };
        let Ok(port) = port.parse() else {
            return fail("has a port that is not a number up to 65535");
        };
        match host_name(host) {
            Some(host) => Ok(Self::Tcp { host, port }),
            None => fail("has no valid host"),
        }
    }
}

fn host_name(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    let valid = !text.is_empty()
        && text.len() <= 253
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    valid.then(|| text.to_owned())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { .. } => write!(f, "http://{}", self.authority()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_shown() {
        for (text, shown) in [
            ("127.0.0.1:8090", "http://127.0.0.1:8090"),
            ("http://localhost:8090/", "http://localhost:8090"),
            ("[::1]:80", "http://[::1]:80"),
            ("agent:8092", "http://agent:8092"),
            ("unix:/run/lb.sock", "unix:/run/lb.sock"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(shown.parse(), Ok(endpoint));
        }
    }

    #[test]
    fn bad_endpoints_say_why() {
        for (text, why) in [
            ("", "no port"),
            ("localhost", "no port"),
            ("localhost:x", "not a number"),
            ("localhost:65536", "not a number"),
            (":80", "no valid host"),
            ("::1:80", "no valid host"),
            ("[::1:80", "no valid host"),
            ("a b:80", "no valid host"),
            ("user@host:80", "no valid host"),
            ("https://localhost:443", "not plain http"),
            ("unix:", "no socket"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn localhost_names_are_this_machine() {
        let endpoint: Endpoint = "web.LOCALHOST:80".parse().unwrap();
        let addresses = endpoint.addresses().await.unwrap();
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
    }
}
