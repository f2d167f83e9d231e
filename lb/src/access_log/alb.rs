//! ALB's line: fields in ALB's order, one space between them, `-` for what there is not.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#access-log-entry-syntax>
//!
//! What comes from a request stands in quotes, and every quote, backslash, control character
//! and byte beyond ASCII in it is written `\xHH`: no request can end a field or a line.

use std::{io::Write, time::Duration};

use super::line::{Asked, Line};
use crate::http1::Classification;

/// ALB cuts longer ones.
const MAX_USER_AGENT: usize = 8 << 10;
/// The time of day as ALB has it.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

pub(super) fn put(out: &mut Vec<u8>, line: &Line) {
    put_times_and_counts(out, line);
    put_request(out, line);
    // ssl_cipher, ssl_protocol
    out.extend_from_slice(b" - - ");
    match &line.target_group {
        Some(name) => put_bare(out, name.as_bytes()),
        None => out.push(b'-'),
    }
    put_quoted(out, Some(&line.trace_id));
    // domain_name, chosen_cert_arn
    out.extend_from_slice(br#" "-" "-""#);
    put_rule(out, line);
    put_attempts(out, line);
    put_classification(out, line);
    put_fmt(out, format_args!(" TID_{:032x}", line.connection));
    let asked = line.asked.as_ref();
    put_quoted(
        out,
        asked.and_then(|asked| asked.transformed_host.as_deref()),
    );
    put_quoted(
        out,
        asked.and_then(|asked| asked.transformed_uri.as_deref()),
    );
    // request_transform_status
    out.extend_from_slice(br#" "-""#);
}

fn put_times_and_counts(out: &mut Vec<u8>, line: &Line) {
    let kind = if line.is_tunnel { "ws" } else { "http" };
    let end = line.creation_time + line.duration;
    put_fmt(out, format_args!("{kind} {} ", end.strftime(TIME)));
    put_bare(out, line.load_balancer.as_deref().unwrap_or("-").as_bytes());
    put_fmt(out, format_args!(" {} ", line.peer));
    match line.attempts.last() {
        Some(last) => put_bare(out, last.address.as_bytes()),
        None => out.push(b'-'),
    }
    for time in [
        line.request_processing,
        line.target_processing,
        line.response_processing,
    ] {
        put_seconds(out, time);
    }
    put_fmt(out, format_args!(" {} ", line.status));
    put_status(out, line.target_status);
    put_fmt(
        out,
        format_args!(" {} {} ", line.received_bytes, line.sent_bytes),
    );
}

/// The request, with the whole URL, and the user agent.
fn put_request(out: &mut Vec<u8>, line: &Line) {
    out.push(b'"');
    match &line.asked {
        Some(asked) => put_request_line(out, asked, line.port),
        None => put_fmt(out, format_args!("- http://-:{}- -", line.port)),
    }
    out.push(b'"');
    let user_agent = line
        .asked
        .as_ref()
        .and_then(|asked| asked.user_agent.as_deref());
    let user_agent = user_agent.map(|text| &text[..text.len().min(MAX_USER_AGENT)]);
    put_quoted(out, user_agent);
}

fn put_request_line(out: &mut Vec<u8>, asked: &Asked, port: u16) {
    put_escaped(out, &asked.method);
    out.push(b' ');
    if asked.uri.starts_with(b"/") || asked.uri == b"*" {
        out.extend_from_slice(b"http://");
        put_escaped(out, &asked.host);
        if !has_port(&asked.host) {
            put_fmt(out, format_args!(":{port}"));
        }
    }
    put_escaped(out, &asked.uri);
    out.push(b' ');
    out.extend_from_slice(asked.version.as_bytes());
}

/// Whether a valid host ends in a port.
fn has_port(host: &[u8]) -> bool {
    let after_name = host.iter().rposition(|&byte| byte == b']').unwrap_or(0);
    host[after_name..].contains(&b':')
}

fn put_rule(out: &mut Vec<u8>, line: &Line) {
    match &line.rule {
        Some(rule) => put_fmt(out, format_args!(" {}", rule.priority.unwrap_or(0))),
        None => out.extend_from_slice(b" -"),
    }
    put_fmt(out, format_args!(" {}", line.creation_time.strftime(TIME)));
    let action = line.rule.map(|rule| rule.action.as_bytes());
    put_quoted(out, action);
    put_quoted(out, line.redirect_url.as_deref().map(str::as_bytes));
    put_quoted(out, line.error.as_ref().map(|(word, _)| word.as_bytes()));
}

/// All targets that were tried, and the statuses of those that had one: the last.
fn put_attempts(out: &mut Vec<u8>, line: &Line) {
    if line.attempts.is_empty() {
        out.extend_from_slice(br#" "-" "-""#);
        return;
    }
    out.extend_from_slice(b" \"");
    for (index, attempt) in line.attempts.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        put_bare(out, attempt.address.as_bytes());
    }
    out.extend_from_slice(b"\" \"");
    for _ in 1..line.attempts.len() {
        out.extend_from_slice(b"- ");
    }
    put_status(out, line.target_status);
    out.push(b'"');
}

fn put_classification(out: &mut Vec<u8>, line: &Line) {
    let class = match line.classification {
        Classification::Compliant => None,
        class => Some(class.as_str().as_bytes()),
    };
    put_quoted(out, class);
    let reason = line.classification_reason;
    put_quoted(out, reason.map(|reason| reason.as_str().as_bytes()));
}

/// Milliseconds; ALB's -1 for what did not happen.
fn put_seconds(out: &mut Vec<u8>, time: Option<Duration>) {
    match time {
        Some(time) => put_fmt(out, format_args!(" {:.3}", time.as_secs_f64())),
        None => out.extend_from_slice(b" -1"),
    }
}

fn put_status(out: &mut Vec<u8>, status: Option<u16>) {
    match status {
        Some(status) => put_fmt(out, format_args!("{status}")),
        None => out.push(b'-'),
    }
}

/// A blank and the text in quotes.
fn put_quoted(out: &mut Vec<u8>, text: Option<&[u8]>) {
    out.extend_from_slice(b" \"");
    match text {
        Some(text) if !text.is_empty() => put_escaped(out, text),
        _ => out.push(b'-'),
    }
    out.push(b'"');
}

/// A name of the configuration, where a blank would begin the next field.
fn put_bare(out: &mut Vec<u8>, name: &[u8]) {
    for &byte in name {
        put_byte(out, byte, byte.is_ascii_graphic());
    }
}

fn put_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        put_byte(out, byte, matches!(byte, b' '..=b'~'));
    }
}

fn put_byte(out: &mut Vec<u8>, byte: u8, is_plain: bool) {
    match byte {
        b'"' | b'\\' => put_fmt(out, format_args!("\\x{byte:02X}")),
        _ if is_plain => out.push(byte),
        _ => put_fmt(out, format_args!("\\x{byte:02X}")),
    }
}

fn put_fmt(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // A vector takes all.
    let _ = out.write_fmt(text);
}
