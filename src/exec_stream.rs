//! The frames of a running command, as they come.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use minicloud_autoscaler::{api::ExecFrame, instance::InstanceId};

use crate::{control_api::ControlApi, failure::Failure, http_client::Exchange};

/// The API cuts output into frames far smaller.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Dropping it ends the command.
pub(crate) struct ExecStream {
    exchange: Exchange,
    lines: Lines,
}

/// Bytes in, whole lines out.
#[derive(Default)]
struct Lines(BytesMut);

impl ExecStream {
    pub(crate) async fn open(
        api: &ControlApi,
        id: &InstanceId,
        command: Vec<String>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            exchange: api.exec(id, command).await?,
            lines: Lines::default(),
        })
    }

    /// The next frame; an error where the stream ends before the command's exit code.
    /// Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<ExecFrame, Failure> {
        loop {
            if let Some(line) = self.lines.next() {
                return serde_json::from_slice(&line)
                    .map_err(|error| Failure::command_lost(&format!("answered garbage: {error}")));
            }
            if self.lines.0.len() > MAX_LINE_BYTES {
                return Err(Failure::command_lost("answered a line without an end"));
            }
            match self.exchange.response.body_mut().frame().await {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.lines.0.extend_from_slice(&data);
                }
                Some(Err(error)) => {
                    return Err(Failure::command_lost(&format!("broke off: {error}")));
                }
                None => return Err(Failure::command_lost("closed the connection")),
            }
        }
    }
}

impl Lines {
    fn next(&mut self) -> Option<Bytes> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        Some(self.0.split_to(end + 1).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let mut lines = Lines::default();
        lines.0.extend(b"{\"exit");
        assert_eq!(lines.next(), None);
        lines.0.extend(b"_code\":1}\n{");
        assert_eq!(lines.next().as_deref(), Some(&b"{\"exit_code\":1}\n"[..]));
        assert_eq!(lines.next(), None);
    }
}
