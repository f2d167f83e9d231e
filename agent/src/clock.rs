/// Now, in milliseconds since the Unix epoch: the stamp of what is read now.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the agent reads the wall clock, to stamp its lines"
)]
pub(crate) fn unix_milliseconds() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
