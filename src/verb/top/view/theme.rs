use ratatui::style::{Color, Modifier, Style};

use crate::output::Tone;

/// How things look. What a colour says is said by a word or a sign beside it too.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Theme {
    pub(in super::super) has_colors: bool,
}

impl Theme {
    pub(super) fn of(self, tone: Tone) -> Style {
        let color = match tone {
            Tone::Plain => return Style::new(),
            Tone::Faint => return Style::new().add_modifier(Modifier::DIM),
            Tone::Good => Color::Green,
            Tone::Busy => Color::Yellow,
            Tone::Bad => Color::Red,
        };
        match (self.has_colors, tone) {
            (true, _) => Style::new().fg(color),
            (false, Tone::Bad) => Style::new().add_modifier(Modifier::BOLD),
            (false, _) => Style::new(),
        }
    }

    /// Lines of a chart that mean neither good nor bad.
    pub(super) fn line(self) -> Style {
        match self.has_colors {
            true => Style::new().fg(Color::Cyan),
            false => Style::new(),
        }
    }

    pub(super) fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
