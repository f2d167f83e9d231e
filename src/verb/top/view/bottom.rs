//! The last lines: what became of an action, and the keys.

use ratatui::text::{Line, Span};

use super::{Scene, text};
use crate::{
    output::Tone,
    verb::top::{
        keys::{KEYS, Key},
        model::Notice,
    },
};

const MOST_LINES: usize = 3;
const GAP: &str = "  ";

/// A fault's text may need more than a line.
pub(super) fn notice(Scene { model, theme, .. }: Scene<'_>, width: u16) -> Vec<Line<'static>> {
    let Some(notice) = &model.notice else {
        return Vec::new();
    };
    let (sign, tone, text) = match notice {
        Notice::Doing(text) => ("asking: ", Tone::Busy, text),
        Notice::Done(text) => ("done: ", Tone::Good, text),
        Notice::Refused(text) => ("refused: ", Tone::Bad, text),
    };
    let style = theme.of(tone);
    let lines = text::wrap(
        &format!("{sign}{text}"),
        usize::from(width).saturating_sub(2),
        MOST_LINES,
    );
    lines
        .into_iter()
        .map(|line| Line::styled(format!(" {line}"), style))
        .collect()
}

/// Each with what it does: as many as there is room for, and the help, which has them all.
pub(super) fn keys(Scene { theme, .. }: Scene<'_>, width: u16) -> Line<'static> {
    let width_of = |key: &Key| Line::raw(key.name).width() + key.short.len() + GAP.len() + 1;
    let (first, last) = KEYS.split_at(KEYS.len() - 2);
    let mut room = usize::from(width).saturating_sub(last.iter().map(width_of).sum());
    let fits = first.iter().take_while(|key| {
        let left = room.checked_sub(width_of(key));
        room = left.unwrap_or(0);
        left.is_some()
    });
    let spans = fits.chain(last).flat_map(|key| {
        [
            Span::raw(GAP),
            Span::styled(key.name, theme.selected()),
            Span::raw(format!(" {}", key.short)),
        ]
    });
    Line::from_iter(spans)
}
