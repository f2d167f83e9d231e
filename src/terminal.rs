//! The terminal that we were started from.

use std::io::{self, IsTerminal};

use minicloud_autoscaler::provider::{Terminal, WindowSize};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// What it is and how large; `None` where stdin or stdout is none.
pub(crate) fn describe() -> Option<Terminal> {
    let both = io::stdin().is_terminal() && io::stdout().is_terminal();
    let size = window_size().filter(|_| both)?;
    let term = std::env::var("TERM").ok().filter(|term| !term.is_empty());
    Some(Terminal {
        term: term.unwrap_or_else(|| "dumb".to_owned()),
        size,
    })
}

pub(crate) fn window_size() -> Option<WindowSize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    Some(WindowSize {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}

/// Passes on each key as it is typed; as it was before once this is dropped.
pub(crate) struct Raw(Termios);

impl Raw {
    pub(crate) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Where it fails the terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
