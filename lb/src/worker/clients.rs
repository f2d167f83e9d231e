//! The client connections of a worker: who is let in, who is parked and who comes back.

use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use prometheus::IntGauge;
use tokio::{net::TcpStream, time::Instant};

use super::Worker;
use crate::{
    client::{self, Arrival, Client},
    crowd::Counted,
    metrics::TooMany,
    parking::{CROWD, Parked},
    security_group,
    stream::Stream,
    watch::Watch,
};

/// One place among the client connections, and among those of its client.
#[derive(Debug)]
pub(crate) struct Permit {
    _counted: Counted,
    _place: Place,
}

#[derive(Debug)]
struct Place(IntGauge);

impl Worker {
    pub(crate) fn admit(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, port: u16) {
        if security_group::refuses(&self.shared, peer.ip(), port) {
            return;
        }
        let permit = match self.permit(peer.ip(), port) {
            Ok(permit) => permit,
            Err(reason) => return self.shared.metrics.count_rejected_connection(reason),
        };
        // Fails only on a socket that is dead already.
        if stream.set_nodelay(true).is_ok() {
            let arrival = Arrival::new(peer, port, Instant::now(), permit);
            let watch = Watch::new(port, arrival.born);
            self.serve_client(Stream::Tcp(stream), arrival, watch);
        }
    }

    fn serve_client(self: &Rc<Self>, stream: Stream, arrival: Arrival, watch: Watch) {
        let client = Rc::new(Client::new(self, &arrival, watch));
        self.connections
            .spawn_local(client::serve(stream, client, arrival));
    }

    /// Leaves a connection that has been idle since `idle_since` to the parking lot.
    pub(crate) fn park(self: &Rc<Self>, stream: Stream, mut arrival: Arrival, idle_since: Instant) {
        let port = arrival.port;
        arrival.was_parked = true;
        let parked = match stream.detach() {
            Ok(socket) => Parked {
                socket,
                arrival,
                idle_since,
            },
            Err(error) => return arrival.lost(&error),
        };
        let patience = self.shared.routing.load().patience(port);
        if let Err(refused) = self.parking_lot.park(parked, patience) {
            let (error, parked) = *refused;
            tracing::debug!(port, %error, "an idle connection cannot be parked");
            self.resume(parked);
        }
    }

    /// Whether there are so many tasks that connections should be parked early.
    pub(crate) fn is_crowded(&self) -> bool {
        self.watches.len() > CROWD
    }

    /// Serves a connection that was parked.
    pub(crate) fn resume(self: &Rc<Self>, parked: Parked) {
        let Parked {
            socket,
            arrival,
            idle_since,
        } = parked;
        match socket.attach() {
            Ok(stream) => {
                let watch = Watch::resumed(arrival.port, arrival.born, idle_since);
                self.serve_client(stream, arrival, watch);
            }
            Err(error) => arrival.lost(&error),
        }
    }

    /// Tells all connections of a port to finish; ends those that are parked.
    pub(super) fn retire(&self, port: u16) {
        self.watches.retire(port);
        self.parking_lot.retire(port);
    }

    /// # Errors
    /// Of what there are too many.
    pub(crate) fn permit(&self, peer: IpAddr, port: u16) -> Result<Permit, TooMany> {
        let connections = &self.shared.metrics.connections;
        let place = Place::take(connections);
        let limit = i64::try_from(self.shared.config.limits.connections).unwrap_or(i64::MAX);
        if connections.get() > limit {
            return Err(TooMany::Connections);
        }
        let routing = self.shared.routing.load();
        let listener = routing.route(port).map(|route| &route.listener);
        let of_client = listener.map(|listener| {
            let limit = listener.attributes.max_connections_per_client;
            // Behind a proxy there are many clients.
            let limit = limit.filter(|_| !listener.trusts(peer.to_canonical()));
            (&*listener.load_balancer, limit)
        });
        let (load_balancer, limit) = of_client.unwrap_or_default();
        let counted = self.shared.crowd.enter(load_balancer, peer, limit);
        Ok(Permit {
            _counted: counted.ok_or(TooMany::OfOneClient)?,
            _place: place,
        })
    }
}

impl Place {
    fn take(taken: &IntGauge) -> Self {
        taken.inc();
        Self(taken.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.dec();
    }
}
