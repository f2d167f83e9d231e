mod cursor;

use self::cursor::Cursor;
use crate::Sample;

/// Samples that one exposition may hold: a node's cAdvisor stays far below.
pub const MAX_SAMPLES: usize = 100_000;
/// Length of one line, its labels included.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// Labels of one sample.
pub const MAX_LABELS: usize = 64;

/// The first line that is not in the format, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the exposition {fault}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("does not begin with a metric name")]
    MetricName,
    #[error("has a label without a valid name")]
    LabelName,
    #[error("has a label value that is not quoted")]
    UnquotedLabel,
    #[error("has a label value or label set that is not closed")]
    Unclosed,
    #[error("has an unknown escape in a label value")]
    Escape,
    #[error("gives the same label twice")]
    DuplicateLabel,
    #[error("has a value that is not a number")]
    Value,
    #[error("has a timestamp that is not a whole number of milliseconds")]
    Timestamp,
    #[error("goes on after its timestamp")]
    TrailingText,
    #[error("is longer than {MAX_LINE_BYTES} bytes")]
    LineTooLong,
    #[error("has more than {MAX_LABELS} labels")]
    TooManyLabels,
    #[error("is sample number {MAX_SAMPLES} + 1")]
    TooManySamples,
}

/// Reads the Prometheus text format 0.0.4; comments, HELP and TYPE lines are skipped.
///
/// All or nothing: half of a snapshot would look like instances that are gone. The caller
/// bounds the length of `text`; memory used is proportional to it.
///
/// # Errors
/// The first line that breaks the format or a bound.
pub fn parse(text: &str) -> Result<Vec<Sample>, ParseError> {
    let mut samples = Vec::new();
    // Only a line feed ends a line: a label value may hold every other control character.
    for (index, line) in text.split('\n').enumerate() {
        let at = |fault| ParseError {
            line: index + 1,
            fault,
        };
        if line.len() > MAX_LINE_BYTES {
            return Err(at(Fault::LineTooLong));
        }
        let line = line.trim_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if samples.len() == MAX_SAMPLES {
            return Err(at(Fault::TooManySamples));
        }
        samples.push(sample(line).map_err(at)?);
    }
    Ok(samples)
}

fn sample(line: &str) -> Result<Sample, Fault> {
    let mut rest = Cursor::new(line);
    let name = rest.metric_name().ok_or(Fault::MetricName)?.to_owned();
    rest.skip_blanks();
    let labels = match rest.take('{') {
        true => labels(&mut rest)?,
        false => Vec::new(),
    };
    let mut words = rest.words();
    let value = words.next().and_then(number).ok_or(Fault::Value)?;
    let timestamp = words
        .next()
        .map(|word| word.parse().map_err(|_| Fault::Timestamp))
        .transpose()?;
    match words.next() {
        Some(_) => Err(Fault::TrailingText),
        None => Ok(Sample {
            name,
            labels,
            value,
            timestamp,
        }),
    }
}

fn labels(rest: &mut Cursor<'_>) -> Result<Vec<(String, String)>, Fault> {
    // Most samples have one.
    let mut labels: Vec<(String, String)> = Vec::with_capacity(1);
    loop {
        rest.skip_blanks();
        if rest.take('}') {
            labels.sort_unstable();
            let mut pairs = labels.windows(2);
            return match pairs.any(|pair| pair[0].0 == pair[1].0) {
                true => Err(Fault::DuplicateLabel),
                false => Ok(labels),
            };
        }
        if labels.len() == MAX_LABELS {
            return Err(Fault::TooManyLabels);
        }
        labels.push(label(rest)?);
        rest.skip_blanks();
        // A comma may follow the last label too.
        if !rest.take(',') && !rest.is_at('}') {
            return Err(Fault::Unclosed);
        }
    }
}

fn label(rest: &mut Cursor<'_>) -> Result<(String, String), Fault> {
    let name = rest.label_name().ok_or(Fault::LabelName)?.to_owned();
    rest.skip_blanks();
    if !rest.take('=') {
        return Err(Fault::LabelName);
    }
    rest.skip_blanks();
    if !rest.take('"') {
        return Err(Fault::UnquotedLabel);
    }
    Ok((name, rest.quoted()?))
}

/// Rust's grammar of numbers takes `NaN`, `+Inf` and `-Inf` as the format writes them.
fn number(word: &str) -> Option<f64> {
    word.parse().ok()
}
