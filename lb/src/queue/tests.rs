use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn client(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, number).into()
}

struct Clock(Instant);

impl Clock {
    fn at(&self, seconds: f64) -> Instant {
        self.0 + Duration::from_secs_f64(seconds)
    }
}

fn clock() -> Clock {
    Clock(Instant::now())
}

/// A queue in which each of these clients' requests waits, named by its place in the list.
fn queue(capacity: usize, clients: &[u8], clock: &Clock) -> Queue<usize> {
    let mut queue = Queue::new(capacity);
    for (item, number) in clients.iter().enumerate() {
        let pushed = queue.push(client(*number), clock.at(1000.0), clock.0, item);
        pushed.unwrap();
    }
    queue
}

fn drain(queue: &mut Queue<usize>, now: Instant) -> Vec<usize> {
    std::iter::from_fn(|| queue.pop(now)).collect()
}

#[test]
fn clients_take_turns_and_keep_their_order() {
    let clock = clock();
    let mut queue = queue(10, &[1, 1, 1, 1, 2, 3, 2], &clock);
    assert_eq!(drain(&mut queue, clock.0), [0, 4, 5, 1, 6, 2, 3]);
}

#[test]
fn served_client_comes_after_a_new_one() {
    let clock = clock();
    let mut queue = queue(10, &[1, 1, 1], &clock);
    assert_eq!(queue.pop(clock.0), Some(0));
    queue.push(client(2), clock.at(10.0), clock.0, 7).unwrap();
    assert_eq!(drain(&mut queue, clock.0), [1, 7, 2]);
}

#[test]
fn full_queue_refuses_who_has_most() {
    let clock = clock();
    let mut queue = queue(3, &[1, 1, 1], &clock);
    let refused = queue.push(client(1), clock.at(10.0), clock.0, 9);
    assert_eq!(refused, Err(Full(9)));
    assert_eq!(queue.len(), 3);
}

#[test]
fn full_queue_makes_room_for_others() {
    let clock = clock();
    let mut queue = queue(3, &[1, 1, 1], &clock);
    let pushed = queue.push(client(2), clock.at(10.0), clock.0, 9).unwrap();
    assert_eq!(
        pushed.displaced,
        Some(2),
        "the latest of the client that has most"
    );
    let refused = queue.push(client(2), clock.at(10.0), clock.0, 10);
    assert_eq!(refused, Err(Full(10)), "two and one are as even as it gets");
    assert_eq!(drain(&mut queue, clock.0), [0, 9, 1]);
}

#[test]
fn queue_without_places_takes_nothing() {
    let clock = clock();
    let mut queue = Queue::new(0);
    assert!(queue.push(client(1), clock.at(10.0), clock.0, ()).is_err());
}

#[test]
fn lower_capacity_holds_for_new_requests() {
    let clock = clock();
    let mut queue = queue(3, &[1, 1, 1], &clock);
    queue.set_capacity(1);
    assert_eq!(queue.len(), 3);
    queue.pop(clock.0);
    assert!(queue.push(client(1), clock.at(10.0), clock.0, 9).is_err());
}

#[test]
fn deadline_ends_the_wait() {
    let clock = clock();
    let mut queue = Queue::new(10);
    for (item, deadline) in [(0, 3.0), (1, 1.0), (2, 2.0)] {
        queue
            .push(client(1), clock.at(deadline), clock.0, item)
            .unwrap();
    }
    assert!(queue.expire(clock.at(0.9)).is_empty());
    assert_eq!(queue.expire(clock.at(2.0)), [1, 2]);
    assert_eq!(
        queue.pop(clock.at(3.0)),
        None,
        "at its deadline it is too late"
    );
    assert!(queue.is_empty());
}

#[test]
fn cancelled_request_gets_no_turn() {
    let clock = clock();
    let mut queue = queue(10, &[1], &clock);
    let ticket = queue
        .push(client(2), clock.at(10.0), clock.0, 7)
        .unwrap()
        .ticket;
    assert_eq!(queue.cancel(ticket), Some(7));
    assert_eq!(queue.cancel(ticket), None);
    assert_eq!(drain(&mut queue, clock.0), [0]);
}

#[test]
fn hosts_of_a_network_are_one_client() {
    let clock = clock();
    let mut queue = Queue::new(10);
    for (item, address) in [
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8:0:1::1",
        "::ffff:192.0.2.1",
    ]
    .iter()
    .enumerate()
    {
        queue
            .push(address.parse().unwrap(), clock.at(10.0), clock.0, item)
            .unwrap();
    }
    queue.push(client(1), clock.at(10.0), clock.0, 4).unwrap();
    assert_eq!(drain(&mut queue, clock.0), [0, 2, 3, 1, 4]);
}

#[test]
fn oldest_wait_is_of_who_waits() {
    let clock = clock();
    let mut queue = Queue::new(10);
    assert_eq!(queue.oldest_wait(clock.0), Duration::ZERO);
    let first = queue.push(client(1), clock.at(10.0), clock.0, ()).unwrap();
    queue
        .push(client(1), clock.at(10.0), clock.at(2.0), ())
        .unwrap();
    assert_eq!(queue.oldest_wait(clock.at(3.0)), SECOND * 3);
    queue.cancel(first.ticket);
    assert_eq!(queue.oldest_wait(clock.at(3.0)), SECOND);
}

#[test]
fn retry_after_follows_the_pace_of_departures() {
    let clock = clock();
    let mut queue = queue(100, &[1; 100], &clock);
    for turn in 1..=60 {
        queue.pop(clock.at(f64::from(turn) * 0.5));
        queue
            .push(
                client(1),
                clock.at(100.0),
                clock.at(f64::from(turn) * 0.5),
                0,
            )
            .unwrap();
    }
    let wait = queue.retry_after(clock.at(30.0), None).as_secs_f64();
    assert!((49.0..51.0).contains(&wait), "100 at two a second: {wait}");
}

#[test]
fn retry_after_is_a_second_to_a_minute() {
    let clock = clock();
    let mut queue = queue(1000, &[1; 1000], &clock);
    queue.pop(clock.at(5.0));
    assert_eq!(queue.retry_after(clock.at(5.0), None), SECOND * 60);
    drain(&mut queue, clock.at(5.0));
    assert_eq!(queue.retry_after(clock.at(5.0), None), SECOND);
}

#[test]
fn retry_after_counts_a_boot() {
    let clock = clock();
    let queue = queue(10, &[], &clock);
    assert_eq!(queue.retry_after(clock.0, Some(SECOND * 8)), SECOND * 8);
}

#[test]
fn stalled_queue_tells_longer_waits() {
    let clock = clock();
    let mut queue = queue(10, &[1; 4], &clock);
    assert_eq!(
        queue.retry_after(clock.at(6.0), None),
        SECOND * 6,
        "nothing has left yet"
    );
    queue.pop(clock.at(6.0));
    let (before, after) = (clock.at(6.0), clock.at(9.9));
    assert_eq!(queue.retry_after(before, None), SECOND * 18);
    assert_eq!(queue.retry_after(after, None), SECOND * 18);
}

#[test]
fn time_without_waiters_is_no_departure_gap() {
    let clock = clock();
    let mut queue = Queue::new(10);
    for start in [0.0, 500.0] {
        queue
            .push(client(1), clock.at(start + 10.0), clock.at(start), ())
            .unwrap();
        queue
            .push(client(1), clock.at(start + 10.0), clock.at(start), ())
            .unwrap();
        queue.pop(clock.at(start + 2.0));
        queue.pop(clock.at(start + 4.0));
    }
    queue
        .push(client(1), clock.at(600.0), clock.at(510.0), ())
        .unwrap();
    assert_eq!(queue.retry_after(clock.at(510.0), None), SECOND * 2);
}

/// The same queue without regard to cost.
#[derive(Default)]
struct Model {
    /// Client, deadline, item.
    waiting: Vec<(u8, u64, usize)>,
    /// Clients that wait, the next one first.
    turns: Vec<u8>,
}

impl Model {
    fn of(&self, client: u8) -> usize {
        self.waiting
            .iter()
            .filter(|(own, ..)| *own == client)
            .count()
    }

    fn push(
        &mut self,
        capacity: usize,
        client: u8,
        deadline: u64,
        item: usize,
    ) -> Result<Option<usize>, ()> {
        let mut displaced = None;
        if self.waiting.len() >= capacity {
            // Of those that have most, the highest address.
            let most = self
                .turns
                .iter()
                .map(|own| (self.of(*own), *own))
                .max()
                .ok_or(())?;
            if most.0 <= self.of(client) + 1 {
                return Err(());
            }
            let latest = self
                .waiting
                .iter()
                .rposition(|(own, ..)| *own == most.1)
                .unwrap();
            displaced = Some(self.remove(latest));
        }
        self.waiting.push((client, deadline, item));
        if !self.turns.contains(&client) {
            self.turns.push(client);
        }
        Ok(displaced)
    }

    fn remove(&mut self, index: usize) -> usize {
        let (client, _, item) = self.waiting.remove(index);
        if self.of(client) == 0 {
            self.turns.retain(|own| *own != client);
        }
        item
    }

    fn expire(&mut self, now: u64) -> Vec<usize> {
        let mut expired: Vec<_> = self
            .waiting
            .iter()
            .filter(|(_, at, _)| *at <= now)
            .copied()
            .collect();
        expired.sort_by_key(|(_, at, item)| (*at, *item));
        for (.., item) in &expired {
            let index = self
                .waiting
                .iter()
                .position(|(.., own)| own == item)
                .unwrap();
            self.remove(index);
        }
        expired.into_iter().map(|(.., item)| item).collect()
    }

    fn pop(&mut self, now: u64) -> Option<usize> {
        self.expire(now);
        let client = *self.turns.first()?;
        let index = self
            .waiting
            .iter()
            .position(|(own, ..)| *own == client)
            .unwrap();
        self.turns.rotate_left(1);
        Some(self.remove(index))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push { client: u8, patience: u64 },
    Pop,
    Cancel(prop::sample::Index),
    Expire,
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_u8..4, 0_u64..20).prop_map(|(client, patience)| Step::Push { client, patience }),
        3 => Just(Step::Pop),
        1 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        1 => Just(Step::Expire),
        2 => (0_u64..8).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn queue_does_as_its_model(
        capacity in 0_usize..12,
        steps in prop::collection::vec(any_step(), 0..120),
    ) {
        let clock = clock();
        let instant = |seconds: u64| clock.at(seconds as f64);
        let (mut queue, mut model) = (Queue::new(capacity), Model::default());
        let mut tickets = Vec::new();
        let mut now = 0;
        for (item, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push { client: number, patience } => {
                    let deadline = now + patience;
                    let pushed = queue.push(client(number), instant(deadline), instant(now), item);
                    let expected = model.push(capacity, number, deadline, item);
                    prop_assert_eq!(
                        pushed.as_ref().map(|pushed| pushed.displaced).map_err(|_| ()),
                        expected
                    );
                    tickets.extend(pushed.ok().map(|pushed| (pushed.ticket, item)));
                }
                Step::Pop => prop_assert_eq!(queue.pop(instant(now)), model.pop(now)),
                Step::Cancel(any) => {
                    if !tickets.is_empty() {
                        let (ticket, item) = *any.get(&tickets);
                        let index = model.waiting.iter().position(|(.., own)| *own == item);
                        let expected = index.map(|index| model.remove(index));
                        prop_assert_eq!(queue.cancel(ticket), expected);
                    }
                }
                Step::Expire => prop_assert_eq!(queue.expire(instant(now)), model.expire(now)),
                Step::Pass(seconds) => now += seconds,
            }
            prop_assert_eq!(queue.len(), model.waiting.len());
            prop_assert!(queue.len() <= capacity);
            prop_assert_eq!(queue.clients.len(), model.turns.len());
            prop_assert_eq!(queue.deadlines.len(), queue.len());
            let retry_after = queue.retry_after(instant(now), None);
            prop_assert!((SOONEST..=LATEST).contains(&retry_after));
        }
    }

    #[test]
    fn quiet_client_is_served_among_the_first(
        others in prop::collection::vec(0_u8..5, 0..60),
    ) {
        let clock = clock();
        let mut queue = queue(61, &others, &clock);
        let mine = others.len();
        queue.push(client(99), clock.at(10.0), clock.0, mine).unwrap();
        let order = drain(&mut queue, clock.0);
        let place = order.iter().position(|item| *item == mine).unwrap();
        prop_assert!(place <= 5, "{}", place);
    }
}
