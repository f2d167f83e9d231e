//! Getting one response: a target is picked, the request sent, and sent again where that is
//! safe.

use std::{future::poll_fn, pin::pin, rc::Rc, sync::Arc, task::Poll};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
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
    routing::Group,
    stall::{Side, StallWatch},
    target::Claim,
    upstream::{ConnectError, Reuse},
};

/// A request's head, as targets get it.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

/// The tries to get one response.
pub(crate) struct Exchange<'a> {
    pub(crate) client: &'a Client,
    pub(crate) record: &'a mut Record,
    pub(crate) wants_upgrade: bool,
    pub(crate) upload: Option<Upload>,
    /// Kept if the request may be sent twice.
    pub(crate) copy: Option<Head>,
    /// Targets that have failed it.
    pub(crate) tried: Vec<u64>,
}

/// A response's head and body, and what they come from.
pub(crate) type Answer = (Response<Incoming>, Lease);

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
    /// Tries until there is an answer, another try would not be safe, or there were enough.
    pub(crate) async fn run(mut self, head: Head) -> Result<Answer, Fault> {
        let attempts = self.client.worker.shared.config.limits.attempts;
        let mut request = head.into_request(self.upload.as_ref());
        let mut reuse = match self.copy {
            Some(_) => Reuse::Any,
            None => Reuse::Recent,
        };
        let mut claim = self.first_claim()?;
        let mut attempt = 1;
        loop {
            let target = Arc::clone(claim.target());
            let failure = match self.attempt(claim, request, reuse).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if matches!(failure, Failure::Connect(..) | Failure::Unanswered(_)) {
                target.want_probe();
            }
            self.tried.push(target.uid);
            let (reason, fault, again) = self.judge(failure);
            let Some(again) = again.filter(|_| attempt < attempts) else {
                return Err(fault);
            };
            let Some(next) = self.next_claim(reason) else {
                return Err(fault);
            };
            self.record.group().metrics.count_retry(reason);
            tracing::debug!(target.id, reason = reason.as_str(), %fault, "request is tried again");
            (claim, request, reuse) = (next, again, Reuse::Never);
            attempt += 1;
        }
    }

    fn first_claim(&self) -> Result<Claim, Fault> {
        let group = self.record.group();
        if group.rule == Rule::FailOpen {
            group.metrics.fail_open.inc();
        }
        // The second look is for targets that began to drain after the first: routing without
        // them is published before they refuse claims.
        let claim = group.pick(&[]).or_else(|| self.group_now().pick(&[]));
        claim.ok_or_else(|| {
            group.metrics.no_healthy_target.inc();
            Fault::NoTarget
        })
    }

    fn next_claim(&self, reason: RetryReason) -> Option<Claim> {
        let group = self.group_now();
        group.pick(&self.tried).or_else(|| match reason {
            // It just refused: asking it again at once is no use.
            RetryReason::Connect => None,
            _ => group.pick(&[]),
        })
    }

    /// The targets may have changed since the request came: a killed one's successor may be
    /// there.
    fn group_now(&self) -> Arc<Group> {
        let group = self.client.worker.group(self.client.port);
        group.unwrap_or_else(|| Arc::clone(self.record.group()))
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
    ) -> Result<Answer, Failure> {
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
            None => Err(Failure::Final(match self.client.stall.awaited() {
                Side::Client => Fault::RequestTimeout,
                Side::Target => Fault::TargetTimeout,
            })),
        }
    }

    /// Takes a response's head, unless it may not be forwarded.
    fn accept(&self, response: Response<Incoming>, mut lease: Lease) -> Result<Answer, Failure> {
        let refuse = |why| Err(Failure::Final(Fault::UnusableResponse(why)));
        let headers = response.headers();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && !self.wants_upgrade {
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

impl Head {
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
