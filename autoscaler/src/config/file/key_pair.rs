use crate::{
    config::{
        fault::Mistake,
        reader::Entry,
        scalar,
        schema::{Absent, Form, Key, Section},
    },
    key_pair::{KeyPair, PublicKey},
};

pub(in crate::config) const SECTION: Section = Section {
    place: "key_pairs.NAME",
    keys: &[Key::new(
        "public_key",
        Form::Text("ed25519 public key in OpenSSH's form"),
        Absent::Fault("ssh-ed25519 AAAA..."),
        "What `ssh-keygen -t ed25519` puts into `FILE.pub`.",
    )],
    renamed: &[
        ("public_key_material", "public_key"),
        ("key", "public_key"),
        ("ssh_key", "public_key"),
        (
            "private_key",
            "write the public_key: minicloud keeps no private key",
        ),
    ],
};

pub(super) fn read(name: &str, entry: &Entry<'_>) -> Option<KeyPair> {
    let fields = entry.fields(&SECTION)?;
    let public_key = fields.required("public_key", |entry| {
        entry.read(|value| {
            let text = scalar::text(value)?;
            let key = text.parse::<PublicKey>();
            key.map_err(|error| Mistake::new(error.to_string()))
        })
    });
    Some(KeyPair::of_file(name, public_key?))
}
