//! Which groups a pass looks at. A look still takes in everything of a group, so that the first
//! one after a crash is a look like any other; but what nobody has heard of, and whose time has
//! not come, is left alone, so that a pass costs what has changed and not what there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

/// A group that is on its way somewhere is looked at this often, whatever is heard of it.
const WATCHFUL: Duration = Duration::from_secs(1);
/// And one that is where it should be this often: silence is noticed, and time is a change too.
const CALM: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Attention {
    /// Of these something has been heard.
    called: BTreeSet<String>,
    /// When each group is looked at, if nothing is heard of it before.
    due: BTreeMap<String, Instant>,
    /// These were on their way somewhere when they were last looked at.
    moving: BTreeSet<String>,
}

impl Attention {
    /// Something of the group has changed.
    pub(super) fn call(&mut self, group: &str) {
        if !self.called.contains(group) {
            self.called.insert(group.to_owned());
        }
    }

    /// Something has changed that may concern any of them.
    pub(super) fn call_all<'a>(&mut self, groups: impl Iterator<Item = &'a String>) {
        self.called.extend(groups.cloned());
    }

    /// The groups that may be on their way somewhere: of any other nothing has been heard since
    /// it was seen to be where it should.
    pub(super) fn restless(&self) -> impl Iterator<Item = &String> {
        self.called.union(&self.moving)
    }

    /// The groups that are to be looked at now; each is to be [`put`](Self::put) off again.
    pub(super) fn take(&mut self, now: Instant) -> BTreeSet<String> {
        let mut taken = std::mem::take(&mut self.called);
        let due = self.due.iter().filter(|(_, at)| **at <= now);
        taken.extend(due.map(|(group, _)| group.clone()));
        taken
    }

    /// The group has been looked at.
    pub(super) fn put(&mut self, group: &str, is_calm: bool, now: Instant) {
        let at = now + if is_calm { CALM } else { WATCHFUL };
        if is_calm {
            self.moving.remove(group);
        } else if !self.moving.contains(group) {
            self.moving.insert(group.to_owned());
        }
        match self.due.get_mut(group) {
            Some(due) => *due = at,
            None => drop(self.due.insert(group.to_owned(), at)),
        }
    }

    pub(super) fn forget(&mut self, group: &str) {
        self.called.remove(group);
        self.due.remove(group);
        self.moving.remove(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_is_taken_when_called_and_when_its_time_has_come() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let names = |taken: BTreeSet<String>| taken.into_iter().collect::<Vec<_>>().join(" ");
        let mut attention = Attention::default();
        attention.call_all(["calm".to_owned(), "moving".to_owned()].iter());
        assert_eq!(names(attention.take(start)), "calm moving");
        attention.put("calm", true, start);
        attention.put("moving", false, start);
        assert_eq!(names(attention.take(start)), "");
        assert_eq!(names(attention.take(at(1))), "moving");
        attention.put("moving", false, at(1));
        attention.call("calm");
        assert_eq!(names(attention.take(at(1))), "calm");
        attention.put("calm", true, at(1));
        let restless = |attention: &Attention| names(attention.restless().cloned().collect());
        assert_eq!(restless(&attention), "moving");
        attention.call("calm");
        assert_eq!(restless(&attention), "calm moving");
        attention.take(at(1));
        assert_eq!(names(attention.take(at(5))), "moving");
        attention.forget("moving");
        assert_eq!(names(attention.take(at(6))), "calm");
    }
}
