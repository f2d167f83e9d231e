//! Memory that kept connections take, whose clients have asked once and then say nothing.

use std::{thread::sleep, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::runtime::{Builder, Runtime};

use crate::{
    backend::Backend,
    client::Connection,
    model::Model,
    options::Size,
    proxy::Proxy,
    table::{self, Best, Column, OfRounds, Ratios, Row},
};

/// How many are asked for at a time.
const AT_ONCE: usize = 64;
/// What is given back late is given back by then.
const REST: Duration = Duration::from_secs(2);
const FEW: usize = 1000;

/// Of one proxy, in KiB.
struct Memory {
    connections: usize,
    base: f64,
    with_few: f64,
    with_all: f64,
    closed: f64,
}

/// What a connection takes of all the memory, that taken beforehand included.
const ALL: Column<Memory> = per_connection("KiB/connection", |memory| {
    memory.with_all / memory.connections as f64
});
const GROWTH: Column<Memory> = per_connection("growth, KiB/connection", |memory| {
    (memory.with_all - memory.base) / memory.connections as f64
});
const GROWTH_OF_FEW: Column<Memory> = per_connection("of the first 1,000", |memory| {
    (memory.with_few - memory.base) / FEW as f64
});
const BASE: Column<Memory> = mib("before, MiB", |memory| memory.base / 1024.0);
const WITH_ALL: Column<Memory> = mib("with all, MiB", |memory| memory.with_all / 1024.0);
const CLOSED: Column<Memory> = mib("all closed, MiB", |memory| memory.closed / 1024.0);

const fn per_connection(title: &'static str, figure: fn(&Memory) -> f64) -> Column<Memory> {
    Column {
        title,
        figure,
        digits: 2,
        of_rounds: OfRounds::Median,
        best: Some(Best::Least),
    }
}

const fn mib(title: &'static str, figure: fn(&Memory) -> f64) -> Column<Memory> {
    Column {
        title,
        figure,
        digits: 1,
        of_rounds: OfRounds::Median,
        best: None,
    }
}

/// Starts each of `models` afresh, one at a time, and holds `connections` open to it.
pub(crate) fn compare(
    models: &[Model],
    connections: usize,
    backends: &[Backend; 2],
    ratios: &mut Ratios,
) {
    let connections = connections.max(FEW);
    let rows: Vec<_> = models
        .iter()
        .map(|model| {
            let proxy = Proxy::start(model, 1, connections, backends);
            Row {
                rounds: vec![Memory::of(&proxy, connections)],
                ..Row::of(&proxy)
            }
        })
        .collect();
    let title = format!("## {connections} idle connections, 1 worker");
    let columns = [ALL, GROWTH, GROWTH_OF_FEW, BASE, WITH_ALL, CLOSED];
    table::print(&title, &columns, &rows);
    let name = match connections {
        whole if whole % 1000 == 0 => format!("idle_{}k", whole / 1000),
        other => format!("idle_{other}"),
    };
    ratios.note(name.clone(), &ALL, &rows);
    ratios.note(format!("{name}_growth"), &GROWTH, &rows);
}

impl Memory {
    fn of(proxy: &Proxy, connections: usize) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut open = Vec::new();
        let base = rested(proxy);
        extend(&runtime, &mut open, proxy, FEW);
        let with_few = rested(proxy);
        extend(&runtime, &mut open, proxy, connections);
        let with_all = rested(proxy);
        drop(open);
        let closed = rested(proxy);
        Self {
            connections,
            base,
            with_few,
            with_all,
            closed,
        }
    }
}

fn rested(proxy: &Proxy) -> f64 {
    sleep(REST);
    proxy.processes.pss_kib()
}

/// Opens more, until there are `connections` that each have had an answer.
fn extend(runtime: &Runtime, open: &mut Vec<Connection>, proxy: &Proxy, connections: usize) {
    let more = stream::iter(open.len()..connections)
        .map(async |_| {
            let mut connection = Connection::open(proxy.address, Size::Bytes100).await?;
            connection.exchange().await?;
            Ok::<_, std::io::Error>(connection)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>();
    match runtime.block_on(more) {
        Ok(more) => open.extend(more),
        Err(error) => panic!("{}, {} connections: {error}", proxy.name, connections),
    }
}
