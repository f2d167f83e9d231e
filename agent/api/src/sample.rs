/// One line of an exposition.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name, as in [`names`](crate::names).
    pub name: String,
    /// Names and values, in the order of the names.
    pub labels: Vec<(String, String)>,
    /// In the unit that the name ends in. May be NaN or infinite: the source decides.
    pub value: f64,
    /// When the value was read at its source, in milliseconds since the Unix epoch. The
    /// agent sets it on every container line, so that a rate divides by the time between
    /// readings and not by the time between scrapes.
    pub timestamp: Option<i64>,
}

impl Sample {
    /// The value of one label, absent when the line does not carry it.
    pub fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels.find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }
}
