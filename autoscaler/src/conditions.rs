//! Conditions that last: each keeps the time at which it began.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    describe::{Condition, ConditionKind},
    events::{EventDetail, EventLog},
};

/// Conditions by scope (a group's name; empty for the whole) and kind.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    lasting: BTreeMap<(String, ConditionKind), Condition>,
    /// Scopes of which a condition came, went or says something else.
    changed: BTreeSet<String>,
    events: EventLog,
}

impl Conditions {
    pub(crate) fn new(events: EventLog) -> Self {
        Self {
            lasting: BTreeMap::new(),
            changed: BTreeSet::new(),
            events,
        }
    }

    /// Sets the condition where there is a message and clears it where there is none.
    /// True where it appeared or went.
    pub(crate) fn set(
        &mut self,
        scope: &str,
        kind: ConditionKind,
        message: Option<String>,
        now: Timestamp,
    ) -> bool {
        let key = (scope.to_owned(), kind);
        let group = Some(scope).filter(|scope| !scope.is_empty());
        let Some(message) = message else {
            let was = self.lasting.remove(&key).is_some();
            if was {
                self.changed.insert(scope.to_owned());
                let detail = EventDetail::ConditionCleared { kind };
                self.events.push(now, group, detail);
            }
            return was;
        };
        match self.lasting.get_mut(&key) {
            Some(condition) => {
                if condition.message != message {
                    condition.message = message;
                    self.changed.insert(scope.to_owned());
                }
                false
            }
            None => {
                let condition = Condition {
                    kind,
                    since: now,
                    message,
                };
                self.lasting.insert(key, condition.clone());
                let detail = EventDetail::ConditionSet { condition };
                self.events.push(now, group, detail);
                true
            }
        }
    }

    /// The scopes whose conditions have changed since this was last asked.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn of(&self, scope: &str) -> Vec<Condition> {
        self.lasting
            .iter()
            .filter(|((of, _), _)| of == scope)
            .map(|(_, condition)| condition.clone())
            .collect()
    }

    pub(crate) fn forget(&mut self, scope: &str) {
        self.lasting.retain(|(of, _), _| of != scope);
    }
}
