//! Single values: of the right kind, in the right unit, within limits, or a mistake that says so.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::{
    fault::{Mistake, quoted},
    limits::Limits,
    node::Value,
    suggest::nearest,
    units::{self, Bytes, Rate},
};

/// They become labels, metric labels and parts of host names.
const MAX_NAME: usize = 64;

pub(crate) const PORT: Limits<u32> = Limits::new(1, 65535);

const WHOLE: &str = "a whole number";
const NUMBER: &str = "a number";
const FLAG: &str = "true or false";
const TEXT: &str = "text";

pub(crate) fn count(value: &Value, limits: &Limits<u32>) -> Result<u32, Mistake> {
    match value {
        Value::Integer(number) => match u32::try_from(*number) {
            Ok(size) => limits.check(size, number),
            Err(_) => Err(limits.outside(number)),
        },
        // What is too long for an integer has been read as this.
        Value::Float(number) if number.abs() > f64::from(u32::MAX) => Err(limits.outside(number)),
        other => Err(unexpected(WHOLE, other)),
    }
}

pub(crate) fn number(value: &Value, limits: &Limits<f64>) -> Result<f64, Mistake> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
        Value::Integer(number) => limits.check(*number as f64, number),
        Value::Float(number) => limits.check(*number, number),
        other => Err(unexpected(NUMBER, other)),
    }
}

pub(crate) fn flag(value: &Value) -> Result<bool, Mistake> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        other => Err(unexpected(FLAG, other)),
    }
}

pub(crate) fn text(value: &Value) -> Result<&str, Mistake> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(unexpected(TEXT, other)),
    }
}

pub(crate) fn port(value: &Value) -> Result<u16, Mistake> {
    let port = count(value, &PORT)?;
    u16::try_from(port).map_err(|_| PORT.outside(port))
}

pub(crate) fn duration(value: &Value, limits: &Limits<Duration>) -> Result<Duration, Mistake> {
    match quantity(value) {
        Some(text) => limits.check(units::duration(&text)?, text),
        None => Err(unexpected("a duration such as 30s", value)),
    }
}

pub(crate) fn bytes(value: &Value, limits: &Limits<Bytes>) -> Result<Bytes, Mistake> {
    match quantity(value) {
        Some(text) => limits.check(units::bytes(&text)?, text),
        None => Err(unexpected("a size such as 128MiB", value)),
    }
}

pub(crate) fn rate(value: &Value, limits: &Limits<Rate>) -> Result<Rate, Mistake> {
    match quantity(value) {
        Some(text) => limits.check(units::rate(&text)?, text),
        None => Err(unexpected("a rate such as 240B/s", value)),
    }
}

/// A network in CIDR notation; an address stands for itself alone.
pub(crate) fn network(value: &Value) -> Result<IpNet, Mistake> {
    let text = text(value)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    match text.parse::<IpNet>() {
        Ok(network) if network.addr() == network.network() => Ok(network),
        Ok(network) => {
            let mistake = Mistake::new(format!(
                "{} is an address with bits beyond its prefix",
                quoted(text)
            ));
            let address = IpNet::from(network.addr());
            Err(mistake.hint(format!("write {} or {address}", network.trunc())))
        }
        Err(_) => Err(Mistake::new(format!("{} is not a network", quoted(text)))
            .hint("write one such as 10.0.0.0/8, 192.168.1.7, fd00::/8 or ::1")),
    }
}

/// Text, or a bare number, of which `units` will say what unit it lacks.
fn quantity(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Integer(number) => Some(Cow::Owned(number.to_string())),
        Value::Float(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// What the word in the file stands for: `words` and `values` are in the same order.
pub(crate) fn one_of<T: Clone>(value: &Value, words: &[&str], values: &[T]) -> Result<T, Mistake> {
    let written = text(value)?;
    if let Some((_, value)) = words.iter().zip(values).find(|(word, _)| **word == written) {
        return Ok(value.clone());
    }
    let mistake = Mistake::new(format!("unknown value {}", quoted(written)));
    Err(match nearest(written, words.iter().copied()) {
        Some(word) => mistake.hint(format!("did you mean {word}?")),
        None => mistake.hint(format!("write {}", words.join(" or "))),
    })
}

pub(crate) fn name(value: &Value) -> Result<String, Mistake> {
    let name = text(value)?;
    check_name(name).map(|()| name.to_owned())
}

pub(crate) fn check_name(name: &str) -> Result<(), Mistake> {
    let well_formed = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if well_formed {
        return Ok(());
    }
    Err(
        Mistake::new(format!("{} is not a name", quoted(name))).hint(format!(
            "use 1 to {MAX_NAME} letters, digits, - and _, a letter or digit first"
        )),
    )
}

fn unexpected(what: &str, found: &Value) -> Mistake {
    let mistake = Mistake::new(format!("expected {what}, found {found}"));
    match (what, found) {
        (TEXT, Value::Bool(_) | Value::Integer(_) | Value::Float(_)) => {
            mistake.hint("put it in quotes")
        }
        (WHOLE | NUMBER, Value::Text(text)) => match bare_number(text) {
            Some(number) => mistake.hint(format!("write {number}")),
            None => mistake,
        },
        (FLAG, Value::Text(text)) => match text.to_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => mistake.hint("write true"),
            "no" | "off" | "n" | "false" => mistake.hint("write false"),
            _ => mistake,
        },
        _ => mistake,
    }
}

/// The number in `"8080"` and `80%`, where that is all there is.
fn bare_number(text: &str) -> Option<&str> {
    let number = text.trim().trim_end_matches('%').trim_end();
    let digits = number.trim_start_matches('0');
    let plain = digits.len() == number.len() || digits.starts_with('.');
    (plain && number.len() <= 10 && number.parse::<f64>().is_ok_and(f64::is_finite))
        .then_some(number)
}
