//! Conditions that last: each keeps the time at which it began.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::describe::{Condition, ConditionKind};

/// Conditions by scope (a group's name; empty for the whole) and kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions(BTreeMap<(String, ConditionKind), Condition>);

impl Conditions {
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
        let Some(message) = message else {
            return self.0.remove(&key).is_some();
        };
        match self.0.get_mut(&key) {
            Some(condition) => {
                condition.message = message;
                false
            }
            None => {
                self.0.insert(
                    key,
                    Condition {
                        kind,
                        since: now,
                        message,
                    },
                );
                true
            }
        }
    }

    pub(crate) fn of(&self, scope: &str) -> Vec<Condition> {
        self.0
            .iter()
            .filter(|((of, _), _)| of == scope)
            .map(|(_, condition)| condition.clone())
            .collect()
    }

    pub(crate) fn forget(&mut self, scope: &str) {
        self.0.retain(|(of, _), _| of != scope);
    }
}
