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

use super::connect;
use crate::{
    cli::{CreateKeyPairArgs, DeleteKeyPairArgs, ImportKeyPairArgs, KeyPairVerb, Reading},
    failure::{Exit, Failure},
    http_client::segment,
    output::{print, say, show, table},
};

const KEY_PAIRS: &str = "/v1/key-pairs";

pub(crate) async fn list(args: Reading) -> Result<(), Failure> {
    let known: KeyPairs = connect(&args.connection)?.read(KEY_PAIRS).await?;
    show(args.output, &known, |known| rows(&known.key_pairs))
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
        let (name, path) = (&info.key_name, path.display());
        let message = format!(
            "cannot write the private key to {path}: {error}. It is lost: delete the key pair `{name}` and make another"
        );
        return Err(Failure::new(Exit::CannotCreate, message));
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
        let message = format!(
            "cannot read the public key from {}: {error}",
            path.display()
        );
        Failure::new(Exit::Failure, message)
    })?;
    let body = CreateKeyPair {
        key_name: args.name,
        public_key: Some(text),
    };
    let api = connect(&args.reading.connection)?;
    let made: KeyPairInfo = api.post(KEY_PAIRS, &body).await?;
    show(args.reading.output, &made, |made| {
        rows(std::slice::from_ref(made))
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
    file.map_err(|error| {
        let message = format!("cannot create {}: {error}", path.display());
        Failure::new(Exit::CannotCreate, message)
    })
}

fn rows(key_pairs: &[KeyPairInfo]) -> String {
    let row = |of: &KeyPairInfo| {
        let created = of.create_time;
        [
            of.key_name.clone(),
            of.key_pair_id.clone(),
            of.key_type.clone(),
            of.key_fingerprint.clone(),
            created.map_or("configuration file".to_owned(), |at| format!("{at:.0}")),
        ]
    };
    let header = ["NAME", "ID", "TYPE", "FINGERPRINT", "CREATED"];
    table(header, key_pairs.iter().map(row))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

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
