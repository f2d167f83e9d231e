use std::{
    io::{self, IsTerminal},
    thread,
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use ratatui::crossterm::event::{self, Event};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    answer, keys,
    model::{Effect, Model},
    screen::Screen,
    view::{self, Theme},
};
use crate::{control_api::ControlApi, failure::Failure, output::has_colors, role::Signals};

/// From one question to the next, and from one frame to the next where nothing happens: ages
/// are told in seconds.
const PAUSE: Duration = Duration::from_secs(1);
/// Keys that wait; more than these stay with the terminal.
const MOST_EVENTS: usize = 16;

/// Until a key, a signal or the end of the terminal.
pub(super) async fn run(api: &ControlApi, mut model: Model) -> Result<(), Failure> {
    let theme = Theme {
        has_colors: has_colors(),
    };
    let mut signals = Signals::listen()?;
    let mut screen = Screen::enter().map_err(|error| Failure::terminal_lost(&error))?;
    let mut events = events();
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // One question and one action at a time, each in this task: a panic ends the program.
    let mut asking: Option<LocalBoxFuture<'_, _>> = None;
    let mut doing: Option<LocalBoxFuture<'_, _>> = None;
    loop {
        let drawn = screen.draw(|frame| view::draw(frame, &model, theme, Instant::now()));
        if let Err(error) = drawn {
            return lost(&error);
        }
        let mut ask = false;
        tokio::select! {
            event = events.recv() => match event {
                Some(Ok(Event::Key(key))) => {
                    let message = keys::message(model.dialog.as_ref(), key);
                    match message.map_or(Effect::None, |message| model.update(message)) {
                        Effect::None => {}
                        Effect::Ask => ask = true,
                        Effect::Perform(request) => doing = Some(Box::pin(request.perform(api))),
                        Effect::Quit => return Ok(()),
                    }
                }
                // Another size: the next frame has it.
                Some(Ok(_)) => {}
                Some(Err(error)) => return lost(&error),
                None => return Ok(()),
            },
            answer = of(&mut asking) => match answer {
                Ok(answer) => model.answered(answer, Instant::now()),
                Err(failure) => model.not_answered(&failure),
            },
            outcome = of(&mut doing) => {
                model.done(outcome);
                ask = true;
            }
            _ = ticks.tick() => ask = asking.is_none(),
            () = signals.next() => return Ok(()),
        }
        if ask {
            // An answer to an older question would be thrown away.
            asking = Some(Box::pin(answer::ask(api, model.question())));
        }
    }
}

/// What comes from the terminal, by a thread that ends with the process: on a terminal that is
/// gone crossterm reads on without a pause, which must not keep signals from being heard.
fn events() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, events) = mpsc::channel(MOST_EVENTS);
    thread::spawn(move || {
        loop {
            let event = event::read();
            let is_last = event.is_err();
            if sender.blocking_send(event).is_err() || is_last {
                return;
            }
        }
    });
    events
}

/// A terminal that was closed has nobody to be told.
fn lost(error: &io::Error) -> Result<(), Failure> {
    match io::stdout().is_terminal() {
        true => Err(Failure::terminal_lost(error)),
        false => Ok(()),
    }
}

/// Resolves with what `future` does, which is then gone; never where there is none.
async fn of<T>(future: &mut Option<LocalBoxFuture<'_, T>>) -> T {
    let Some(running) = future else {
        return std::future::pending().await;
    };
    let done = running.await;
    *future = None;
    done
}
