//! What holds for any bytes in a Cookie field; asked by tests and by fuzzing.

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const APP: &str = "JSESSIONID";

/// Panics if a request with this Cookie field is read or answered wrongly.
pub(crate) fn cookies(field: &[u8]) {
    let lb = Stickiness::LbCookie { duration: DAY };
    let app = Stickiness::AppCookie {
        cookie_name: APP.into(),
        duration: DAY,
    };
    session(field, |fields| Session::read(&lb, fields.iter().copied()));
    session(field, |fields| Session::read(&app, fields.iter().copied()));
    session(field, |fields| {
        Session::read_target_group(fields.iter().copied())
    });
    cookies::sets(field, APP);
    if let Some(choices) = Choices::decode(field) {
        assert_eq!(choices.encode().as_bytes(), field);
    }
}

/// Whatever a client claims to have, it gets cookies by which it comes back to `choice`, and
/// to where else it was.
fn session(field: &[u8], read: impl Fn(&[&[u8]]) -> Session) {
    let (web, choice) = (Scope::of("web"), 7);
    let claimed = read(&[field]);
    let cookies = claimed.answer(web, choice, DAY, true, true, Timestamp::UNIX_EPOCH);
    for cookie in cookies.iter().flatten() {
        let is_visible = cookie.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        assert!(is_visible && cookie.len() < 256, "{cookie:?}");
    }
    let pairs = cookies
        .iter()
        .flatten()
        .map(|cookie| cookie.split(';').next().unwrap_or_default());
    let mut ours = vec!["JSESSIONID=1".as_bytes()];
    ours.extend(pairs.map(str::as_bytes));
    ours.push(field);
    let back = read(&ours);
    assert_eq!(back.sticky_to(web), StickyTo::Target(choice));
    for scope in back.choices.scopes().filter(|scope| *scope != web) {
        assert_eq!(back.choices.get(scope), claimed.choices.get(scope));
    }
}
