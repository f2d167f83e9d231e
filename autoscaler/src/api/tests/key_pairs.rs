use super::*;
use crate::{
    command::KeyPairCommand,
    key_pair::{KeyPair, KeyPairError, PrivateKey},
};

/// Answers one command on key pairs as a loop that knows none would.
async fn obey(core: &mut Loop) {
    let Some(Command::KeyPair(command)) = core.commands.recv().await else {
        panic!("a command on key pairs");
    };
    match command {
        KeyPairCommand::Describe { reply } => reply.send(Ok(Vec::new())).unwrap(),
        KeyPairCommand::Import {
            key_name,
            public_key,
            reply,
        } => {
            let made = match key_name.as_str() {
                "taken" => Err(KeyPairError::Duplicate(key_name)),
                _ => Ok(KeyPair::of_file(&key_name, public_key)),
            };
            reply.send(made).unwrap();
        }
        KeyPairCommand::Delete { key_name, reply } => {
            let known = "none".to_owned();
            let name = key_name;
            let unknown = KeyPairError::NotFound { name, known };
            reply.send(Err(unknown)).unwrap();
        }
    }
    std::future::pending::<()>().await;
}

async fn ask(method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    tokio::select! {
        answer = send(&router, json_request(method, path, body.to_string())) => answer,
        () = obey(&mut core) => unreachable!("it pends"),
    }
}

#[tokio::test]
async fn created_key_pair_tells_its_private_key() {
    let (status, made) = ask("POST", "/v1/key-pairs", &json!({ "key_name": "ops" })).await;
    assert_eq!(status, StatusCode::CREATED);
    let private = PrivateKey::from_openssh(made["key_material"].as_str().unwrap()).unwrap();
    let (_, public) = private.parts();
    assert_eq!(made["public_key"], public.to_string());
    assert_eq!(made["key_fingerprint"], public.fingerprint());
    assert_eq!(made["key_type"], "ed25519");
    let (_, other) = ask("POST", "/v1/key-pairs", &json!({ "key_name": "ops" })).await;
    assert_ne!(made["public_key"], other["public_key"]);
}

#[tokio::test]
async fn imported_key_pair_tells_none() {
    let (_, public) = PrivateKey::from_seed([1; 32]).parts();
    let body = json!({ "key_name": "ops", "public_key": format!("{public} me@home") });
    let (status, made) = ask("POST", "/v1/key-pairs", &body).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(made["public_key"], public.to_string());
    assert_eq!(made.get("key_material"), None);
}

#[tokio::test]
async fn refusals_have_ec2s_codes() {
    for (method, path, body, expected, code) in [
        (
            "POST",
            "/v1/key-pairs",
            json!({ "key_name": "taken" }),
            StatusCode::CONFLICT,
            "InvalidKeyPair.Duplicate",
        ),
        (
            "POST",
            "/v1/key-pairs",
            json!({ "key_name": "ops", "public_key": "nonsense" }),
            StatusCode::BAD_REQUEST,
            "InvalidKeyPair.Format",
        ),
        (
            "DELETE",
            "/v1/key-pairs/ops",
            json!(null),
            StatusCode::NOT_FOUND,
            "InvalidKeyPair.NotFound",
        ),
    ] {
        let (status, answer) = ask(method, path, &body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
        assert_eq!(answer["error"]["code"], code);
    }
}
