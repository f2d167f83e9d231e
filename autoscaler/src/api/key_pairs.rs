use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use rand::{TryRng, rngs::SysRng};
use tokio::sync::oneshot;

use super::{Api, body::JsonBody, fault::Fault, segment::Segment, wire::KeyPairs};
use crate::{
    command::{Command, KeyPairCommand, KeyPairReply},
    key_pair::{
        KeyPairError, KeyPairInfo, PrivateKey,
        describe::{CreateKeyPair, CreatedKeyPair},
    },
};

/// Every key pair.
#[utoipa::path(
    get,
    path = "/v1/key-pairs",
    operation_id = "DescribeKeyPairs",
    tag = "key pairs",
    responses((status = 200, body = KeyPairs))
)]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Json<KeyPairs>, Fault> {
    let known = ask(&api, |reply| KeyPairCommand::Describe { reply }).await?;
    Ok(Json(KeyPairs {
        key_pairs: known.iter().map(KeyPairInfo::from).collect(),
    }))
}

/// Imports the public key that is given, else makes a key and tells it, this once.
#[utoipa::path(
    post,
    path = "/v1/key-pairs",
    operation_id = "CreateKeyPair",
    tag = "key pairs",
    request_body = CreateKeyPair,
    responses((status = 201, body = CreatedKeyPair))
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    JsonBody(create): JsonBody<CreateKeyPair>,
) -> Result<(StatusCode, Json<CreatedKeyPair>), Fault> {
    let (key_material, public_key) = match create.public_key {
        Some(text) => (None, text.parse().map_err(KeyPairError::Format)?),
        None => {
            let (text, public_key) = PrivateKey::from_seed(random()?).parts();
            (Some(text), public_key)
        }
    };
    let made = ask(&api, |reply| KeyPairCommand::Import {
        key_name: create.key_name,
        public_key,
        reply,
    })
    .await?;
    let info = KeyPairInfo::from(&made);
    Ok((
        StatusCode::CREATED,
        Json(CreatedKeyPair { info, key_material }),
    ))
}

/// Deletes a key pair.
#[utoipa::path(
    delete,
    path = "/v1/key-pairs/{name}",
    operation_id = "DeleteKeyPair",
    tag = "key pairs",
    params(("name" = String, Path)),
    responses((status = 200, body = KeyPairInfo))
)]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Segment(key_name): Segment,
) -> Result<Json<KeyPairInfo>, Fault> {
    let deleted = ask(&api, |reply| KeyPairCommand::Delete { key_name, reply }).await?;
    Ok(Json(KeyPairInfo::from(&deleted)))
}

/// Of the operating system: nobody may guess it.
pub(super) fn random() -> Result<[u8; 32], Fault> {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| {
        let message = format!("the operating system gives no random bytes: {error}");
        Fault::unavailable("InternalFailure", message)
    })?;
    Ok(bytes)
}

async fn ask<T>(
    api: &Api,
    command: impl FnOnce(KeyPairReply<T>) -> KeyPairCommand,
) -> Result<T, Fault> {
    let (reply, answer) = oneshot::channel();
    let command = Command::KeyPair(command(reply));
    let sent = api.commands.send(command).await;
    sent.map_err(|_| Fault::loop_gone())?;
    Ok(answer.await.map_err(|_| Fault::loop_gone())??)
}
