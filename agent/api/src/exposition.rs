use std::fmt::{self, Write as _};

/// Writes the Prometheus text format 0.0.4, family by family.
///
/// ```
/// use minicloud_agent_api::{Exposition, Kind, names};
///
/// let mut text = Exposition::new();
/// text.family(names::NODE_LOAD1, Kind::Gauge, "Load average over one minute.")
///     .sample(&[], 0.5, None);
/// assert!(text.finish().ends_with("node_load1 0.5\n"));
/// ```
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

/// Samples of one metric, kept together as the format demands.
///
/// Its HELP and TYPE lines are written with its first sample, so a family without samples
/// leaves no trace.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    kind: Kind,
    help: &'static str,
    announced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

impl Exposition {
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a family. Each name may be opened once in an exposition; `name` must be a
    /// valid metric name, as all of [`names`](crate::names) are.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> Family<'_> {
        Family {
            text: &mut self.text,
            name,
            kind,
            help,
            announced: false,
        }
    }

    pub fn finish(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// Adds a line. Label names must be valid and distinct; label values may be any text.
    /// `timestamp` is in milliseconds since the Unix epoch.
    pub fn sample(
        &mut self,
        labels: &[(&str, &str)],
        value: f64,
        timestamp: Option<i64>,
    ) -> &mut Self {
        self.announce();
        self.text.push_str(self.name);
        write_labels(self.text, labels);
        self.text.push(' ');
        write_value(self.text, value);
        if let Some(timestamp) = timestamp {
            append(self.text, format_args!(" {timestamp}"));
        }
        self.text.push('\n');
        self
    }

    fn announce(&mut self) {
        if std::mem::replace(&mut self.announced, true) {
            return;
        }
        append(self.text, format_args!("# HELP {} ", self.name));
        write_escaped(self.text, self.help, false);
        append(
            self.text,
            format_args!("\n# TYPE {} {}\n", self.name, self.kind),
        );
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        })
    }
}

fn write_labels(text: &mut String, labels: &[(&str, &str)]) {
    if labels.is_empty() {
        return;
    }
    for (index, (name, value)) in labels.iter().enumerate() {
        text.push(if index == 0 { '{' } else { ',' });
        text.push_str(name);
        text.push_str("=\"");
        write_escaped(text, value, true);
        text.push('"');
    }
    text.push('}');
}

fn write_escaped(text: &mut String, value: &str, quoted: bool) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quoted => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

fn write_value(text: &mut String, value: f64) {
    if value.is_nan() {
        text.push_str("NaN");
    } else if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        append(text, format_args!("{value}"));
    }
}

fn append(text: &mut String, arguments: fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to a String never fails");
}
