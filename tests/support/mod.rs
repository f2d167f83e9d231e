//! What the stories are told with.

pub(crate) mod api;
pub(crate) mod browser;
pub(crate) mod child;
pub(crate) mod compose;
pub(crate) mod exposition;
pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod roles;
pub(crate) mod tmux;
pub(crate) mod traffic;
pub(crate) mod up;
pub(crate) mod wait;

use std::{net::TcpListener, path::Path};

pub(crate) const MINICLOUD: &str = env!("CARGO_BIN_EXE_minicloud");

/// A port that was free a moment ago; below those that instances get (20000 and up) and that
/// outgoing connections take, so that nobody takes it in between.
pub(crate) fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    // Each test process starts elsewhere; within it, no port is given out twice.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 10_000 + (std::process::id() % 100) as u16 * 100;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The built-in example on a port of its own. A machine that runs tests is busy, and the
/// stories are not about that.
pub(crate) fn example_config(port: u16) -> String {
    let example = include_str!("../../minicloud.yaml");
    assert!(
        example.contains("port: 8080, default_action"),
        "the example has changed"
    );
    let example = example.replace(
        "port: 8080, default_action",
        &format!("port: {port}, default_action"),
    );
    example + BUSY_MACHINE
}

/// Launch whether the machine has room or not.
pub(crate) const BUSY_MACHINE: &str = "host_headroom: { enabled: false }\n";

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
