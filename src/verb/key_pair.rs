use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use minicloud_autoscaler::{
    api::KeyPairs,
    key_pair::{
        KeyPairInfo,
        describe::{CreateKeyPair, CreatedKeyPair},
    },
};

use super::{connect, watch};
use crate::{
    cli::{CreateKeyPairArgs, DeleteKeyPairArgs, ImportKeyPairArgs, KeyPairVerb, Watching},
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{Listing, print, say, show},
};

const KEY_PAIRS: &str = "/v1/key-pairs";

pub(crate) async fn list(args: Watching) -> Result<(), Failure> {
    let fetch = async |api: &ControlApi| api.read::<KeyPairs>(KEY_PAIRS).await;
    watch::read(&args, fetch, |known, output| {
        listing().render(&known.key_pairs, output)
    })
    .await
}

pub(crate) async fn run(verb: KeyPairVerb) -> Result<(), Failure> {
    match verb {
        KeyPairVerb::Create(args) => create(args).await,
        KeyPairVerb::Import(args) => import(args).await,
        KeyPairVerb::Delete(args) => delete(args).await,
    }
}

async fn create(args: CreateKeyPairArgs) -> Result<(), Failure> {
    let api = connect(&args.connection)?;
    // First of all: a key that cannot be kept must not be made.
    let file = match &args.key_file {
        Some(path) => Some((path, new_file(path)?)),
        None => None,
    };
    let body = CreateKeyPair {
        key_name: args.name,
        public_key: None,
    };
    let made = api.post::<CreatedKeyPair>(KEY_PAIRS, &body).await;
    let made = made.inspect_err(|_| {
        if let Some((path, _)) = &file {
            // Empty, and ours.
            drop(fs::remove_file(path));
        }
    })?;
    let key = made.key_material.unwrap_or_default();
    let info = made.info;
    let Some((path, mut file)) = file else {
        return print(key.as_bytes());
    };
    let written = file
        .write_all(key.as_bytes())
        .and_then(|()| file.sync_all());
    if let Err(error) = written {
        return Err(Failure::private_key_lost(path, &info.key_name, &error));
    }
    let (name, print) = (&info.key_name, &info.key_fingerprint);
    say(format_args!(
        "made {name} ({print}), its private key is in {}",
        path.display()
    ));
    Ok(())
}

async fn import(args: ImportKeyPairArgs) -> Result<(), Failure> {
    let path = &args.public_key_file;
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::unreadable("the public key", &path.display().to_string(), &error)
    })?;
    let body = CreateKeyPair {
        key_name: args.name,
        public_key: Some(text),
    };
    let api = connect(&args.reading.connection)?;
    let made: KeyPairInfo = api.post(KEY_PAIRS, &body).await?;
    show(args.reading.output, &made, |made, output| {
        listing().render([made], output)
    })
}

async fn delete(args: DeleteKeyPairArgs) -> Result<(), Failure> {
    let path = format!("{KEY_PAIRS}/{}", segment(&args.name));
    let gone: KeyPairInfo = connect(&args.connection)?.delete(&path).await?;
    say(format_args!("deleted {}", gone.key_name));
    Ok(())
}

/// For its owner alone, and never in place of one that is there.
fn new_file(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| Failure::new_file_refused(path, &error))
}

pub(super) fn listing() -> Listing<KeyPairInfo> {
    Listing::new(|of: &KeyPairInfo| of.key_name.clone())
        .column("NAME", |of| of.key_name.clone().into())
        .column("ID", |of| of.key_pair_id.clone().into())
        .column("TYPE", |of| of.key_type.clone().into())
        .column("FINGERPRINT", |of| of.key_fingerprint.clone().into())
        .column("CREATED", |of| match of.create_time {
            Some(at) => format!("{at:.0}").into(),
            None => "configuration file".into(),
        })
        .wide("PUBLIC KEY", |of| of.public_key.trim_end().into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::failure::Exit;

    #[test]
    fn private_keys_are_for_their_owner_and_overwrite_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let file = new_file(&path).unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = new_file(&path).unwrap_err();
        assert_eq!(again.exit, Exit::CannotCreate);
    }
}
