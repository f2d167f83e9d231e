//! The fake keeps the contract, and its knobs do what they say.

use std::time::Duration;

use minicloud_autoscaler::{
    instance::InstanceId,
    launch_template::LaunchTemplate,
    now::VirtualClock,
    provider::{
        InstanceProvider, LaunchError, ObservedState, ProviderError,
        fake::{FakeProvider, LaunchFault},
    },
};
use tokio::time::Instant;

use super::{
    contract_tests,
    harness::{Behaviour, Command, Harness, find, request, template},
};

struct Fake(FakeProvider);

fn fake() -> Fake {
    let provider = FakeProvider::new(VirtualClock::starting_at(
        "2026-01-01T00:00:00Z".parse().unwrap(),
    ));
    provider.set_latency(Duration::from_millis(100));
    provider.set_boot_time(Duration::from_secs(3));
    Fake(provider)
}

impl Harness for Fake {
    type Provider = FakeProvider;

    async fn provider(&self) -> FakeProvider {
        self.0.clone()
    }

    async fn stranger(&self) -> Option<FakeProvider> {
        None
    }

    fn template(&self, behaviour: Behaviour) -> LaunchTemplate {
        match behaviour {
            Behaviour::Serves => {}
            Behaviour::Deaf => self.0.make_next_deaf(),
            Behaviour::Missing => self.0.fail_launches(1, LaunchFault::Template),
        }
        template("sturdy")
    }

    fn script(&self, _: &str) -> Option<LaunchTemplate> {
        None
    }

    fn serves_if(&self, _: &str) -> Option<LaunchTemplate> {
        None
    }

    async fn cpu(&self, _: &InstanceId) -> Option<Duration> {
        None
    }

    fn command(&self, command: Command) -> Option<Vec<String>> {
        let words: &[&str] = match command {
            Command::SaysHello => &["echo", "hello"],
            Command::Cat => &["cat"],
            Command::ExitsWith3 => &["exit", "3"],
            Command::Lasts => &["sleep", "1000"],
            Command::SaysBothAndFails
            | Command::SaysWindowSize
            | Command::Prints(_)
            | Command::NotExecutable
            | Command::IsReady => return None,
        };
        Some(words.iter().map(|&word| word.to_owned()).collect())
    }

    async fn end(&self, provider: &FakeProvider, id: &InstanceId) {
        provider.exit(id, "exit code 3");
    }

    async fn running_commands(&self, id: &InstanceId) -> usize {
        self.0.running_commands(id)
    }

    async fn clean_up(&self) {}
}

contract_tests!([start_paused = true] Some(fake()));

#[tokio::test(start_paused = true)]
async fn lost_answer_is_a_launch_all_the_same() {
    let Fake(provider) = fake();
    let request = request(template("web"));
    provider.fail_launches(1, LaunchFault::AnswerLost);
    let answer = provider.launch(&request).await;
    assert!(matches!(answer, Err(LaunchError::Unreachable(_))));
    provider.launch(&request).await.unwrap();
    assert_eq!(provider.launched().len(), 1);
    assert_eq!(provider.calls().launch, 2);
}

#[tokio::test(start_paused = true)]
async fn unreachable_engine_comes_back() {
    let Fake(provider) = fake();
    provider.unreachable_for(Duration::from_secs(60));
    let answer = provider.list().await;
    assert!(matches!(answer, Err(ProviderError::Unreachable(_))));
    tokio::time::sleep(Duration::from_secs(60)).await;
    provider.list().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn hanging_call_goes_on_when_released() {
    let Fake(provider) = fake();
    provider.set_hanging(true);
    let listed = tokio::time::timeout(Duration::from_secs(3600), provider.list()).await;
    assert!(listed.is_err(), "it should hang");
    let released = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        provider.set_hanging(false);
    };
    let (listed, ()) = tokio::join!(provider.list(), released);
    listed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn boot_takes_its_time_and_is_noticed() {
    let Fake(provider) = fake();
    let request = request(template("web"));
    provider.launch(&request).await.unwrap();
    let launched = Instant::now();
    let state = find(&provider, &request.instance_id).await.unwrap().state;
    assert_eq!(state, ObservedState::Starting);
    provider.changed().await;
    provider.changed().await;
    assert_eq!(launched.elapsed(), Duration::from_secs(3));
    let state = find(&provider, &request.instance_id).await.unwrap().state;
    assert!(matches!(state, ObservedState::Running { .. }));
}

#[tokio::test(start_paused = true)]
async fn failed_termination_leaves_the_instance() {
    let Fake(provider) = fake();
    let request = request(template("web"));
    provider.launch(&request).await.unwrap();
    provider.fail_terminations(1);
    let answer = provider.terminate(&request.instance_id).await;
    assert!(matches!(answer, Err(ProviderError::Failed(_))));
    assert!(find(&provider, &request.instance_id).await.is_some());
    provider.terminate(&request.instance_id).await.unwrap();
    assert_eq!(find(&provider, &request.instance_id).await, None);
}
