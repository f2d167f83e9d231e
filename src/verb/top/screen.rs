use std::io;

use ratatui::{DefaultTerminal, Frame};

/// The terminal, taken over: raw, on its alternate screen. As it was before once this is
/// dropped, or before a panic is told.
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        // Where it fails half way, what was done is undone.
        ratatui::try_init()
            .map(Self)
            .inspect_err(|_| drop(ratatui::try_restore()))
    }

    /// Draws what has changed since the last frame, in the size that the terminal has now.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(draw).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where it fails the terminal is gone.
        let _ = self.0.show_cursor();
        let _ = ratatui::try_restore();
    }
}
