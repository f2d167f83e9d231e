/// How long a head may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    /// All of it, with its line ends.
    pub(crate) head: usize,
    pub(crate) fields: usize,
    /// The request line or status line, without its line end.
    pub(crate) request_line: usize,
    /// One field line, without its line end.
    pub(crate) field: usize,
}

/// ALB's limits, which it does not let one set; it documents none on the number of fields.
impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            head: 64 << 10,
            fields: 100,
            request_line: 16 << 10,
            field: 16 << 10,
        }
    }
}
