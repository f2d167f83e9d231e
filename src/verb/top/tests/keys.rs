use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::time::Instant;

use super::{
    super::{
        keys::{KEYS, Message, message},
        model::{Effect, Model},
    },
    model,
};

pub(super) fn press(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// Presses keys one after the other; what the last one makes of it.
pub(super) fn press_all(model: &mut Model, keys: &str) -> Effect {
    let codes = keys.chars().map(|key| match key {
        '\n' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        '\u{8}' => KeyCode::Backspace,
        '\u{1b}' => KeyCode::Esc,
        key => KeyCode::Char(key),
    });
    codes.fold(Effect::None, |_, code| {
        let message = message(model.dialog.as_ref(), press(code));
        message.map_or(Effect::None, |message| model.update(message))
    })
}

#[test]
fn every_key_of_the_help_does_something() {
    for key in KEYS {
        let mut model = model(Instant::now());
        let before = format!("{model:?}");
        let effect = model.update(key.message);
        let changed = before != format!("{model:?}") || effect != Effect::None;
        assert!(changed, "`{}` does nothing", key.name);
    }
}

#[test]
fn ctrl_c_leaves_from_everywhere() {
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    for before in ["", "?", "s", "t"] {
        let mut model = model(Instant::now());
        press_all(&mut model, before);
        assert_eq!(
            message(model.dialog.as_ref(), ctrl_c),
            Some(Message::Quit),
            "after {before}"
        );
    }
}

#[test]
fn keys_of_the_screen_do_not_act_in_a_dialog() {
    let mut model = model(Instant::now());
    press_all(&mut model, "?t");
    assert_eq!(
        model.dialog, None,
        "any key leaves the help, and does nothing else"
    );
    let ctrl_s = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    assert_eq!(message(None, ctrl_s), None);
}
