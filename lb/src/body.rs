//! Bodies in both directions: frames pass one at a time, so each side's pace holds back the
//! other's, and nothing is gathered but what a replay may need.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::{fault::Fault, stall::StallWatch};

/// What is sent to a target.
pub(crate) enum RequestBody {
    Empty,
    Upload(UploadReader),
}

/// A client's body, shared by the tries to send it.
#[derive(Clone)]
pub(crate) struct Upload(Rc<RefCell<Source>>);

/// One try's place in an [`Upload`].
pub(crate) struct UploadReader {
    upload: Upload,
    position: usize,
}

struct Source {
    /// Gone once the target has refused the rest.
    incoming: Option<Incoming>,
    stall: Rc<StallWatch>,
    /// Frames already read, while few enough to be kept.
    kept: Vec<Bytes>,
    kept_bytes: usize,
    keep_limit: usize,
    /// Whether a frame was read that is not in `kept`.
    incomplete: bool,
    ended: bool,
    received: u64,
    limit: Option<u64>,
    fault: Option<Fault>,
}

/// Stands in the request body's error type; the reason is kept in the [`Upload`].
#[derive(Debug, thiserror::Error)]
#[error("the client's body failed")]
pub(crate) struct UploadFailed;

impl Upload {
    /// Wraps a client's body, of which up to `keep_limit` bytes are kept to be sent again.
    pub(crate) fn new(
        incoming: Incoming,
        stall: Rc<StallWatch>,
        keep_limit: usize,
        limit: Option<u64>,
    ) -> Self {
        Self(Rc::new(RefCell::new(Source {
            incoming: Some(incoming),
            stall,
            kept: Vec::new(),
            kept_bytes: 0,
            keep_limit,
            incomplete: false,
            ended: false,
            received: 0,
            limit,
            fault: None,
        })))
    }

    /// A body that starts at the first byte.
    pub(crate) fn reader(&self) -> RequestBody {
        RequestBody::Upload(UploadReader {
            upload: self.clone(),
            position: 0,
        })
    }

    /// Whether all that was read so far is still here.
    pub(crate) fn is_replayable(&self) -> bool {
        let source = self.0.borrow();
        !source.incomplete && source.fault.is_none()
    }

    /// Why the body failed, if it did.
    pub(crate) fn take_fault(&self) -> Option<Fault> {
        self.0.borrow_mut().fault.take()
    }

    /// Stops reading: the target has answered and does not want the rest.
    pub(crate) fn stop(&self) {
        self.0.borrow_mut().incoming = None;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.0.borrow().ended
    }
}

impl Source {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFailed>>> {
        let Some(incoming) = &mut self.incoming else {
            // Stopped: the connection is dropped with the exchange, so nothing waits for this.
            return Poll::Pending;
        };
        let polled = Pin::new(&mut *incoming).poll_frame(cx);
        self.stall.awaits_client(polled.is_pending());
        let frame = ready!(polled);
        self.ended |= frame.is_none() || incoming.is_end_stream();
        match frame {
            None => Poll::Ready(None),
            Some(Err(error)) => self.fail(Fault::from_client_body(&error)),
            Some(Ok(frame)) => {
                self.stall.progress();
                self.take_in(frame)
            }
        }
    }

    fn take_in(&mut self, frame: Frame<Bytes>) -> Poll<Option<Result<Frame<Bytes>, UploadFailed>>> {
        let Some(data) = frame.data_ref() else {
            // Trailers are not kept, so a body with trailers is sent once.
            self.incomplete = true;
            self.ended = true;
            return Poll::Ready(Some(Ok(frame)));
        };
        self.received += data.len() as u64;
        if self.limit.is_some_and(|limit| self.received > limit) {
            return self.fail(Fault::BodyTooLarge);
        }
        self.kept_bytes += data.len();
        if self.kept_bytes <= self.keep_limit && !self.incomplete {
            self.kept.push(data.clone());
        } else {
            self.incomplete = true;
            self.kept = Vec::new();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, UploadFailed>>> {
        self.fault = Some(fault);
        Poll::Ready(Some(Err(UploadFailed)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFailed>>> {
        let Self::Upload(reader) = &mut *self else {
            return Poll::Ready(None);
        };
        let mut source = reader.upload.0.borrow_mut();
        if let Some(kept) = source.kept.get(reader.position) {
            reader.position += 1;
            return Poll::Ready(Some(Ok(Frame::data(kept.clone()))));
        }
        let frame = ready!(source.poll_frame(cx));
        reader.position = source.kept.len();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Upload(reader) => {
                let source = reader.upload.0.borrow();
                reader.position >= source.kept.len() && source.ended
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            // The headers say the length; hyper reads it there.
            Self::Upload(_) => SizeHint::default(),
        }
    }
}
