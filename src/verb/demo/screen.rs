use std::io::{self, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use super::scene::Scene;
use crate::output::say;

/// Draws scenes: in place on a terminal, else a line for each change.
pub(super) struct Screen {
    terminal: bool,
    /// Lines of the scene that stands on the terminal.
    drawn: usize,
    digest: String,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            drawn: 0,
            digest: String::new(),
        }
    }

    pub(super) fn draw(&mut self, scene: &Scene) {
        match self.terminal {
            true => self.redraw(&scene.lines()),
            false => self.log(scene),
        }
    }

    fn redraw(&mut self, lines: &[String]) {
        let stderr = io::stderr();
        let size = tcgetwinsize(&stderr).map_or(0, |size| size.ws_col);
        // A terminal that does not know its width says 0.
        let width = if size == 0 { 80 } else { usize::from(size) };
        let mut text = match self.drawn {
            0 => String::new(),
            // Up to the first line, then clear to the end of the screen.
            drawn => format!("\x1b[{drawn}A\x1b[J"),
        };
        for line in lines {
            // A line that wraps would be two to go up.
            text.extend(line.chars().take(width - 1));
            text.push('\n');
        }
        self.drawn = lines.len();
        let _ = stderr.lock().write_all(text.as_bytes());
    }

    fn log(&mut self, scene: &Scene) {
        let digest = scene.digest();
        if digest != self.digest {
            let (seconds, cpu) = (scene.elapsed.as_secs(), scene.cpu());
            say(format_args!("{seconds:>4} s  CPU {cpu}; {digest}"));
            self.digest = digest;
        }
    }
}
