use std::{collections::BTreeSet, time::Duration};

use super::Faults;
use crate::{
    Action, FixedResponse, Forward, Redirect, Rewrite, Transform,
    notation::{Case, ReplacePiece, UriPiece, replace_pieces, search_regex, uri_pieces},
};

/// ELB: target groups per action.
const MAX_TARGET_GROUPS: usize = 5;
/// `TargetGroupTuple`.
const MAX_WEIGHT: u32 = 999;
/// Seven days (`TargetGroupStickinessConfig`).
const MAX_STICKINESS: Duration = Duration::from_secs(604_800);
/// Of a redirect's host, path and query (`RedirectActionConfig`).
const MAX_URI_PART_BYTES: usize = 128;
/// `FixedResponseActionConfig`.
const MAX_MESSAGE_BODY_BYTES: usize = 1024;
/// Content types of a fixed response (`FixedResponseActionConfig`).
const CONTENT_TYPES: [&str; 5] = [
    "text/plain",
    "text/css",
    "text/html",
    "application/javascript",
    "application/json",
];
/// Of a rewrite's regular expression and replacement (`RewriteConfig`).
const MAX_REWRITE_BYTES: usize = 1024;

pub(super) fn check(action: &Action, path: &str, faults: &mut Faults) {
    match action {
        Action::Forward(forward) => check_forward(forward, &format!("{path}.forward"), faults),
        Action::Redirect(redirect) => {
            check_redirect(redirect, &format!("{path}.redirect"), faults);
        }
        Action::FixedResponse(response) => {
            check_fixed_response(response, &format!("{path}.fixed_response"), faults);
        }
    }
}

fn check_forward(forward: &Forward, path: &str, faults: &mut Faults) {
    let groups = &forward.target_groups;
    faults.unless(
        (1..=MAX_TARGET_GROUPS).contains(&groups.len()),
        format!("{path}.target_groups"),
        format!("from 1 to {MAX_TARGET_GROUPS}, not {}", groups.len()),
    );
    let mut names = BTreeSet::new();
    for (index, group) in groups.iter().enumerate() {
        let path = format!("{path}.target_groups[{index}]");
        let name = &*group.target_group;
        let named = format!("{path}.target_group");
        faults.unless(!name.is_empty(), &*named, "it is empty");
        let reason = format!("`{name}` is named twice; add up the weights");
        faults.unless(names.insert(name), named, reason);
        let reason = format!("{} is not from 0 to {MAX_WEIGHT}", group.weight);
        faults.unless(group.weight <= MAX_WEIGHT, format!("{path}.weight"), reason);
    }
    faults.unless(
        forward.target_group_stickiness <= MAX_STICKINESS,
        format!("{path}.target_group_stickiness_seconds"),
        "up to 604800, which is seven days",
    );
}

fn check_redirect(redirect: &Redirect, path: &str, faults: &mut Faults) {
    let Redirect {
        protocol,
        host,
        port,
        path: uri_path,
        query,
        status_code,
    } = redirect;
    let mut check = |name: &str, text: &str, fault: fn(&str) -> Option<String>| {
        if let Some(reason) = fault(text) {
            faults.add(format!("{path}.{name}"), reason);
        }
    };
    check("protocol", protocol, protocol_fault);
    check("host", host, host_fault);
    check("port", port, port_fault);
    check("path", uri_path, path_fault);
    check("query", query, query_fault);
    faults.unless(
        matches!(status_code, 301 | 302),
        format!("{path}.status_code"),
        format!("{status_code} is neither 301 nor 302"),
    );
    // HTTPS goes to HTTPS and HTTP to either (`RedirectActionConfig`): HTTP changes nothing.
    let default = Redirect::default();
    let is_loop = protocol != "HTTPS"
        && (host, port, uri_path) == (&default.host, &default.port, &default.path);
    faults.unless(
        !is_loop,
        path,
        "clients would come back for ever: change protocol, host, port or path",
    );
}

fn protocol_fault(protocol: &str) -> Option<String> {
    (!matches!(protocol, "HTTP" | "HTTPS" | "#{protocol}"))
        .then(|| format!("`{protocol}` is none of HTTP, HTTPS and #{{protocol}}"))
}

fn port_fault(port: &str) -> Option<String> {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = is_number && port.parse::<u16>().is_ok_and(|port| port > 0);
    (!is_port && port != "#{port}")
        .then(|| format!("`{port}` is neither from 1 to 65535 nor #{{port}}"))
}

fn host_fault(host: &str) -> Option<String> {
    let text = |text: &str| {
        let is_host =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=%[]:".contains(&byte);
        text.bytes().all(is_host)
    };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    if host.contains(':') && !is_bracketed {
        return Some("give the port as `port`, and write IPv6 in brackets".to_owned());
    }
    uri_part_fault(host, &[UriPiece::Host], text)
}

fn path_fault(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return Some("it must start with /".to_owned());
    }
    let allowed = [UriPiece::Host, UriPiece::Path, UriPiece::Port];
    uri_part_fault(path, &allowed, |text| {
        is_visible(text) && !text.contains(['?', '#'])
    })
}

fn query_fault(query: &str) -> Option<String> {
    if query.is_empty() {
        return None;
    }
    if query.starts_with('?') {
        return Some("leave out the ?, it comes by itself".to_owned());
    }
    let allowed = [
        UriPiece::Protocol,
        UriPiece::Host,
        UriPiece::Port,
        UriPiece::Path,
        UriPiece::Query,
    ];
    uri_part_fault(query, &allowed, |text| {
        is_visible(text) && !text.contains('#')
    })
}

fn uri_part_fault(
    part: &str,
    allowed: &[UriPiece<'_>],
    is_text: impl Fn(&str) -> bool,
) -> Option<String> {
    if !(1..=MAX_URI_PART_BYTES).contains(&part.len()) {
        return Some(format!("from 1 to {MAX_URI_PART_BYTES} bytes"));
    }
    let pieces = match uri_pieces(part) {
        Ok(pieces) => pieces,
        Err(reason) => return Some(reason),
    };
    for piece in pieces {
        match piece {
            UriPiece::Text(text) if !is_text(text) => {
                return Some(format!(
                    "`{text}` has a character that does not belong there"
                ));
            }
            UriPiece::Text(_) => {}
            piece if !allowed.contains(&piece) => {
                return Some(format!("#{{{}}} is not known here", keyword(piece)));
            }
            _ => {}
        }
    }
    None
}

fn keyword(piece: UriPiece<'_>) -> &str {
    match piece {
        UriPiece::Text(text) => text,
        UriPiece::Protocol => "protocol",
        UriPiece::Host => "host",
        UriPiece::Port => "port",
        UriPiece::Path => "path",
        UriPiece::Query => "query",
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check_fixed_response(response: &FixedResponse, path: &str, faults: &mut Faults) {
    let status = response.status_code;
    faults.unless(
        matches!(status, 200..=299 | 400..=599),
        format!("{path}.status_code"),
        format!("{status} is none of 2xx, 4xx and 5xx"),
    );
    let content_type = &*response.content_type;
    faults.unless(
        content_type.is_empty() || CONTENT_TYPES.contains(&content_type),
        format!("{path}.content_type"),
        format!("`{content_type}` is none of {}", CONTENT_TYPES.join(", ")),
    );
    let length = response.message_body.len();
    let body = format!("{path}.message_body");
    let reason = format!("{length} bytes are too long: up to {MAX_MESSAGE_BODY_BYTES}");
    faults.unless(length <= MAX_MESSAGE_BODY_BYTES, &*body, reason);
    // RFC 9110 15.3.5 and 15.3.6.
    let is_bodiless = matches!(status, 204 | 205) && length > 0;
    let reason = format!("a response with status {status} has no body");
    faults.unless(!is_bodiless, body, reason);
}

pub(super) fn check_transforms(transforms: &[Transform], action: &Action, faults: &mut Faults) {
    if !transforms.is_empty() && !matches!(action, Action::Forward(_)) {
        let reason = "nothing is forwarded, so there is nothing to transform";
        faults.add("transforms", reason);
    }
    let mut names = BTreeSet::new();
    for (index, transform) in transforms.iter().enumerate() {
        let path = format!("transforms[{index}].{}", transform.name());
        let reason = "a rule has one such transform";
        faults.unless(names.insert(transform.name()), &*path, reason);
        match transform {
            Transform::HostHeaderRewrite(rewrite) => {
                check_rewrite(rewrite, &path, Case::Ignored, faults);
            }
            Transform::UrlRewrite(rewrite) => {
                check_rewrite(rewrite, &path, Case::Sensitive, faults);
            }
        }
    }
}

fn check_rewrite(rewrite: &Rewrite, path: &str, case: Case, faults: &mut Faults) {
    let Rewrite { regex, replace } = rewrite;
    let is_length = (1..=MAX_REWRITE_BYTES).contains(&regex.len());
    let too_long = format!("from 1 to {MAX_REWRITE_BYTES} bytes");
    faults.unless(is_length, format!("{path}.regex"), too_long);
    let groups = match search_regex(regex, case) {
        Ok(regex) => regex.captures_len() - 1,
        Err(reason) if is_length => return faults.add(format!("{path}.regex"), reason),
        Err(_) => return,
    };
    if let Some(reason) = replace_fault(replace, groups) {
        faults.add(format!("{path}.replace"), reason);
    }
}

fn replace_fault(replace: &str, groups: usize) -> Option<String> {
    if replace.len() > MAX_REWRITE_BYTES {
        return Some(format!("up to {MAX_REWRITE_BYTES} bytes"));
    }
    if replace.contains("$0") {
        return Some("`$0` is no group: those are $1 to $9".to_owned());
    }
    replace_pieces(replace)
        .into_iter()
        .find_map(|piece| match piece {
            ReplacePiece::Group(group) if group > groups => {
                Some(format!("`${group}` is none of the regex's {groups} groups"))
            }
            ReplacePiece::Text(text) if !is_visible(text) => Some(format!(
                "`{text}` has blanks or other characters that no URL has"
            )),
            _ => None,
        })
}
