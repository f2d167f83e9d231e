use std::{
    cell::Cell,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    rc::Rc,
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::{LocalSet, spawn_local},
    time::timeout,
};

use super::*;
use crate::{stream::Stream, worker::Worker};

const PATIENCE: Patience = Patience {
    idle: Duration::from_secs(60),
    keep_alive: Duration::from_secs(3600),
    min_body_rate: 240,
};
const UNKNOWN: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
/// How long what the kernel has to tell may take.
const SOON: Duration = Duration::from_secs(20);

/// A lot, and the worker whose permits the parked ones hold.
struct Site {
    lot: ParkingLot,
    worker: Worker,
    listener: TcpListener,
}

impl Site {
    fn new() -> Self {
        let worker = Worker::for_nothing();
        Self {
            lot: ParkingLot::new(&worker.shared.metrics.connections_parked).unwrap(),
            worker,
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
        }
    }

    /// A client, and the other end of its connection, which `client` was done with first.
    fn connected(&self, client: impl FnOnce(TcpStream) -> Option<TcpStream>) -> Connected {
        let stream = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = self.listener.accept().unwrap();
        Connected {
            client: client(stream),
            accepted,
        }
    }

    fn park(&self, accepted: TcpStream, port: u16, born: Instant, idle_since: Instant) {
        accepted.set_nonblocking(true).unwrap();
        // Of one that was reset it is not known any more.
        let peer = accepted.peer_addr().unwrap_or_else(|_| UNKNOWN.into());
        let permit = self.worker.permit(peer.ip(), port).unwrap();
        let stream = Stream::Tcp(tokio::net::TcpStream::from_std(accepted).unwrap());
        let parked = Parked {
            socket: stream.detach().unwrap(),
            arrival: Arrival::new(peer, port, born, permit),
            idle_since,
        };
        self.lot.park(parked, PATIENCE).unwrap();
    }

    fn park_now(&self, accepted: TcpStream, port: u16) {
        let now = Instant::now();
        self.park(accepted, port, now, now);
    }

    /// Runs the lot until it has resumed one.
    async fn resumed(&self) -> Parked {
        let resumed = Cell::new(None);
        let run = self.lot.run(|parked| resumed.set(Some(parked)));
        let one = async {
            loop {
                match resumed.take() {
                    Some(parked) => return parked,
                    None => yield_now().await,
                }
            }
        };
        timeout(SOON, async {
            tokio::select! {
                () = run => unreachable!("it runs for ever"),
                parked = one => parked,
            }
        })
        .await
        .expect("one is resumed")
    }

    /// Runs the lot until it is empty; none is resumed.
    async fn until_empty(&self) {
        let run = self.lot.run(|parked| panic!("{parked:?} has ended"));
        let empty = async {
            while self.parked() > 0 {
                yield_now().await;
            }
        };
        timeout(SOON, async {
            tokio::select! {
                () = run => unreachable!("it runs for ever"),
                () = empty => {}
            }
        })
        .await
        .expect("the lot gets empty");
    }

    /// How many there are, on all accounts.
    fn parked(&self) -> usize {
        let metrics = &self.worker.shared.metrics;
        let parked = self.lot.parked.borrow().len();
        assert_eq!(metrics.connections_parked.get(), parked as i64);
        assert_eq!(metrics.connections.get(), parked as i64);
        parked
    }
}

struct Connected {
    client: Option<TcpStream>,
    accepted: TcpStream,
}

/// Waits until what the client did is known at this end.
fn until_told(accepted: &TcpStream) {
    let _ = accepted.peek(&mut [0]);
}

#[tokio::test]
async fn bytes_that_came_before_the_parking_are_read() {
    let site = Site::new();
    let before = site.connected(|mut client| {
        client.write_all(b"early").unwrap();
        Some(client)
    });
    until_told(&before.accepted);
    let peer = before.accepted.peer_addr().unwrap();
    let born = Instant::now() - Duration::from_secs(9);
    site.park(before.accepted, 80, born, Instant::now());
    assert_eq!(site.parked(), 1);

    let Parked {
        socket, arrival, ..
    } = site.resumed().await;
    assert_eq!((arrival.peer, arrival.port, arrival.born), (peer, 80, born));
    let mut stream = socket.attach().unwrap();
    let mut bytes = [0; 5];
    timeout(SOON, stream.read_exact(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&bytes, b"early");
    drop(arrival);
    assert_eq!(site.parked(), 0);
}

#[tokio::test]
async fn bytes_that_come_later_resume_their_connection_alone() {
    let site = Site::new();
    let mut clients = Vec::new();
    for port in 1..=3 {
        let connected = site.connected(Some);
        clients.push(connected.client.unwrap());
        site.park_now(connected.accepted, port);
    }
    clients[1].write_all(b"x").unwrap();
    assert_eq!(site.resumed().await.arrival.port, 2);
    assert_eq!(site.parked(), 2);
    clients[0].write_all(b"x").unwrap();
    assert_eq!(site.resumed().await.arrival.port, 1);
    assert_eq!(site.parked(), 1);
}

#[tokio::test]
async fn clients_that_leave_are_freed_without_a_task() {
    let leaving: [fn(TcpStream) -> Option<TcpStream>; 3] = [
        |_| None,
        |client| {
            SockRef::from(&client)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
            None
        },
        |client| {
            client.shutdown(std::net::Shutdown::Write).unwrap();
            Some(client)
        },
    ];
    let site = Site::new();
    for leave in leaving {
        let before = site.connected(leave);
        until_told(&before.accepted);
        site.park_now(before.accepted, 80);

        let after = site.connected(Some);
        site.park_now(after.accepted, 80);
        let _half = leave(after.client.unwrap());
        assert_eq!(site.parked(), 2);
        site.until_empty().await;
    }
}

#[tokio::test]
async fn last_words_of_a_client_are_heard() {
    let site = Site::new();
    let connected = site.connected(|mut client| {
        client.write_all(b"bye").unwrap();
        None
    });
    until_told(&connected.accepted);
    site.park_now(connected.accepted, 80);
    let mut stream = site.resumed().await.socket.attach().unwrap();
    let mut words = String::new();
    timeout(SOON, stream.read_to_string(&mut words))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(words, "bye");
}

#[tokio::test]
async fn sweep_closes_what_is_idle_or_old_for_too_long() {
    let site = Site::new();
    let now = Instant::now();
    let after = |seconds| now + Duration::from_secs(seconds);
    let [idle, old, young] = [(); 3].map(|()| site.connected(Some));
    site.park(idle.accepted, 80, now, now);
    site.park(old.accepted, 80, now - Duration::from_secs(3570), after(2));
    site.park(young.accepted, 80, now, after(3));

    for (seconds, left) in [(29, 3), (30, 2), (59, 2), (60, 1), (62, 1), (63, 0)] {
        site.lot.sweep(after(seconds), |_| PATIENCE);
        assert_eq!(site.parked(), left, "after {seconds} s");
    }
    let read = idle.client.unwrap().read(&mut [0]);
    assert_eq!(read.unwrap(), 0, "closed well");
}

#[tokio::test]
async fn changed_patience_holds_for_what_is_parked() {
    let site = Site::new();
    let now = Instant::now();
    let after = |seconds| now + Duration::from_secs(seconds);
    let patience = |port| Patience {
        idle: Duration::from_secs(if port == 80 { 10 } else { 300 }),
        ..PATIENCE
    };
    let [first, second] = [(); 2].map(|()| site.connected(Some));
    site.park(first.accepted, 80, now, now);
    site.park(second.accepted, 81, now, now);
    site.lot.sweep(after(9), patience);
    assert_eq!(site.parked(), 2);
    site.lot.sweep(after(10), patience);
    assert_eq!(site.parked(), 1, "shorter");
    site.lot.sweep(after(299), patience);
    assert_eq!(site.parked(), 1, "longer");
    site.lot.sweep(after(300), patience);
    assert_eq!(site.parked(), 0);
}

#[tokio::test]
async fn sweep_walks_only_when_a_deadline_has_come() {
    let site = Site::new();
    let now = Instant::now();
    let connected = site.connected(Some);
    site.park(connected.accepted, 80, now, now);
    let asked = Cell::new(0);
    let patience = |_| {
        asked.set(asked.get() + 1);
        PATIENCE
    };
    for _ in 0..10 {
        site.lot.sweep(now + Duration::from_secs(59), patience);
    }
    assert_eq!(asked.get(), 10, "once a port, whatever is parked");
    site.lot.sweep(now + Duration::from_secs(60), patience);
    assert_eq!(site.parked(), 0);
}

#[tokio::test]
async fn only_the_ports_own_connections_retire() {
    let site = Site::new();
    let mut clients = Vec::new();
    for port in [80, 81, 80] {
        let connected = site.connected(Some);
        clients.push(connected.client.unwrap());
        site.park_now(connected.accepted, port);
    }
    site.lot.retire(80);
    assert_eq!(site.parked(), 1);
    for at in [0, 2] {
        assert_eq!(clients[at].read(&mut [0]).unwrap(), 0);
    }
    clients[1].write_all(b"x").unwrap();
    assert_eq!(site.resumed().await.arrival.port, 81);
}

/// Sends requests that are answered 503, there being no target.
async fn ask(clients: &mut [tokio::net::TcpStream]) {
    for client in clients {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut reply = [0; 1024];
        assert!(client.read(&mut reply).await.unwrap() > 0);
    }
}

#[test]
fn parked_connections_are_small() {
    assert_eq!(
        size_of::<Parked>(),
        128,
        "as docs/concepts/load-balancer.md has it"
    );
}

#[tokio::test]
async fn newcomers_in_a_crowd_are_parked_once_at_once() {
    const NEWCOMERS: usize = 50;
    let worker = Rc::new(Worker::for_nothing());
    let running = Rc::clone(&worker);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let story = async {
        spawn_local(async move {
            running
                .parking_lot
                .run(|parked| running.resume(parked))
                .await
        });
        let mut clients = Vec::new();
        for _ in 0..CROWD + NEWCOMERS {
            let address = listener.local_addr().unwrap();
            let connecting = tokio::net::TcpStream::connect(address);
            let (client, accepted) = tokio::join!(connecting, listener.accept());
            let (accepted, peer) = accepted.unwrap();
            worker.admit(accepted, peer, 80);
            clients.push(client.unwrap());
        }
        // Nobody sweeps here, so that nobody goes dormant; what is parked at all is so before
        // its client has the reply.
        let parked = || worker.shared.metrics.connections_parked.get();
        ask(&mut clients[..NEWCOMERS]).await;
        assert_eq!(parked(), NEWCOMERS as i64);
        ask(&mut clients[..NEWCOMERS]).await;
        assert_eq!(parked(), 0, "who comes back is given time");
        ask(&mut clients[NEWCOMERS..]).await;
        assert_eq!(parked(), NEWCOMERS as i64, "until they are no crowd");
    };
    let told = timeout(SOON, LocalSet::new().run_until(story)).await;
    told.expect("newcomers are parked");
}

#[tokio::test]
async fn connection_that_cannot_be_parked_is_served_on() {
    let worker = Rc::new(Worker::for_nothing());
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let story = async {
        let connecting = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(connecting, listener.accept());
        let (accepted, peer) = accepted.unwrap();
        // The kernel refuses to watch a socket twice.
        let (name, wanted) = (epoll::EventData::new_u64(9), epoll::EventFlags::ET);
        epoll::add(&worker.parking_lot.epoll, &accepted, name, wanted).unwrap();
        let permit = worker.permit(peer.ip(), 80).unwrap();
        let now = Instant::now();
        let arrival = Arrival::new(peer, 80, now, permit);
        worker.park(Stream::Tcp(accepted), arrival, now);
        let metrics = &worker.shared.metrics;
        assert_eq!(metrics.connections_parked.get(), 0);
        let mut clients = [client.unwrap()];
        ask(&mut clients).await;
        assert_eq!(metrics.connections.get(), 1);
    };
    let told = timeout(SOON, LocalSet::new().run_until(story)).await;
    told.expect("it is served");
}
