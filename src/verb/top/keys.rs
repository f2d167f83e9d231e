//! From a key to what it means, which depends on what has the word: the screen, or a dialog.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::dialog::Dialog;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Quit,
    Help,
    NextGroup,
    PreviousGroup,
    Up,
    Down,
    OtherWindow,
    Scale,
    Protect,
    Terminate,
    Drain,
    Refresh,
    Processes,
    /// The rest is for a dialog: leave it, and nothing is done.
    Leave,
    Choose(char),
    Digit(char),
    Erase,
    NextField,
    PreviousField,
    Accept,
}

/// A key of the screen.
pub(super) struct Key {
    /// As the help writes it.
    pub(super) name: &'static str,
    codes: &'static [KeyCode],
    pub(super) message: Message,
    /// In the line at the bottom; in a word or two.
    pub(super) short: &'static str,
    pub(super) long: &'static str,
}

/// In the order of the help. The last two are always in the line at the bottom.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "s",
        codes: &[KeyCode::Char('s')],
        message: Message::Scale,
        short: "scale",
        long: "change desired capacity, min and max of the group",
    },
    Key {
        name: "p",
        codes: &[KeyCode::Char('p')],
        message: Message::Protect,
        short: "protect",
        long: "protect the selected instance from scale-in, or no longer",
    },
    Key {
        name: "t",
        codes: &[KeyCode::Char('t')],
        message: Message::Terminate,
        short: "terminate",
        long: "terminate the selected instance, with a replacement or without",
    },
    Key {
        name: "d",
        codes: &[KeyCode::Char('d')],
        message: Message::Drain,
        short: "drain",
        long: "drain the selected instance into standby, or put it back",
    },
    Key {
        name: "r",
        codes: &[KeyCode::Char('r')],
        message: Message::Refresh,
        short: "refresh",
        long: "replace the instances of the group, or cancel that",
    },
    Key {
        name: "u",
        codes: &[KeyCode::Char('u')],
        message: Message::Processes,
        short: "suspend",
        long: "suspend processes of the group, or resume them",
    },
    Key {
        name: "Tab",
        codes: &[KeyCode::Tab, KeyCode::Right],
        message: Message::NextGroup,
        short: "group",
        long: "the next group; also →, and back with Shift-Tab or ←",
    },
    Key {
        name: "↑↓",
        codes: &[KeyCode::Down, KeyCode::Char('j')],
        message: Message::Down,
        short: "select",
        long: "select an instance; also j and k",
    },
    Key {
        name: "z",
        codes: &[KeyCode::Char('z')],
        message: Message::OtherWindow,
        short: "zoom",
        long: "charts of 15 minutes, or of 24 hours",
    },
    Key {
        name: "?",
        codes: &[KeyCode::Char('?'), KeyCode::F(1)],
        message: Message::Help,
        short: "help",
        long: "this page",
    },
    Key {
        name: "q",
        codes: &[KeyCode::Char('q')],
        message: Message::Quit,
        short: "quit",
        long: "leave; also Ctrl-C",
    },
];

/// What `key` means while `dialog` is open, or none is.
pub(super) fn message(dialog: Option<&Dialog>, key: KeyEvent) -> Option<Message> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Message::Quit);
    }
    match dialog {
        None => of_screen(key.code),
        Some(Dialog::Help) => Some(Message::Leave),
        Some(Dialog::Question(_) | Dialog::Processes(_)) => Some(match key.code {
            KeyCode::Char(letter) => Message::Choose(letter),
            _ => Message::Leave,
        }),
        Some(Dialog::Capacity(_)) => of_form(key.code),
    }
}

fn of_screen(code: KeyCode) -> Option<Message> {
    match code {
        KeyCode::BackTab | KeyCode::Left => Some(Message::PreviousGroup),
        KeyCode::Up | KeyCode::Char('k') => Some(Message::Up),
        code => {
            let key = KEYS.iter().find(|key| key.codes.contains(&code))?;
            Some(key.message)
        }
    }
}

fn of_form(code: KeyCode) -> Option<Message> {
    Some(match code {
        KeyCode::Esc | KeyCode::Char('q') => Message::Leave,
        KeyCode::Enter => Message::Accept,
        KeyCode::Tab | KeyCode::Down | KeyCode::Right => Message::NextField,
        KeyCode::BackTab | KeyCode::Up | KeyCode::Left => Message::PreviousField,
        KeyCode::Backspace | KeyCode::Delete => Message::Erase,
        KeyCode::Char(digit) if digit.is_ascii_digit() => Message::Digit(digit),
        _ => return None,
    })
}
