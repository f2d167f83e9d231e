//! Binding what an [`Endpoint`] names.

use std::{fs, io, os::unix::fs::FileTypeExt, os::unix::fs::PermissionsExt, path::Path};

use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::{endpoint::Endpoint, failure::Failure};

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    /// Binds; `option` is what the user changes to have it elsewhere.
    pub(crate) async fn bind(endpoint: &Endpoint, option: &str) -> Result<Self, Failure> {
        let bound = match endpoint {
            Endpoint::Tcp { .. } => bind_tcp(endpoint).await.map(Self::Tcp),
            Endpoint::Unix(path) => bind_unix(path).await.map(Self::Unix),
        };
        bound.map_err(|error| Failure::cannot_listen(endpoint, option, &error))
    }
}

async fn bind_tcp(endpoint: &Endpoint) -> io::Result<TcpListener> {
    let addresses = endpoint.addresses().await?;
    // One socket: a name with several addresses listens on its first.
    TcpListener::bind(&addresses[..addresses.len().min(1)]).await
}

/// A socket file that nobody answers on is left from a process that was killed, and replaced.
async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        match UnixStream::connect(path).await {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?;
            }
            Err(error) => return Err(error),
        }
    }
    let listener = UnixListener::bind(path)?;
    // Parts run as users of their own; the boundary is who has the folder mounted.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[tokio::test]
    async fn only_a_dead_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let endpoint = Endpoint::Unix(path.clone());
        let first = Socket::bind(&endpoint, "--listen").await.unwrap();
        let failure = Socket::bind(&endpoint, "--listen").await.unwrap_err();
        assert_eq!(failure.exit, Exit::InUse);
        drop(first);
        assert!(path.exists(), "left behind, as by a kill");
        Socket::bind(&endpoint, "--listen").await.unwrap();

        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        let failure = Socket::bind(&endpoint, "--listen").await.unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine", "{failure}");
    }

    #[tokio::test]
    async fn taken_port_is_named_with_its_option() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint: Endpoint = taken.local_addr().unwrap().to_string().parse().unwrap();
        let failure = Socket::bind(&endpoint, "--api").await.unwrap_err();
        assert_eq!(failure.exit, Exit::InUse);
        assert!(failure.to_string().contains("--api"), "{failure}");
    }
}
