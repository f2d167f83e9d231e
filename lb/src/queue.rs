//! Where requests wait for a place at a target: bounded, fair between clients, in order within
//! one, none longer than its deadline. Holds no task and reads no clock.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use tokio::time::Instant;

/// Least and most that a client is told to wait: less is a retry at once, more nobody knows.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(60);
/// The part of a new gap between two departures in their average.
const SMOOTHING: f64 = 1.0 / 16.0;

/// Requests that wait, each with an item `T` by which it is told of its turn.
///
/// Clients take turns, so that one with a hundred requests delays another's by one place. A
/// full queue stays open to clients that have fewer in it than the one that has most: that
/// one's latest gives way. All in O(log n).
#[derive(Debug)]
pub(crate) struct Queue<T> {
    capacity: usize,
    entries: BTreeMap<Ticket, Entry<T>>,
    clients: HashMap<IpAddr, Client>,
    /// Whose turn it is: the lowest number's.
    turns: BTreeMap<u64, IpAddr>,
    /// Clients by how many of theirs wait.
    crowds: BTreeSet<(usize, IpAddr)>,
    deadlines: BTreeSet<(Instant, Ticket)>,
    next_ticket: u64,
    next_turn: u64,
    departures: Departures,
}

/// Names an entry; never used twice in a queue, in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(u64);

/// An accepted entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pushed<T> {
    pub(crate) ticket: Ticket,
    /// What had to give way, of the client that has most waiting.
    pub(crate) displaced: Option<T>,
}

/// There is no place; the item comes back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full<T>(pub(crate) T);

#[derive(Debug)]
struct Entry<T> {
    client: IpAddr,
    deadline: Instant,
    since: Instant,
    item: T,
}

#[derive(Debug)]
struct Client {
    turn: u64,
    waiting: BTreeSet<Ticket>,
}

/// How fast the queue gets shorter at its head.
#[derive(Debug, Default)]
struct Departures {
    /// Seconds from one to the next while requests wait.
    gap: Option<f64>,
    /// The last one, or when the queue began to fill.
    last: Option<Instant>,
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: BTreeMap::new(),
            clients: HashMap::new(),
            turns: BTreeMap::new(),
            crowds: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            next_ticket: 0,
            next_turn: 0,
            departures: Departures::default(),
        }
    }

    /// Holds for new entries; those that wait stay.
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Lets `item` wait until its turn or `deadline`.
    ///
    /// # Errors
    ///
    /// The queue is full, and no client has two more in it than this one.
    pub(crate) fn push(
        &mut self,
        client: IpAddr,
        deadline: Instant,
        now: Instant,
        item: T,
    ) -> Result<Pushed<T>, Full<T>> {
        let client = fold(client);
        let displaced = match self.len() < self.capacity {
            true => None,
            false => match self.crowded_out_by(client) {
                None => return Err(Full(item)),
                Some(latest) => self.cancel(latest),
            },
        };
        if self.is_empty() {
            self.departures.begin(now);
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.add_waiting(client, ticket);
        self.deadlines.insert((deadline, ticket));
        let entry = Entry {
            client,
            deadline,
            since: now,
            item,
        };
        self.entries.insert(ticket, entry);
        Ok(Pushed { ticket, displaced })
    }

    /// Takes out the next one: the first of the client whose turn it is. What is past its
    /// deadline is dropped on the way; [`expire`](Self::expire) before gives it back.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<T> {
        self.expire(now);
        let (_, client) = self.turns.first_key_value()?;
        let ticket = *self.clients.get(client)?.waiting.first()?;
        self.departures.note(now);
        let entry = self.remove(ticket)?;
        self.pass_turn(entry.client);
        Some(entry.item)
    }

    /// Takes out one that gave up; none if it is not here any more.
    pub(crate) fn cancel(&mut self, ticket: Ticket) -> Option<T> {
        self.remove(ticket).map(|entry| entry.item)
    }

    /// Takes out all that are past their deadline, the earliest first.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<T> {
        let mut expired = Vec::new();
        while let Some(&(deadline, ticket)) = self.deadlines.first()
            && deadline <= now
        {
            expired.extend(self.cancel(ticket));
        }
        expired
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How long the one that waits longest has waited.
    pub(crate) fn oldest_wait(&self, now: Instant) -> Duration {
        let oldest = self.entries.first_key_value();
        oldest.map_or(Duration::ZERO, |(_, entry)| {
            now.saturating_duration_since(entry.since)
        })
    }

    /// When a client that is refused now should come again: when those that wait now will
    /// have left, at the pace of the last departures. `boot` is how long it takes until there
    /// is a target, where there is none.
    pub(crate) fn retry_after(&self, now: Instant, boot: Option<Duration>) -> Duration {
        let each = self.departures.expected_gap(now);
        let drain = match each {
            Some(each) => each * self.len() as f64,
            // Nothing has left yet: what has lasted so long lasts about as long again.
            None => self.oldest_wait(now).as_secs_f64(),
        };
        let drain = Duration::try_from_secs_f64(drain).unwrap_or(LATEST);
        let wait = boot.unwrap_or_default().saturating_add(drain);
        wait.clamp(SOONEST, LATEST)
    }

    /// The entry that gives way to `client` in a full queue.
    fn crowded_out_by(&self, client: IpAddr) -> Option<Ticket> {
        let own = self.clients.get(&client).map_or(0, |c| c.waiting.len());
        let (most, crowd) = self.crowds.last()?;
        let is_fairer = *most > own + 1;
        let crowd = self.clients.get(crowd).filter(|_| is_fairer)?;
        crowd.waiting.last().copied()
    }

    fn add_waiting(&mut self, client: IpAddr, ticket: Ticket) {
        let next_turn = &mut self.next_turn;
        let turns = &mut self.turns;
        let known = self.clients.entry(client).or_insert_with(|| {
            let turn = *next_turn;
            *next_turn += 1;
            turns.insert(turn, client);
            Client {
                turn,
                waiting: BTreeSet::new(),
            }
        });
        self.crowds.remove(&(known.waiting.len(), client));
        known.waiting.insert(ticket);
        self.crowds.insert((known.waiting.len(), client));
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Entry<T>> {
        let entry = self.entries.remove(&ticket)?;
        self.deadlines.remove(&(entry.deadline, ticket));
        let known = self.clients.get_mut(&entry.client)?;
        self.crowds.remove(&(known.waiting.len(), entry.client));
        known.waiting.remove(&ticket);
        if known.waiting.is_empty() {
            self.turns.remove(&known.turn);
            self.clients.remove(&entry.client);
        } else {
            self.crowds.insert((known.waiting.len(), entry.client));
        }
        Some(entry)
    }

    /// A client that was served comes last.
    fn pass_turn(&mut self, client: IpAddr) {
        if let Some(known) = self.clients.get_mut(&client) {
            self.turns.remove(&known.turn);
            known.turn = self.next_turn;
            self.turns.insert(known.turn, client);
            self.next_turn += 1;
        }
    }
}

impl Departures {
    /// The queue begins to fill: what was before is no gap.
    fn begin(&mut self, now: Instant) {
        self.last = Some(now);
    }

    fn note(&mut self, now: Instant) {
        if let Some(last) = self.last {
            let gap = now.saturating_duration_since(last).as_secs_f64();
            let average = self.gap.unwrap_or(gap);
            self.gap = Some(average + (gap - average) * SMOOTHING);
        }
        self.last = Some(now);
    }

    /// Seconds to the next departure; more than the average if that is overdue.
    fn expected_gap(&self, now: Instant) -> Option<f64> {
        let since = now.saturating_duration_since(self.last?).as_secs_f64();
        Some(self.gap?.max(since))
    }
}

/// Who counts as one client: an IPv6 host chooses among the addresses of its /64.
pub(crate) fn fold(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests;
