//! What [`InstanceProvider`] promises, whoever implements it.

mod boot;
mod limits;
mod log;

use std::{collections::BTreeSet, pin::pin, task::Poll, time::Duration};

use futures_util::future::join_all;
use minicloud_autoscaler::{
    instance::InstanceId,
    provider::{
        ExecCommand, ExecError, ExecInput, ExecOutput, InstanceProvider, LaunchError,
        LaunchRequest, ObservedState, STOP_GRACE, Stdin, Terminal, WindowSize,
    },
};
use tokio::time::Instant;

pub(super) use self::{boot::*, limits::*, log::*};
use super::harness::{
    Behaviour, Command, Harness, Said, assert_err, eventually, find, listen, new_id, request,
    until_exited, until_running, within,
};

pub(super) async fn launch_shows_a_running_instance(harness: &impl Harness) {
    let provider = harness.provider().await;
    let request = launched(harness, &provider).await;
    let address = until_running(&provider, &request.instance_id).await;
    assert!(address.contains(':'), "{address}");
    let instance = find(&provider, &request.instance_id).await.unwrap();
    assert_eq!(instance.auto_scaling_group, "web");
    assert_eq!(instance.availability_zone, "a");
    assert_eq!(instance.index, 1);
    assert_eq!(instance.launch_template_name, request.launch_template.name);
    assert_eq!(instance.launch_template_version, 7);
    assert!(!instance.metric_ids.is_empty());
    let again = find(&provider, &request.instance_id).await.unwrap();
    assert_eq!(again, instance, "listing is stable");
}

pub(super) async fn second_launch_is_the_same_instance(harness: &impl Harness) {
    let provider = harness.provider().await;
    let request = launched(harness, &provider).await;
    let address = until_running(&provider, &request.instance_id).await;
    provider.launch(&request).await.unwrap();
    assert_eq!(
        until_running(&provider, &request.instance_id).await,
        address
    );
    assert_eq!(provider.list().await.unwrap().len(), 1);

    let request = self::request(harness.template(Behaviour::Serves));
    let (first, second) = tokio::join!(provider.launch(&request), provider.launch(&request));
    first.unwrap();
    second.unwrap();
    until_running(&provider, &request.instance_id).await;
    assert_eq!(provider.list().await.unwrap().len(), 2);
}

pub(super) async fn interrupted_launch_leaves_one_instance(harness: &impl Harness) {
    for polls in 0.. {
        let request = request(harness.template(Behaviour::Serves));
        let provider = harness.provider().await;
        let finished = poll_times(provider.launch(&request), polls).await;
        drop(provider);
        let provider = harness.provider().await;
        provider.launch(&request).await.unwrap();
        until_running(&provider, &request.instance_id).await;
        assert_eq!(provider.list().await.unwrap().len(), 1, "{polls} polls");
        provider.terminate(&request.instance_id).await.unwrap();
        assert!(provider.list().await.unwrap().is_empty(), "{polls} polls");
        if finished {
            break;
        }
    }
}

pub(super) async fn concurrent_launches_have_addresses_of_their_own(harness: &impl Harness) {
    let provider = harness.provider().await;
    let requests: Vec<LaunchRequest> = (1..=5)
        .map(|index| LaunchRequest {
            index,
            ..request(harness.template(Behaviour::Serves))
        })
        .collect();
    for launched in join_all(requests.iter().map(|request| provider.launch(request))).await {
        launched.unwrap();
    }
    let mut addresses = BTreeSet::new();
    for request in &requests {
        addresses.insert(until_running(&provider, &request.instance_id).await);
    }
    assert_eq!(addresses.len(), requests.len(), "{addresses:?}");
}

pub(super) async fn template_faults_are_told_from_others(harness: &impl Harness) {
    let provider = harness.provider().await;
    let request = request(harness.template(Behaviour::Missing));
    let error = assert_err(provider.launch(&request).await);
    assert!(matches!(error, LaunchError::Template(_)), "{error:?}");
    assert_eq!(find(&provider, &request.instance_id).await, None);
}

pub(super) async fn environment_reaches_the_instance(harness: &impl Harness) {
    const HOSTILE: &str = "$(reboot) `id` \"quoted\" 'single' \\ é\nsecond line=x";
    let mut request = request(harness.template(Behaviour::Serves));
    let env = &mut request.launch_template.env;
    env.insert("GREETING".to_owned(), HOSTILE.to_owned());
    // A template overrides nothing of ours.
    env.insert("MINICLOUD_OWNER".to_owned(), "somebody".to_owned());
    env.insert("MINICLOUD_INSTANCE_ID".to_owned(), "i-99999999".to_owned());
    env.insert("PORT".to_owned(), "1".to_owned());
    let provider = harness.provider().await;
    provider.launch(&request).await.unwrap();
    let address = until_running(&provider, &request.instance_id).await;
    let id = request.instance_id.to_string();
    for (name, value) in [
        ("GREETING", HOSTILE),
        ("MINICLOUD_INSTANCE_ID", &id),
        ("MINICLOUD_AUTO_SCALING_GROUP", "web"),
        ("MINICLOUD_AVAILABILITY_ZONE", "a"),
        ("MINICLOUD_INSTANCE_INDEX", "1"),
        ("MINICLOUD_LAUNCH_TEMPLATE", "sturdy"),
        ("MINICLOUD_LAUNCH_TEMPLATE_VERSION", "7"),
    ] {
        let Some(command) = harness.command(Command::Prints(name)) else {
            return;
        };
        let session = provider.exec(&request.instance_id, command).await.unwrap();
        assert_eq!(listen(session).await.stdout, value, "{name}");
    }
    assert!(!address.ends_with(":1"), "{address}");
}

pub(super) async fn ended_instance_is_listed_until_terminated<H: Harness>(harness: &H) {
    let provider = harness.provider().await;
    let request = launched(harness, &provider).await;
    let id = &request.instance_id;
    until_running(&provider, id).await;
    harness.end(&provider, id).await;
    let detail = until_exited(&provider, id).await;
    assert!(detail.contains("exit code 3"), "{detail}");
    // Exists, if only just: not launched again.
    provider.launch(&request).await.unwrap();
    assert_eq!(until_exited(&provider, id).await, detail);
    provider.terminate(id).await.unwrap();
    assert_eq!(find(&provider, id).await, None);
}

pub(super) async fn unknown_instance_terminates(harness: &impl Harness) {
    let provider = harness.provider().await;
    provider.terminate(&new_id()).await.unwrap();
    let request = launched(harness, &provider).await;
    let id = &request.instance_id;
    let (first, second) = tokio::join!(provider.terminate(id), provider.terminate(id));
    first.unwrap();
    second.unwrap();
    provider.terminate(id).await.unwrap();
    assert_eq!(find(&provider, id).await, None);
}

pub(super) async fn polite_instance_ends_within_the_grace(harness: &impl Harness) {
    let provider = harness.provider().await;
    let request = launched(harness, &provider).await;
    until_running(&provider, &request.instance_id).await;
    until_ready(harness, &provider, &request).await;
    let asked = Instant::now();
    provider.terminate(&request.instance_id).await.unwrap();
    assert!(asked.elapsed() < STOP_GRACE, "{:?}", asked.elapsed());
    assert_eq!(find(&provider, &request.instance_id).await, None);
}

pub(super) async fn deaf_instance_is_killed_after_the_grace(harness: &impl Harness) {
    let provider = harness.provider().await;
    let request = request(harness.template(Behaviour::Deaf));
    provider.launch(&request).await.unwrap();
    until_running(&provider, &request.instance_id).await;
    until_ready(harness, &provider, &request).await;
    let asked = Instant::now();
    within("it is killed", provider.terminate(&request.instance_id))
        .await
        .unwrap();
    // The engine's grace is counted by the engine's clock.
    let waited = asked.elapsed() + Duration::from_millis(500);
    assert!(waited > STOP_GRACE, "{waited:?}");
    assert_eq!(find(&provider, &request.instance_id).await, None);
}

pub(super) async fn restart_adopts_what_runs(harness: &impl Harness) {
    let provider = harness.provider().await;
    let request = launched(harness, &provider).await;
    until_running(&provider, &request.instance_id).await;
    let before = find(&provider, &request.instance_id).await;
    drop(provider);
    let provider = harness.provider().await;
    assert_eq!(find(&provider, &request.instance_id).await, before);
    provider.terminate(&request.instance_id).await.unwrap();
    assert!(provider.list().await.unwrap().is_empty());
}

pub(super) async fn restart_sees_what_ended_meanwhile<H: Harness>(harness: &H) {
    let provider = harness.provider().await;
    let request = launched(harness, &provider).await;
    let id = &request.instance_id;
    until_running(&provider, id).await;
    harness.end(&provider, id).await;
    drop(provider);
    let provider = harness.provider().await;
    until_exited(&provider, id).await;
    provider.terminate(id).await.unwrap();
    assert_eq!(find(&provider, id).await, None);
}

pub(super) async fn strangers_are_left_alone(harness: &impl Harness) {
    let Some(stranger) = harness.stranger().await else {
        return;
    };
    let provider = harness.provider().await;
    let request = request(harness.template(Behaviour::Serves));
    let id = &request.instance_id;
    stranger.launch(&request).await.unwrap();
    let address = until_running(&stranger, id).await;
    assert!(provider.list().await.unwrap().is_empty());
    // Even called by its very name.
    provider.terminate(id).await.unwrap();
    let refused = provider.exec(id, vec!["true".to_owned()]).await;
    assert!(matches!(refused, Err(ExecError::NotRunning(_))));
    assert_eq!(until_running(&stranger, id).await, address);
    stranger.terminate(id).await.unwrap();
}

pub(super) async fn change_is_noticed<H: Harness>(harness: &H) {
    let provider = harness.provider().await;
    let request = launched(harness, &provider).await;
    until_running(&provider, &request.instance_id).await;
    notices_the_end(harness, &provider, &request).await;
}

pub(super) async fn change_of_an_adopted_instance_is_noticed<H: Harness>(harness: &H) {
    let provider = harness.provider().await;
    let request = launched(harness, &provider).await;
    until_running(&provider, &request.instance_id).await;
    drop(provider);
    let provider = harness.provider().await;
    provider.list().await.unwrap();
    notices_the_end(harness, &provider, &request).await;
}

pub(super) async fn command_streams_and_exits(harness: &impl Harness) {
    let provider = harness.provider().await;
    let id = launched(harness, &provider).await.instance_id;
    until_running(&provider, &id).await;
    for (command, stdout, stderr, code) in [
        (Command::SaysHello, "hello\n", "", 0),
        (Command::ExitsWith3, "", "", 3),
        (Command::SaysBothAndFails, "out", "err", 3),
    ] {
        let Some(command) = harness.command(command) else {
            continue;
        };
        let said = listen(provider.exec(&id, command).await.unwrap()).await;
        let expected = Said {
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            code: Some(code),
        };
        assert_eq!(said, expected);
    }
}

pub(super) async fn command_reads_until_its_input_ends(harness: &impl Harness) {
    let provider = harness.provider().await;
    let id = launched(harness, &provider).await.instance_id;
    until_running(&provider, &id).await;
    let cat = ExecCommand {
        argv: harness.command(Command::Cat).unwrap(),
        stdin: Stdin::Piped,
    };
    let mut session = provider.exec(&id, cat).await.unwrap();
    let input = session.input.take().unwrap();
    for line in ["one\n", "two\n"] {
        let bytes = ExecInput::Bytes(line.into());
        input.send(bytes).await.unwrap();
        let output = within("the line comes back", session.output.recv()).await;
        assert_eq!(output, Some(ExecOutput::Stdout(line.into())));
    }
    drop(input);
    let said = listen(session).await;
    assert_eq!((said.stdout.as_str(), said.code), ("", Some(0)));
}

pub(super) async fn command_in_a_terminal_knows_the_window(harness: &impl Harness) {
    let Some(argv) = harness.command(Command::SaysWindowSize) else {
        return;
    };
    let provider = harness.provider().await;
    let id = launched(harness, &provider).await.instance_id;
    until_running(&provider, &id).await;
    let size = |rows, columns| WindowSize { rows, columns };
    let terminal = Terminal {
        term: "dumb".to_owned(),
        size: size(24, 80),
    };
    let stdin = Stdin::Terminal(terminal);
    let command = ExecCommand { argv, stdin };
    let session = provider.exec(&id, command).await.unwrap();
    let input = session.input.clone().unwrap();
    input.send(ExecInput::Resize(size(30, 100))).await.unwrap();
    let line = ExecInput::Bytes("\n".into());
    input.send(line).await.unwrap();
    let said = listen(session).await;
    assert!(said.stdout.contains("30 100"), "{said:?}");
    assert_eq!(said.code, Some(5));
}

pub(super) async fn command_that_is_missing_is_told(harness: &impl Harness) {
    let provider = harness.provider().await;
    let id = launched(harness, &provider).await.instance_id;
    until_running(&provider, &id).await;
    let missing = vec!["no-such-command".to_owned()];
    let error = assert_err(provider.exec(&id, missing).await);
    assert!(matches!(error, ExecError::CommandNotFound(_)), "{error:?}");
    if let Some(command) = harness.command(Command::NotExecutable) {
        let error = assert_err(provider.exec(&id, command).await);
        let expected = matches!(error, ExecError::CommandNotExecutable(_));
        assert!(expected, "{error:?}");
    }
}

pub(super) async fn command_needs_a_running_instance<H: Harness>(harness: &H) {
    let provider = harness.provider().await;
    let hello = || harness.command(Command::SaysHello).unwrap();
    let error = assert_err(provider.exec(&new_id(), hello()).await);
    assert!(matches!(error, ExecError::NotRunning(_)), "{error:?}");
    let id = launched(harness, &provider).await.instance_id;
    until_running(&provider, &id).await;
    harness.end(&provider, &id).await;
    until_exited(&provider, &id).await;
    let error = assert_err(provider.exec(&id, hello()).await);
    assert!(matches!(error, ExecError::NotRunning(_)), "{error:?}");
}

pub(super) async fn command_ends_with_its_session(harness: &impl Harness) {
    let provider = harness.provider().await;
    let id = launched(harness, &provider).await.instance_id;
    until_running(&provider, &id).await;
    let command = harness.command(Command::Lasts).unwrap();
    let session = provider.exec(&id, command).await.unwrap();
    until_commands(harness, &id, 1).await;
    drop(session);
    until_commands(harness, &id, 0).await;
    until_running(&provider, &id).await;
}

pub(super) async fn command_ends_with_its_instance(harness: &impl Harness) {
    let provider = harness.provider().await;
    let id = launched(harness, &provider).await.instance_id;
    until_running(&provider, &id).await;
    let command = harness.command(Command::Lasts).unwrap();
    let session = provider.exec(&id, command).await.unwrap();
    until_commands(harness, &id, 1).await;
    provider.terminate(&id).await.unwrap();
    until_commands(harness, &id, 0).await;
    listen(session).await;
}

async fn launched<H: Harness>(harness: &H, provider: &H::Provider) -> LaunchRequest {
    let request = request(harness.template(Behaviour::Serves));
    provider.launch(&request).await.unwrap();
    request
}

/// A shell needs a moment until it ignores SIGTERM, and a container's init until it passes it
/// on: before that the kernel drops a signal to the first process of a pid namespace.
async fn until_ready<H: Harness>(harness: &H, provider: &H::Provider, request: &LaunchRequest) {
    let Some(command) = harness.command(Command::IsReady) else {
        return;
    };
    eventually("the instance is under way", async || {
        let session = provider.exec(&request.instance_id, command.clone()).await;
        (listen(session.unwrap()).await.code == Some(0)).then_some(())
    })
    .await;
}

async fn until_commands(harness: &impl Harness, id: &InstanceId, count: usize) {
    eventually("so many commands run", async || {
        (harness.running_commands(id).await == count).then_some(())
    })
    .await;
}

async fn notices_the_end<H: Harness>(harness: &H, provider: &H::Provider, request: &LaunchRequest) {
    harness.end(provider, &request.instance_id).await;
    // It may fire for nothing: what counts is that it fires until the end is seen.
    within("the end is noticed", async {
        loop {
            provider.changed().await;
            let instance = find(provider, &request.instance_id).await;
            if matches!(instance.unwrap().state, ObservedState::Exited { .. }) {
                break;
            }
        }
    })
    .await;
}

/// Polls a future so many times, then drops it. Whether it was done by then.
async fn poll_times<T>(future: impl Future<Output = T>, polls: usize) -> bool {
    let mut future = pin!(future);
    let mut polled = 0;
    std::future::poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(false);
        }
        polled += 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}
