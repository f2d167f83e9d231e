//! Two cores carry all of this. A test that measures time has the machine to itself; all
//! others share it.

use std::cell::RefCell;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::const_new(());

#[expect(dead_code, reason = "held, not read")]
enum Held {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

thread_local! {
    /// Until the test's thread ends, however many balancers the test starts.
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// Waits until no test has the machine to itself.
pub(super) async fn share() {
    if HELD.with_borrow(Option::is_none) {
        let held = Held::Shared(MACHINE.read().await);
        HELD.set(Some(held));
    }
}

/// Waits until no other test runs; comes before the test's first balancer.
pub(crate) async fn be_alone() {
    HELD.set(None);
    let held = Held::Alone(MACHINE.write().await);
    HELD.set(Some(held));
}
