use std::cell::RefCell;

/// Kept of one kind.
const KEPT: usize = 64;

/// Things that a worker lends to a request and lends again to the next, so that their memory
/// is not asked for each time.
#[derive(Debug)]
pub(crate) struct Spare<T> {
    kept: RefCell<Vec<T>>,
    new: fn() -> T,
    /// Makes a thing fit for the next; false if it is not worth keeping.
    renew: fn(&mut T) -> bool,
}

impl<T> Spare<T> {
    pub(crate) fn new(new: fn() -> T, renew: fn(&mut T) -> bool) -> Self {
        Self {
            kept: RefCell::default(),
            new,
            renew,
        }
    }

    pub(crate) fn take(&self) -> T {
        let kept = self.kept.borrow_mut().pop();
        kept.unwrap_or_else(self.new)
    }

    pub(crate) fn put(&self, mut thing: T) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < KEPT && (self.renew)(&mut thing) {
            kept.push(thing);
        }
    }
}
