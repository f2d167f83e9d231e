use std::{io, mem, thread};

use ratatui::{DefaultTerminal, Frame};

/// The terminal, taken over: raw, on its alternate screen. As it was before once this is
/// dropped, or before a panic is told.
pub(super) struct Screen(Option<DefaultTerminal>);

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        // Where it fails half way, what was done is undone.
        let entered = ratatui::try_init().inspect_err(|_| drop(ratatui::try_restore()));
        entered.map(|terminal| Self(Some(terminal)))
    }

    /// Draws what has changed since the last frame, in the size that the terminal has now.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        match &mut self.0 {
            Some(terminal) => terminal.draw(draw).map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if thread::panicking() {
            // It was restored before the panic was told: once more, and that would be drawn over.
            return;
        }
        if let Some(mut terminal) = self.0.take()
            && terminal.show_cursor().is_err()
        {
            // The terminal is gone. ratatui would say so on it, which is a panic.
            mem::forget(terminal);
        }
        let _ = ratatui::try_restore();
    }
}
