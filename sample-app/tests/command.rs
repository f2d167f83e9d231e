//! The binary: its exit codes, its words, and how it takes signals.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sample-app"));
    command
        .args(args)
        .env_clear()
        .env("BIND", "127.0.0.1")
        .env("PORT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn output(args: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A child that is killed if its test fails.
struct Running(Child);

impl Running {
    /// Ends once the child has said its first line, which it does when it is ready.
    fn start(args: &[&str]) -> (Self, String) {
        let mut child = command(args).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::with_capacity(1, stdout)
            .read_line(&mut line)
            .unwrap();
        (Self(child), line)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn end(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        let status = self.0.wait().unwrap();
        self.0
            .stdout
            .as_mut()
            .unwrap()
            .read_to_string(&mut rest)
            .unwrap();
        (status.code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn sigterm_and_sigint_end_the_server_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut server, line) = Running::start(&[]);
        assert!(line.starts_with("local listens on 127.0.0.1:"), "{line}");
        server.signal(signal);
        assert_eq!(server.end().0, Some(0));
    }
}

#[test]
fn a_bad_environment_exits_with_78() {
    let output = command(&[]).env("PORT", "http").output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "sample-app: PORT is \"http\": give a number from 0 to 65535\n"
    );
}

#[test]
fn a_taken_port_is_named_with_its_fix() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = command(&[]).env("PORT", port.to_string()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with(&format!("sample-app: cannot listen on 127.0.0.1:{port}: ")));
    assert!(stderr.ends_with("; set PORT to a free one\n"), "{stderr}");
}

#[test]
fn unknown_arguments_are_refused() {
    let (code, _, stderr) = output(&["--verbose"]);
    assert_eq!(code, Some(2));
    assert!(stderr.starts_with("sample-app: unknown argument \"--verbose\"\nUsage: "));
    let (code, stdout, _) = output(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("Usage: "));
}

#[test]
fn stress_runs_out_its_time() {
    let mut child = Running(
        command(&["stress", "--cpu", "1", "--timeout", "1"])
            .spawn()
            .unwrap(),
    );
    let pid = child.0.id();
    let (code, stdout) = child.end();
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(
        lines[0],
        format!("stress: info: [{pid}] dispatching hogs: 1 cpu, 0 io, 0 vm, 0 hdd")
    );
    // A busy machine may have made it longer than the second asked for.
    assert!(lines[1].starts_with(&format!(
        "stress: info: [{pid}] successful run completed in "
    )));
    assert_eq!(lines.len(), 2);
}

#[test]
fn quiet_stress_says_nothing() {
    assert_eq!(
        output(&["stress", "-q", "-c", "1", "-t", "1"]),
        (Some(0), String::new(), String::new())
    );
}

#[test]
fn signals_end_stress() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (mut stress, line) = Running::start(&["stress", "-v", "-c", "2"]);
        assert!(line.contains("dispatching hogs: 2 cpu"), "{line}");
        stress.signal(signal);
        let (ended, rest) = stress.end();
        assert_eq!(ended, Some(code));
        assert!(!rest.contains("successful"), "{rest}");
    }
}

#[test]
fn stress_refuses_as_stress_does() {
    let (code, _, stderr) = output(&["stress", "--vm", "1"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("] unrecognized option: --vm\n"), "{stderr}");
    let (code, stdout, _) = output(&["stress"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("Usage: sample-app stress"));
}
