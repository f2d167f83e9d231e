use minicloud_autoscaler::{command::CapacityUpdate, describe::AutoScalingGroup};

/// As many as the largest capacity has.
const MOST_DIGITS: usize = 10;

/// Desired capacity and bounds of a group, as they are typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CapacityForm {
    pub(super) group: String,
    pub(super) fields: [Field; 3],
    /// The field that takes what is typed.
    pub(super) at: usize,
    /// Why it cannot be asked for like this.
    pub(super) fault: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) text: String,
    before: u32,
    /// The next digit replaces the text, as nothing was typed yet.
    is_fresh: bool,
}

impl CapacityForm {
    pub(super) fn new(group: &AutoScalingGroup) -> Self {
        let field = |name, before: u32| Field {
            name,
            text: before.to_string(),
            before,
            is_fresh: true,
        };
        Self {
            group: group.auto_scaling_group_name.clone(),
            fields: [
                field("desired", group.desired_capacity),
                field("min", group.min_size),
                field("max", group.max_size),
            ],
            at: 0,
            fault: None,
        }
    }

    pub(super) fn digit(&mut self, digit: char) {
        let field = &mut self.fields[self.at];
        if std::mem::take(&mut field.is_fresh) {
            field.text.clear();
        }
        if digit.is_ascii_digit() && field.text.len() < MOST_DIGITS {
            field.text.push(digit);
        }
        self.fault = None;
    }

    pub(super) fn erase(&mut self) {
        let field = &mut self.fields[self.at];
        field.is_fresh = false;
        field.text.pop();
        self.fault = None;
    }

    pub(super) fn next(&mut self) {
        self.at = (self.at + 1) % self.fields.len();
    }

    pub(super) fn previous(&mut self) {
        self.at = (self.at + self.fields.len() - 1) % self.fields.len();
    }

    /// What is to change, and that in words; `None` where the form does not say it well, which
    /// it then tells itself.
    pub(super) fn update(&mut self) -> Option<(CapacityUpdate, String)> {
        match self.changes() {
            Ok(changes) => Some(changes),
            Err((at, fault)) => {
                self.at = at.unwrap_or(self.at);
                self.fault = Some(fault);
                None
            }
        }
    }

    fn changes(&self) -> Result<(CapacityUpdate, String), (Option<usize>, String)> {
        let mut values = [None; 3];
        let mut words = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            let Field { name, before, .. } = field;
            let Ok(value) = field.text.parse::<u32>() else {
                return Err((
                    Some(index),
                    format!("{name}: write a number up to {}", u32::MAX),
                ));
            };
            if value != *before {
                values[index] = Some(value);
                words.push(format!("{name} from {before} to {value}"));
            }
        }
        if words.is_empty() {
            return Err((None, "nothing is another than it was".to_owned()));
        }
        let [desired_capacity, min_size, max_size] = values;
        let update = CapacityUpdate {
            min_size,
            max_size,
            desired_capacity,
        };
        Ok((update, words.join(", ")))
    }
}
