//! One request: picked for, sent, sent again where that is safe, and answered.

use std::{future::poll_fn, pin::pin, rc::Rc, sync::Arc, task::Poll};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version,
    body::{Body, Incoming},
    header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE},
};

use crate::{
    balancer::Rule,
    body::{RequestBody, Upload},
    connection::Client,
    fault::Fault,
    headers,
    lease::Lease,
    metrics::RetryReason,
    record::Record,
    request::{self, Traits},
    respond,
    response_body::ResponseBody,
    routing::Group,
    stall::{Phase, StallWatch},
    target::Claim,
    tunnel::Switch,
    upstream::{ConnectError, Reuse},
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
    let copy = is_replayable.then(|| Copy {
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        headers: parts.headers.clone(),
    });
    let first = Copy {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
    };
    let first = first.into_request(upload.as_ref());
    let exchange = Exchange {
        client,
        record,
        traits,
        upload,
        copy,
        tried: Vec::new(),
    };
    exchange.run(first).await
}

/// A request's head, to be sent again.
#[derive(Clone)]
struct Copy {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

/// The tries to get one response.
struct Exchange<'a> {
    client: &'a Client,
    record: &'a mut Record,
    traits: Traits,
    upload: Option<Upload>,
    copy: Option<Copy>,
    tried: Vec<u64>,
}

/// How one try failed.
enum Failure {
    /// No connection; the request is as it was.
    Connect(ConnectError, Box<Request<RequestBody>>),
    /// A connection, but closed before any of the request was written.
    Unsent(hyper::Error, Box<Request<RequestBody>>),
    /// Written, at least in part; the target ended without a word.
    Unanswered(hyper::Error),
    Final(Fault),
}

impl Exchange<'_> {
    async fn run(
        mut self,
        first: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Lease), Fault> {
        let attempts = self.client.worker.shared.config.limits.attempts.max(1);
        let mut reuse = if self.copy.is_some() {
            Reuse::Any
        } else {
            Reuse::Recent
        };
        let mut request = first;
        let mut group = Arc::clone(self.record.group());
        let mut claim = self.first_claim(&group)?;
        for attempt in 1.. {
            let target = Arc::clone(claim.target());
            let failure = match self.attempt(claim, request, reuse).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !matches!(failure, Failure::Unsent(..) | Failure::Final(_)) {
                target.want_probe();
            }
            self.tried.push(target.uid);
            // The targets may have changed since: a killed one's successor may be there.
            group = self.client.worker.group(self.client.port).unwrap_or(group);
            let (reason, fault, again) = self.judge(failure);
            let (Some(again), true) = (again, attempt < attempts) else {
                return Err(fault);
            };
            let next = group.pick(&self.tried).or_else(|| match reason {
                // It just refused: asking it again at once is no use.
                RetryReason::Connect => None,
                _ => group.pick(&[]),
            });
            let Some(next) = next else {
                return Err(fault);
            };
            self.record.group().metrics.count_retry(reason);
            tracing::debug!(target.id = target.id, reason = reason.as_str(), %fault, "request is tried again");
            (claim, request, reuse) = (next, again, Reuse::Never);
        }
        Err(Fault::NoTarget)
    }

    fn first_claim(&self, group: &Group) -> Result<Claim, Fault> {
        let Some(claim) = group.pick(&[]) else {
            group.metrics.no_healthy_target.inc();
            return Err(Fault::NoTarget);
        };
        if group.rule == Rule::FailOpen {
            group.metrics.fail_open.inc();
        }
        Ok(claim)
    }

    /// What a failure is called, what the client is told if it stands, and the request to send
    /// again if that is safe.
    fn judge(&self, failure: Failure) -> (RetryReason, Fault, Option<Request<RequestBody>>) {
        match failure {
            Failure::Connect(error, request) => {
                let reason = match error {
                    ConnectError::Timeout(_) => RetryReason::ConnectTimeout,
                    _ => RetryReason::Connect,
                };
                (reason, Fault::Connect(error), Some(*request))
            }
            Failure::Unsent(error, request) => (
                RetryReason::Unsent,
                Fault::BadResponse(error),
                Some(*request),
            ),
            Failure::Unanswered(error) => (
                RetryReason::Unanswered,
                Fault::BadResponse(error),
                self.replay(),
            ),
            Failure::Final(fault) => (RetryReason::Unanswered, fault, None),
        }
    }

    /// The request once more, if it may be sent twice and its body is still here.
    fn replay(&self) -> Option<Request<RequestBody>> {
        let copy = self.copy.as_ref()?;
        let has_all = self.upload.as_ref().is_none_or(Upload::is_replayable);
        has_all.then(|| copy.clone().into_request(self.upload.as_ref()))
    }

    async fn attempt(
        &mut self,
        claim: Claim,
        request: Request<RequestBody>,
        reuse: Reuse,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let pools = &self.client.worker.pools;
        let pool = pools.of(claim.target());
        self.record.tried(claim.target());
        let upstream = match pools.take(&pool, reuse).await {
            Ok(upstream) => upstream,
            Err(error) => return Err(Failure::Connect(error, Box::new(request))),
        };
        let mut lease = Lease {
            upstream,
            claim,
            pool,
            pools: Rc::clone(pools),
        };
        lease.claim.target().count_request();
        let sent = lease.upstream.send(request);
        match until_expired(&self.client.stall, sent).await {
            Some(Ok(response)) => self.accept(response, lease),
            Some(Err(mut error)) => {
                if let Some(request) = error.take_message() {
                    return Err(Failure::Unsent(error.into_error(), Box::new(request)));
                }
                if let Some(fault) = self.upload.as_ref().and_then(Upload::take_fault) {
                    return Err(Failure::Final(fault));
                }
                match lease.upstream.is_unanswered() {
                    true => Err(Failure::Unanswered(error.into_error())),
                    false => Err(Failure::Final(Fault::BadResponse(error.into_error()))),
                }
            }
            None if self.client.stall.is_awaiting_client() => {
                Err(Failure::Final(Fault::RequestTimeout))
            }
            None => Err(Failure::Final(Fault::TargetTimeout)),
        }
    }

    /// Takes a response's head, unless it may not be forwarded.
    fn accept(
        &self,
        response: Response<Incoming>,
        mut lease: Lease,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let refuse = |why| Err(Failure::Final(Fault::UnusableResponse(why)));
        let headers = response.headers();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && self.traits.upgrade.is_none() {
            return refuse("a 101 that nobody asked for");
        }
        let has_coding = headers.contains_key(TRANSFER_ENCODING);
        let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        if !headers::tokens(headers, &TRANSFER_ENCODING).all(is_chunked) {
            return refuse("a transfer coding other than chunked");
        }
        if has_coding && headers.contains_key(CONTENT_LENGTH) {
            lease.upstream.spoil();
        }
        lease.upstream.note_response(headers);
        if let Some(upload) = &self.upload
            && (response.status().is_client_error() || response.status().is_server_error())
            && !upload.is_complete()
        {
            // A refusal before the end of the body: the rest is not wanted. Other responses
            // may well be written while the body is read.
            upload.stop();
        }
        Ok((response, lease))
    }
}

impl Copy {
    fn into_request(self, upload: Option<&Upload>) -> Request<RequestBody> {
        let mut request = Request::new(upload.map_or(RequestBody::Empty, Upload::reader));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

/// Awaits `future` unless the connection's watch gives up on it. The connection that polls
/// this also fires the watch, and polls once more, so no waker is needed.
async fn until_expired<F: Future>(stall: &StallWatch, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if stall.is_expired() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}
