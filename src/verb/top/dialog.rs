use super::{form::CapacityForm, request::Request};

/// What stands before the rest until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dialog {
    Help,
    Capacity(CapacityForm),
    Question(Question),
}

/// What is asked before anything is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) text: String,
    /// Each with its key. No other key does anything but to leave it.
    pub(super) choices: Vec<Choice>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) key: char,
    pub(super) text: &'static str,
    pub(super) request: Request,
}

impl Question {
    pub(super) fn yes(text: String, request: Request) -> Self {
        let choices = vec![Choice {
            key: 'y',
            text: "yes",
            request,
        }];
        Self { text, choices }
    }

    /// What `key` chooses.
    pub(super) fn chosen(&self, key: char) -> Option<&Request> {
        let choice = self.choices.iter().find(|choice| choice.key == key)?;
        Some(&choice.request)
    }
}
