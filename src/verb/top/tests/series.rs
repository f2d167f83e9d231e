use super::{
    super::series::{Series, Window},
    statistics,
};

const REACH: std::time::Duration = std::time::Duration::from_secs(900);

#[test]
fn points_are_added_once_and_kept_as_far_back_as_charts_reach() {
    let start: jiff::Timestamp = "2026-01-01T10:00:00Z".parse().unwrap();
    let mut series = Series::default();
    series.add(&statistics(start, 600), REACH);
    series.add(&statistics(start, 600), REACH);
    assert_eq!(series.points().count(), 600);
    let later = start + jiff::SignedDuration::from_secs(600);
    series.add(&statistics(later, 600), REACH);
    assert_eq!(series.end(), Some(later));
    assert_eq!(
        series.points().count(),
        901,
        "the ends are fifteen minutes apart"
    );
}

#[test]
fn answer_without_end_is_kept_in_part() {
    let mut series = Series::default();
    let end = "2026-01-01T10:00:00Z".parse().unwrap();
    series.add(&statistics(end, 50_000), Window::Day.reach());
    assert_eq!(series.points().count(), 24 * 60);
    assert_eq!(series.end(), Some(end));
}
