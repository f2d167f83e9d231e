//! User data, and where and as what the command runs.

use minicloud_autoscaler::{
    launch_template::UserData,
    provider::{InstanceFault, InstanceProvider},
};

use super::until_ready;
use crate::provider::harness::{
    Command, Harness, eventually, find, listen, request, until_exited, until_running,
};

/// The command ends with 9 unless its user data has been there before it.
pub(in crate::provider) async fn user_data_runs_before_the_command(harness: &impl Harness) {
    let Some(mut template) = harness.serves_if(r#"[ "$(cat "${FLAGS:-/tmp}/boot")" = "$PORT" ]"#)
    else {
        return;
    };
    let script = "#!/bin/sh -e\nprintf %s \"$PORT\" > \"${FLAGS:-/tmp}/boot\"\n";
    template.user_data = Some(UserData::try_new(script).unwrap());
    let provider = harness.provider().await;
    for required in [false, true] {
        template.user_data_required = required;
        let request = request(template.clone());
        provider.launch(&request).await.unwrap();
        until_running(&provider, &request.instance_id).await;
        until_ready(harness, &provider, &request).await;
        let seen = find(&provider, &request.instance_id).await.unwrap();
        assert_eq!(seen.faults, []);
        provider.terminate(&request.instance_id).await.unwrap();
    }
}

pub(in crate::provider) async fn failing_user_data_is_told(harness: &impl Harness) {
    let Some(mut template) = harness.serves_if("true") else {
        return;
    };
    let script = "#!/bin/sh\necho trying\necho no such host >&2\nexit 3\n";
    template.user_data = Some(UserData::try_new(script).unwrap());
    let provider = harness.provider().await;
    let failure = "user data failed with exit code 3: no such host";

    let goes_on = request(template.clone());
    let id = &goes_on.instance_id;
    provider.launch(&goes_on).await.unwrap();
    until_running(&provider, id).await;
    until_ready(harness, &provider, &goes_on).await;
    let faults = eventually("the failure is seen", async || {
        let faults = find(&provider, id).await?.faults;
        (!faults.is_empty()).then_some(faults)
    })
    .await;
    assert_eq!(faults, [InstanceFault::UserData(failure.to_owned())]);

    template.user_data_required = true;
    let ends = request(template);
    provider.launch(&ends).await.unwrap();
    assert_eq!(until_exited(&provider, &ends.instance_id).await, failure);
}

pub(in crate::provider) async fn command_runs_in_its_folder(harness: &impl Harness) {
    let Some(mut template) = harness.serves_if(r#"[ "$(pwd)" = /usr ]"#) else {
        return;
    };
    template.working_dir = Some("/usr".to_owned());
    // As user data leaves it, too.
    for script in [None, Some("#!/bin/sh\ncd /\n")] {
        template.user_data = script.map(|script| UserData::try_new(script).unwrap());
        let provider = harness.provider().await;
        let request = request(template.clone());
        provider.launch(&request).await.unwrap();
        until_running(&provider, &request.instance_id).await;
        until_ready(harness, &provider, &request).await;
    }
}

/// What a command line of an instance holds does not pass through a shell twice.
pub(in crate::provider) async fn variables_survive_what_runs_before_the_command(
    harness: &impl Harness,
) {
    const HOSTILE: &str = "$(reboot) `id` \"quoted\" 'single' \\";
    let (Some(mut template), Some(prints)) = (
        harness.serves_if("true"),
        harness.command(Command::Prints("GREETING")),
    ) else {
        return;
    };
    template.cpus = Some(0.5);
    template.user_data = Some(UserData::try_new("#!/bin/sh\n: \"$@\"\n").unwrap());
    let env = &mut template.env;
    env.insert("GREETING".to_owned(), HOSTILE.to_owned());
    let provider = harness.provider().await;
    let request = request(template);
    provider.launch(&request).await.unwrap();
    until_running(&provider, &request.instance_id).await;
    until_ready(harness, &provider, &request).await;
    let session = provider.exec(&request.instance_id, prints).await.unwrap();
    assert_eq!(listen(session).await.stdout, HOSTILE);
}
