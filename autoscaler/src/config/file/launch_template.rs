use std::collections::BTreeMap;

use super::{Names, security_group};
use crate::{
    config::{
        fault::{Mistake, quoted},
        limits::Limits,
        node::Value,
        reader::Entry,
        scalar,
        schema::{Absent, Form, Key, Section},
        units::Bytes,
    },
    launch_template::{LaunchTemplate, ProcessTemplate},
};

pub(in crate::config) const SECTION: Section = Section {
    place: "launch_templates.NAME",
    keys: &[
        Key::new(
            "image",
            Form::Text("image of a container"),
            Absent::Default("none"),
            "What the `docker` provider runs.",
        ),
        Key::new(
            "process",
            Form::Section(&PROCESS),
            Absent::Default("none"),
            "What the `process` provider runs.",
        ),
        Key::new(
            "cpus",
            Form::Number("cores", &CPUS),
            Absent::Default("no quota"),
            "CPU quota of an instance. Its utilization is measured against it.",
        ),
        Key::new(
            "memory",
            Form::Bytes(&MEMORY),
            Absent::Default("no limit"),
            "Memory limit of an instance.",
        ),
        Key::new(
            "port",
            Form::Count(&scalar::PORT),
            Absent::Fault("8080"),
            "Port that a container serves on. A child process is told a free one in `PORT`.",
        ),
        Key::new(
            "env",
            Form::Text("mapping of names to text"),
            Absent::Default("none"),
            "Environment variables. `PORT` and `MINICLOUD_*` are minicloud's own.",
        ),
        Key::new(
            "security_groups",
            Form::Text("list of names of security groups, up to 5"),
            Absent::Default("none"),
            "Who may reach its instances, as far as the provider can tell: docs/security-groups.md.",
        ),
    ],
    renamed: &[
        ("image_id", "image"),
        ("command", "write process: { command: [...] }"),
        ("cmd", "write process: { command: [...] }"),
        ("cpu", "cpus"),
        ("mem", "memory"),
        ("mem_limit", "memory"),
        ("memory_limit", "memory"),
        ("environment", "env"),
        ("ports", "port"),
        ("container_port", "port"),
        ("security_group", "security_groups"),
        ("security_group_ids", "security_groups"),
        ("instance_type", "write cpus and memory"),
    ],
};

const PROCESS: Section = Section {
    place: "launch_templates.NAME.process",
    keys: &[Key::new(
        "command",
        Form::Text("list of text"),
        Absent::Fault("[minicloud, sample-app]"),
        "Program and arguments. The program `minicloud` is the running executable.",
    )],
    renamed: &[
        ("cmd", "command"),
        ("args", "write the arguments after the program in command"),
    ],
};

/// One hundredth of a core is the least that Docker's quota expresses.
const CPUS: Limits<f64> = Limits::new(0.01, 1024.0);

/// Docker refuses less than 6 MiB. The most is more than machines have.
const MEMORY: Limits<Bytes> = Limits::new(Bytes(6 << 20), Bytes(1024 << 30));

/// Docker's own bound on the name, and 128 for the tag.
const MAX_IMAGE: usize = 255 + 1 + 128;

/// The store counts versions up from here.
const FIRST_VERSION: u64 = 1;

pub(super) fn read(
    name: &str,
    entry: &Entry<'_>,
    security_groups: &Names,
) -> Option<LaunchTemplate> {
    let fields = entry.fields(&SECTION)?;
    let image = fields.optional("image", |entry| entry.read(image));
    let process = fields.optional("process", process);
    let cpus = fields.optional("cpus", |entry| {
        entry.read(|cpus| scalar::number(cpus, &CPUS))
    });
    let memory = fields.optional("memory", |entry| {
        entry.read(|size| scalar::bytes(size, &MEMORY))
    });
    let port = fields.required("port", |entry| entry.read(scalar::port));
    let env = fields.or("env", BTreeMap::new(), env);
    let security_groups = fields.or("security_groups", Vec::new(), |entry| {
        security_group::references(entry, security_groups)
    });
    if image == Some(None) && process == Some(None) {
        let mistake = Mistake::new("nothing to launch");
        entry.refuse_label(mistake.hint("add image: NAME or process: { command: [...] }, or both"));
    }
    Some(LaunchTemplate {
        name: name.to_owned(),
        version: FIRST_VERSION,
        image: image?,
        process: process?,
        cpus: cpus?,
        memory: memory?.map(|Bytes(bytes)| bytes),
        port: port?,
        env: env?,
        security_groups: security_groups?,
    })
}

/// Catches typing errors; what an image may be called is for the engine to say.
fn image(value: &Value) -> Result<String, Mistake> {
    let text = scalar::text(value)?;
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b':' | b'@');
    let well_formed = text.len() <= MAX_IMAGE
        && text.bytes().all(allowed)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && !text.contains("//");
    if well_formed {
        Ok(text.to_owned())
    } else {
        Err(
            Mistake::new(format!("{} is not the name of an image", quoted(text)))
                .hint("write one such as nginx, nginx:1.29 or ghcr.io/owner/app:tag"),
        )
    }
}

fn process(entry: &Entry<'_>) -> Option<ProcessTemplate> {
    let fields = entry.fields(&PROCESS)?;
    let command = fields.required("command", command)?;
    Some(ProcessTemplate { command })
}

fn command(entry: &Entry<'_>) -> Option<Vec<String>> {
    let items = entry.list()?;
    let words: Vec<_> = items.iter().map(|item| item.read(word)).collect();
    let words: Vec<String> = words.into_iter().collect::<Option<_>>()?;
    if words.first().is_none_or(String::is_empty) {
        entry.refuse(Mistake::new("no program is named").hint("write [program, argument, ...]"));
        return None;
    }
    Some(words)
}

/// Text that the operating system can take: it ends such text at the first NUL.
fn word(value: &Value) -> Result<String, Mistake> {
    let text = scalar::text(value)?;
    if text.contains('\0') {
        return Err(Mistake::new("the text contains a NUL character").hint("leave it out"));
    }
    Ok(text.to_owned())
}

fn env(entry: &Entry<'_>) -> Option<BTreeMap<String, String>> {
    let mut env = BTreeMap::new();
    for (name, entry) in entry.mapping()? {
        if let Err(mistake) = check_variable(&name) {
            entry.refuse_label(mistake);
        }
        env.insert(name, entry.read(word).unwrap_or_default());
    }
    Some(env)
}

fn check_variable(name: &str) -> Result<(), Mistake> {
    let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !well_formed {
        return Err(
            Mistake::new(format!("{} is not the name of a variable", quoted(name)))
                .hint("use letters, digits and _, no digit first"),
        );
    }
    if name == "PORT" || name.starts_with("MINICLOUD_") {
        return Err(
            Mistake::new(format!("minicloud itself sets {}", quoted(name))).hint("remove it"),
        );
    }
    Ok(())
}
