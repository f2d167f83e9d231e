use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::{
    lease::Lease,
    record::Record,
    stall::{Phase, StallWatch},
};

/// What is sent to a client. Its end, or its drop, ends the request.
pub(crate) struct ResponseBody {
    kind: Kind,
    record: Option<Record>,
    stall: Rc<StallWatch>,
}

enum Kind {
    /// The balancer's own words.
    Text(Bytes),
    /// A target's, with the connection it comes from; the lease goes when the body has ended.
    Target(Incoming, Option<Lease>),
}

impl ResponseBody {
    pub(crate) fn text(text: Bytes, record: Option<Record>, stall: Rc<StallWatch>) -> Self {
        Self {
            kind: Kind::Text(text),
            record,
            stall,
        }
    }

    pub(crate) fn target(
        incoming: Incoming,
        lease: Lease,
        record: Record,
        stall: Rc<StallWatch>,
    ) -> Self {
        let mut body = Self {
            kind: Kind::Target(incoming, Some(lease)),
            record: Some(record),
            stall,
        };
        body.finish_if_ended();
        body
    }

    /// Gives the connection back as soon as the last byte is here, before the client has it.
    fn finish_if_ended(&mut self) {
        if let Kind::Target(incoming, lease) = &mut self.kind
            && incoming.is_end_stream()
            && let Some(lease) = lease.take()
        {
            lease.give_back();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let frame = match &mut this.kind {
            Kind::Text(text) if text.is_empty() => None,
            Kind::Text(text) => Some(Ok(Frame::data(std::mem::take(text)))),
            Kind::Target(incoming, lease) => {
                let frame = ready!(Pin::new(incoming).poll_frame(cx));
                if frame.is_none()
                    && let Some(lease) = lease.take()
                {
                    lease.give_back();
                }
                frame
            }
        };
        this.stall.progress();
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.record.iter_mut().for_each(|record| record.sent(bytes));
                this.finish_if_ended();
            }
            Some(Err(error)) => this
                .record
                .iter_mut()
                .for_each(|record| record.failed(error)),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Text(text) => text.is_empty(),
            Kind::Target(incoming, _) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Text(text) => SizeHint::with_exact(text.len() as u64),
            Kind::Target(incoming, _) => incoming.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.stall.enter(Phase::Idle);
    }
}
