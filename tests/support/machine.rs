//! Two cores carry all of this. A story that stresses one and asks what the other does has the
//! machine to itself; everything else shares it.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::const_new(());

#[expect(dead_code, reason = "held, not read")]
pub(crate) enum Machine {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Machine {
    pub(crate) async fn shared() -> Self {
        Self::Shared(MACHINE.read().await)
    }

    pub(crate) async fn alone() -> Self {
        Self::Alone(MACHINE.write().await)
    }
}
