use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::stable_hash::stable_hash;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn lb() -> Stickiness {
    Stickiness::LbCookie { duration: DAY }
}

fn app() -> Stickiness {
    Stickiness::AppCookie {
        cookie_name: "JSESSIONID".into(),
        duration: DAY,
    }
}

fn read(stickiness: &Stickiness, field: &str) -> Session {
    Session::read(stickiness, std::iter::once(field.as_bytes()))
}

fn now() -> Timestamp {
    "2026-11-22T18:00:00Z".parse().unwrap()
}

/// What a client that got these sends back.
fn returned(cookies: &SetCookies) -> String {
    let pairs = cookies
        .iter()
        .flatten()
        .map(|cookie| cookie.split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}

fn web() -> Scope {
    Scope::of("web")
}

#[test]
fn client_comes_back_to_its_target() {
    let first = read(&lb(), "theme=dark");
    assert_eq!(first.sticky_to(web()), StickyTo::None);
    let cookies = first.answer(web(), 7, DAY, false, false, now());
    let second = read(&lb(), &format!("theme=dark; {}", returned(&cookies)));
    assert_eq!(second.sticky_to(web()), StickyTo::Target(7));
    assert_eq!(second.sticky_to(Scope::of("api")), StickyTo::None);
}

#[test]
fn cookie_is_as_elbs() {
    let [cookie, twin] = read(&lb(), "").answer(web(), 7, DAY, false, true, now());
    let value = Choices::default().with(web(), 7).encode();
    let life = "Expires=Mon, 23 Nov 2026 18:00:00 GMT; Max-Age=86400; Path=/";
    assert_eq!(cookie, Some(format!("MINICLOUDLB={value}; {life}")));
    let expected = format!("MINICLOUDLBCORS={value}; {life}; SameSite=None; Secure");
    assert_eq!(twin, Some(expected));
}

#[test]
fn without_tls_there_is_no_twin() {
    let [cookie, twin] = read(&lb(), "").answer(web(), 7, DAY, false, false, now());
    assert!(cookie.is_some());
    assert_eq!(twin, None);
}

#[test]
fn twin_alone_is_enough() {
    let [_, twin] = read(&lb(), "").answer(web(), 7, DAY, false, true, now());
    let back = read(&lb(), &returned(&[twin, None]));
    assert_eq!(back.sticky_to(web()), StickyTo::Target(7));
}

#[test]
fn unreadable_cookie_hides_no_other() {
    let [cookie, twin] = read(&lb(), "").answer(web(), 7, DAY, false, true, now());
    for back in [&[cookie, None], &[None, twin]] {
        let field = format!("MINICLOUDLB=; MINICLOUDLB=AQ; {}", returned(back));
        assert_eq!(read(&lb(), &field).sticky_to(web()), StickyTo::Target(7));
    }
}

#[test]
fn groups_do_not_overwrite_each_other() {
    let cookies = read(&lb(), "").answer(web(), 7, DAY, false, false, now());
    let session = read(&lb(), &returned(&cookies));
    let cookies = session.answer(Scope::of("api"), 8, DAY, false, false, now());
    let session = read(&lb(), &returned(&cookies));
    assert_eq!(session.sticky_to(web()), StickyTo::Target(7));
    assert_eq!(session.sticky_to(Scope::of("api")), StickyTo::Target(8));
}

#[test]
fn every_answer_renews_the_cookie() {
    let cookies = read(&lb(), "").answer(web(), 7, DAY, false, false, now());
    let later = now() + SignedDuration::from_hours(1);
    let [renewed, _] = read(&lb(), &returned(&cookies)).answer(web(), 7, DAY, false, false, later);
    assert!(
        renewed
            .unwrap()
            .contains("Expires=Mon, 23 Nov 2026 19:00:00 GMT")
    );
}

#[test]
fn app_cookie_opens_the_session_and_ends_it() {
    let stickiness = app();
    let silent = read(&stickiness, "").answer(web(), 7, DAY, false, false, now());
    assert_eq!(silent, [None, None], "the application has not asked for it");
    let opened = read(&stickiness, "").answer(web(), 7, DAY, true, false, now());
    let ours = returned(&opened);
    assert!(ours.starts_with("MINICLOUDAPP="), "{ours}");

    assert_eq!(read(&stickiness, &ours).sticky_to(web()), StickyTo::None);
    let both = read(&stickiness, &format!("JSESSIONID=1; {ours}"));
    assert_eq!(both.sticky_to(web()), StickyTo::Target(7));
    assert_ne!(
        both.answer(web(), 7, DAY, false, false, now()),
        [None, None]
    );
    let theirs = read(&stickiness, "JSESSIONID=1");
    assert_eq!(
        theirs.answer(web(), 7, DAY, false, false, now()),
        [None, None]
    );
}

#[test]
fn target_group_has_its_own_cookie() {
    let session = Session::read_target_group(std::iter::empty());
    let cookies = session.answer(web(), 7, DAY, false, true, now());
    let back = returned(&cookies);
    assert!(back.starts_with("MINICLOUDTG="), "{back}");
    assert!(back.contains("MINICLOUDTGCORS="), "{back}");
    let session = Session::read_target_group(std::iter::once(back.as_bytes()));
    assert_eq!(session.sticky_to(web()), StickyTo::Target(7));
    assert_eq!(read(&lb(), &back).sticky_to(web()), StickyTo::None);
}

#[test]
fn endless_duration_can_be_written() {
    let [cookie, _] = read(&lb(), "").answer(web(), 7, Duration::MAX, false, false, now());
    assert!(cookie.unwrap().contains("Expires=Thu, 30 Dec 9999"));
}

struct Fake(u64);

impl Candidate for Fake {
    fn in_flight(&self) -> u64 {
        0
    }

    fn weight(&self, _: Instant) -> f64 {
        1.0
    }

    fn latency(&self, _: Instant) -> Option<f64> {
        None
    }

    fn headroom(&self, _: Instant) -> f64 {
        1.0
    }

    fn hash(&self) -> u64 {
        self.0
    }
}

fn fakes(names: &[u8]) -> Vec<Fake> {
    names
        .iter()
        .map(|name| Fake(stable_hash(&[*name])))
        .collect()
}

proptest! {
    /// Targets come and go between requests; the client stays with its own while that is
    /// there, and stays with the next one after.
    #[test]
    fn client_stays_through_target_changes(
        changes in prop::collection::vec(prop::collection::vec(0_u8..6, 1..6), 1..20),
    ) {
        let mut cookie = String::new();
        let mut own: Option<u64> = None;
        for names in changes {
            let targets = fakes(&names);
            let session = read(&lb(), &cookie);
            let sticky = session.sticky_to(web()).among(&targets, |_| true);
            let is_here = own.is_some_and(|own| targets.iter().any(|target| target.0 == own));
            prop_assert_eq!(sticky.is_some(), is_here);
            let chosen = targets[sticky.unwrap_or(0)].0;
            prop_assert!(!is_here || own == Some(chosen));
            own = Some(chosen);
            cookie = returned(&session.answer(web(), chosen, DAY, false, false, now()));
        }
    }

    #[test]
    fn target_that_may_not_is_not_stuck_to(names in prop::collection::vec(any::<u8>(), 1..6)) {
        let targets = fakes(&names);
        let sticky = StickyTo::Target(targets[0].0);
        let chosen = sticky.among(&targets, |target| target.0 != targets[0].0);
        prop_assert_eq!(chosen, None);
    }

    #[test]
    fn hostile_fields_do_no_harm(field in any::<Vec<u8>>()) {
        properties::cookies(&field);
    }

    /// Pieces that matter, in any order.
    #[test]
    fn look_alikes_do_no_harm(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "MINICLOUDLB", "MINICLOUDLBCORS", "MINICLOUDAPP", "MINICLOUDTG", "JSESSIONID",
                "=", "=", ";", "; ", "\"", "AQECAwQFBgcICQoLDA", "AQ", "Ag", "\t", "\0",
            ]),
            0..16,
        ),
    ) {
        properties::cookies(pieces.concat().as_bytes());
    }
}
