use std::rc::Rc;

use crate::{
    client::Client,
    target::Claim,
    upstream::{Pool, Upstream},
    watch::Membership,
};

/// A target and a connection to it, held by one request. Dropped early, the connection is
/// closed; given back, it serves the next request.
pub(crate) struct Lease {
    pub(crate) upstream: Upstream,
    pub(crate) claim: Claim,
    pub(crate) pool: Rc<Pool>,
    /// So that the pool can end the exchange when the target is cut.
    _exchange: Membership,
}

impl Lease {
    pub(super) fn new(upstream: Upstream, claim: Claim, pool: Rc<Pool>, client: &Client) -> Self {
        Self {
            upstream,
            claim,
            _exchange: pool.exchanges.add(&client.watch),
            pool,
        }
    }

    /// For the next request, as the exchange has ended cleanly on both sides.
    pub(crate) fn give_back(self, client: &Client) {
        client.worker.pools.put(&self.pool, self.upstream);
    }
}
