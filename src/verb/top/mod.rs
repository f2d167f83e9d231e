//! `minicloud top`: one group at a time, live, with keys that act on it.
//!
//! What is shown and what a key does are functions of values: a [`model::Model`] takes
//! messages and answers, [`keys`] makes messages of keys, [`view`] makes a frame of a model. The
//! loop in [`run_loop`] alone reads the terminal, the clock and the control API.
//!
//! What is kept is bounded: the last view, a day of figures of one group, and a page of its
//! activities.

mod answer;
mod dialog;
mod form;
mod keys;
mod model;
mod questions;
mod request;
mod run_loop;
mod screen;
mod series;
#[cfg(test)]
mod tests;
mod view;

use tokio::time::Instant;

use self::model::Model;
use super::connect;
use crate::{cli::TopArgs, failure::Failure, terminal};

/// A first answer is awaited before the terminal is taken over: without one, or without the
/// group, it is likelier that something is misspelt.
pub(crate) async fn run(args: TopArgs) -> Result<(), Failure> {
    let terminal = terminal::describe().ok_or_else(Failure::no_terminal_to_draw_on)?;
    if terminal.term == "dumb" {
        return Err(Failure::terminal_cannot_be_drawn_on());
    }
    let api = connect(&args.connection)?;
    if let Some(name) = &args.group {
        api.group(name).await?;
    }
    let view = api.view().await?;
    let endpoint = api.endpoint().to_string();
    let model = Model::new(endpoint, view, args.group, Instant::now());
    run_loop::run(&api, model).await
}
