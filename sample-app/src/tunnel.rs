use hyper::{
    Request,
    body::Incoming,
    header::{CONNECTION, UPGRADE},
};
use hyper_util::rt::TokioIo;
use tokio::{io, select};

use crate::lease::{Lease, Phase};

/// The only protocol that is spoken here: what comes in goes out.
pub(crate) const PROTOCOL: &str = "echo";

pub(crate) fn is_wanted(request: &Request<Incoming>) -> bool {
    let lists = |name, wanted: &str| {
        request.headers().get_all(name).iter().any(|value| {
            value.to_str().is_ok_and(|text| {
                text.split(',')
                    .any(|part| part.trim().eq_ignore_ascii_case(wanted))
            })
        })
    };
    lists(CONNECTION, "upgrade") && lists(UPGRADE, PROTOCOL)
}

/// Echoes until the client closes its side or the server cuts. Belongs to the lease: the
/// server does not count as drained while it lasts.
pub(crate) fn open(request: Request<Incoming>, lease: Lease) {
    tokio::spawn(async move {
        select! {
            () = echo(request) => {}
            () = lease.reached(Phase::Cut) => {}
        }
    });
}

async fn echo(request: Request<Incoming>) {
    let Ok(upgraded) = hyper::upgrade::on(request).await else {
        return;
    };
    let (mut from, mut to) = io::split(TokioIo::new(upgraded));
    // Either side may leave whenever it likes.
    if io::copy(&mut from, &mut to).await.is_ok() {
        let _ = io::AsyncWriteExt::shutdown(&mut to).await;
    }
}
