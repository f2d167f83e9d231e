//! Key pairs: what an instance is launched with, and what becomes of it.

use std::time::Duration;

use minicloud_autoscaler::{
    command::KeyPairCommand as Asked,
    describe::{ActivityStatus, ConditionKind},
    key_pair::{KeyPair, KeyPairError, PrivateKey, PublicKey},
};

use super::cloud::{CONFIG, Cloud};

const MINUTE: Duration = Duration::from_secs(60);

fn key(seed: u8) -> PublicKey {
    PrivateKey::from_seed([seed; 32]).parts().1
}

async fn import(cloud: &Cloud, key_name: &str, seed: u8) -> Result<KeyPair, KeyPairError> {
    let imported = cloud.ask_of_key_pairs(|reply| Asked::Import {
        key_name: key_name.to_owned(),
        public_key: key(seed),
        reply,
    });
    imported.await
}

async fn delete(cloud: &Cloud, key_name: &str) -> Result<KeyPair, KeyPairError> {
    let key_name = key_name.to_owned();
    let deleted = cloud.ask_of_key_pairs(|reply| Asked::Delete { key_name, reply });
    deleted.await
}

fn config(key_pairs: &str) -> String {
    CONFIG.replace(
        "port: 8080 }\nauto",
        &format!("port: 8080, key_name: ops }}\n{key_pairs}auto"),
    )
}

fn keys(cloud: &Cloud) -> Vec<Option<PublicKey>> {
    let instances = cloud.group().instances.into_iter();
    instances.map(|instance| instance.public_key).collect()
}

#[tokio::test(start_paused = true)]
async fn missing_key_pair_fails_the_launch_until_it_is_there() {
    let cloud = Cloud::with_config(&config("")).await;
    cloud
        .until("the launch fails", MINUTE, |cloud| {
            cloud.condition(ConditionKind::LaunchFailing).is_some()
        })
        .await;
    let group = cloud.group();
    let failed = group
        .activities
        .iter()
        .find(|of| of.status_code == ActivityStatus::Failed);
    let message = failed.unwrap().status_message.clone().unwrap();
    assert!(
        message.contains("key pair 'ops' does not exist"),
        "{message}"
    );
    import(&cloud, "ops", 1).await.unwrap();
    cloud.until_in_service(1, MINUTE).await;
    assert_eq!(keys(&cloud), [Some(key(1))]);
    assert_eq!(cloud.group().instances[0].key_name.as_deref(), Some("ops"));
}

#[tokio::test(start_paused = true)]
async fn instance_keeps_the_key_that_it_was_launched_with() {
    let file = format!("key_pairs: {{ ops: {{ public_key: \"{}\" }} }}\n", key(1));
    let mut cloud = Cloud::with_config(&config(&file)).await;
    cloud.until_in_service(1, MINUTE).await;
    let of_file = delete(&cloud, "ops").await.unwrap_err();
    assert_eq!(of_file.code(), "OperationNotPermitted");
    let taken = import(&cloud, "ops", 2).await.unwrap_err();
    assert_eq!(taken.code(), "InvalidKeyPair.Duplicate");
    cloud.kill().await;
    let replaced = std::fs::read_to_string(cloud.config()).unwrap();
    let replaced = replaced.replace(&key(1).to_string(), &key(2).to_string());
    std::fs::write(cloud.config(), replaced).unwrap();
    cloud.boot().await;
    cloud.until_in_service(1, MINUTE).await;
    assert_eq!(keys(&cloud), [Some(key(1))]);
    cloud.scale(1, 2, 2).await.unwrap();
    cloud.until_in_service(2, MINUTE).await;
    let mut all = keys(&cloud);
    all.sort_by_key(|of| of.clone() == Some(key(2)));
    assert_eq!(all, [Some(key(1)), Some(key(2))]);
}

#[tokio::test(start_paused = true)]
async fn imported_key_pairs_are_kept_until_deleted() {
    let mut cloud = Cloud::start().await;
    let made = import(&cloud, "my key", 1).await.unwrap();
    cloud.kill().await;
    cloud.boot().await;
    let known = cloud.ask_of_key_pairs(|reply| Asked::Describe { reply });
    assert_eq!(known.await.unwrap(), std::slice::from_ref(&made));
    assert_eq!(delete(&cloud, "my key").await.unwrap(), made);
    let gone = delete(&cloud, "my key").await.unwrap_err();
    assert_eq!(gone.code(), "InvalidKeyPair.NotFound");
    let nameless = import(&cloud, "", 1).await.unwrap_err();
    assert_eq!(nameless.code(), "InvalidParameterValue");
}
