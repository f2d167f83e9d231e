use std::rc::Rc;

use crate::{
    target::Claim,
    upstream::{Pool, Pools, Upstream},
};

/// A target and a connection to it, held by one request. Dropped early, the connection is
/// closed; given back, it serves the next request.
pub(crate) struct Lease {
    pub(crate) upstream: Upstream,
    pub(crate) claim: Claim,
    pub(crate) pool: Rc<Pool>,
    pub(crate) pools: Rc<Pools>,
}

impl Lease {
    pub(crate) fn give_back(self) {
        self.pools.put(&self.pool, self.upstream);
    }
}
