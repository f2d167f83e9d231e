//! One request, from its head to its response's.

use std::rc::Rc;

use hyper::{
    Request, Response, StatusCode, Version,
    body::{Body, Incoming},
    header::UPGRADE,
};

use crate::{
    body::Upload,
    connection::Client,
    exchange::{Exchange, Head},
    fault::Fault,
    headers,
    lease::Lease,
    record::Record,
    request, respond,
    response_body::ResponseBody,
    stall::Phase,
    tunnel::Switch,
};

/// Answers one request, whatever happens.
pub(crate) async fn handle(
    client: &Rc<Client>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    client.stall.enter(Phase::Waiting);
    let Some(group) = client.worker.group(client.port) else {
        return fault_response(client, &Fault::NoRoute, None);
    };
    let peer = (client.peer.ip(), client.port);
    let mut record = Record::open(&group, &request, peer, client.worker.log.as_ref());
    match forward(client, request, &mut record).await {
        Ok((response, lease)) => answer(client, response, lease, record).await,
        Err(fault) => fault_response(client, &fault, Some(record)),
    }
}

fn fault_response(
    client: &Client,
    fault: &Fault,
    record: Option<Record>,
) -> Response<ResponseBody> {
    let (head, text) = respond::response(fault).into_parts();
    let record = record.map(|mut record| {
        record.answered(head.status);
        record.failed(fault);
        record
    });
    client.stall.enter(Phase::Responding);
    let body = ResponseBody::text(text, record, Rc::clone(&client.stall));
    Response::from_parts(head, body)
}

/// Turns a target's response into the client's.
async fn answer(
    client: &Client,
    mut response: Response<Incoming>,
    lease: Lease,
    mut record: Record,
) -> Response<ResponseBody> {
    *response.version_mut() = Version::HTTP_11;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return switch(client, response, lease, record).await;
    }
    record.answered(response.status());
    client.stall.enter(Phase::Responding);
    let length = response.body().size_hint().exact();
    headers::prepare_response(response.headers_mut(), length);
    response.map(|incoming| ResponseBody::target(incoming, lease, record, Rc::clone(&client.stall)))
}

/// Leaves the target's socket for the connection to tunnel to, once the 101 is out.
async fn switch(
    client: &Client,
    mut response: Response<Incoming>,
    lease: Lease,
    mut record: Record,
) -> Response<ResponseBody> {
    let Lease {
        upstream,
        claim,
        pool,
        ..
    } = lease;
    let protocol = response.headers().get(UPGRADE).cloned();
    let (Some(released), Some(protocol)) = (upstream.release().await, protocol) else {
        let fault = Fault::UnusableResponse("a 101 that switches to nothing");
        return fault_response(client, &fault, Some(record));
    };
    record.answered(response.status());
    headers::prepare_switch(response.headers_mut(), protocol);
    let switch = Switch {
        released,
        claim,
        pool,
        record,
    };
    *client.switch.borrow_mut() = Some(switch);
    response.map(|_| ResponseBody::text(bytes::Bytes::new(), None, Rc::clone(&client.stall)))
}

async fn forward(
    client: &Client,
    mut request: Request<Incoming>,
    record: &mut Record,
) -> Result<(Response<Incoming>, Lease), Fault> {
    let limits = &client.worker.shared.config.limits;
    let has_body = !request.body().is_end_stream();
    let traits = request::normalize(&mut request, has_body, &client.local)?;
    let is_too_large = |length| limits.body.is_some_and(|limit| length > limit);
    if traits.length.is_some_and(is_too_large) {
        return Err(Fault::BodyTooLarge);
    }
    let is_unsized = has_body && traits.length.is_none();
    headers::prepare_request(
        request.headers_mut(),
        &client.forwarded,
        traits.upgrade.clone(),
        is_unsized,
    );

    let fits = traits
        .length
        .is_none_or(|length| length <= limits.replay_body as u64);
    let is_replayable = traits.is_idempotent && fits;
    let (parts, incoming) = request.into_parts();
    let upload = has_body.then(|| {
        let keep = if is_replayable { limits.replay_body } else { 0 };
        Upload::new(incoming, Rc::clone(&client.stall), keep, limits.body)
    });
    let head = Head {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
    };
    let exchange = Exchange {
        client,
        record,
        wants_upgrade: traits.upgrade.is_some(),
        copy: is_replayable.then(|| head.clone()),
        upload,
        tried: Vec::new(),
    };
    exchange.run(head).await
}
