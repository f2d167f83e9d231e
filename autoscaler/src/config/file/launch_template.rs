use std::collections::{BTreeMap, HashSet};

use super::{
    Names,
    instance_type::{CPUS, MEMORY},
    security_group,
};
use crate::{
    config::{
        fault::{Mistake, quoted},
        node::Value,
        reader::{Entry, Fields},
        scalar,
        schema::{Absent, Form, Key, Section},
        suggest::nearest,
        units::Bytes,
    },
    instance_type::{self, InstanceType},
    key_pair,
    launch_template::{
        LaunchTemplate, LaunchTemplateData, Mount, ProcessTemplate, UserData, mount,
    },
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
            "instance_type",
            Form::Text("name of an instance type"),
            Absent::Default("none"),
            "Size of an instance: one of EC2's, such as `t2.micro`, or of `instance_types`.",
        ),
        Key::new(
            "cpus",
            Form::Number("cores", &CPUS),
            Absent::Default("the instance type's, or no quota"),
            "CPU quota of an instance. Its utilization is measured against it.",
        ),
        Key::new(
            "memory",
            Form::Bytes(&MEMORY),
            Absent::Default("the instance type's, or no limit"),
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
            Form::TextsByName("mapping of names to text"),
            Absent::Default("none"),
            "Environment variables. `PORT` and `MINICLOUD_*` are minicloud's own.",
        ),
        Key::new(
            "security_groups",
            Form::Texts("list of names of security groups, up to 5"),
            Absent::Default("none"),
            "Who may reach its instances, as far as the provider can tell: docs/concepts/security-groups.md.",
        ),
        Key::new(
            "entrypoint",
            Form::Texts("list of text"),
            Absent::Default("the image's"),
            "What a container runs; `command` is appended to it.",
        ),
        Key::new(
            "command",
            Form::Texts("list of text"),
            Absent::Default("the image's, or none beside an `entrypoint`"),
            "What a container runs, or what its entrypoint is given. A child process has `process`.",
        ),
        Key::new(
            "working_dir",
            Form::Text("absolute path"),
            Absent::Default("the image's, or minicloud's own"),
            "Where the command runs.",
        ),
        Key::new(
            "user",
            Form::Text("user or uid, with :group or :gid"),
            Absent::Default("the image's"),
            "Who runs in a container. Child processes run as who runs minicloud.",
        ),
        Key::new(
            "user_data",
            Form::Text("script that begins with `#!`, as it is or in base64, up to 16 KiB"),
            Absent::Default("none"),
            "Runs once, before the command; its output goes to the instance's log.",
        ),
        Key::new(
            "user_data_required",
            Form::Flag,
            Absent::Default("`false`"),
            "Whether an instance whose user data fails ends. As on EC2, it goes on by default.",
        ),
        Key::new(
            "mounts",
            Form::Texts("list of `SOURCE:TARGET` or `SOURCE:TARGET:ro`"),
            Absent::Default("none"),
            "Folders of the host (an absolute path) or named volumes in a container, writable unless `ro`.",
        ),
        Key::new(
            "allow_privileged_mounts",
            Form::Flag,
            Absent::Default("`false`"),
            "Allows mounts that give power over the host, such as `/`, `/proc` and the engine's socket.",
        ),
        Key::new(
            "key_name",
            Form::Text("name of a key pair"),
            Absent::Default("none"),
            "Key pair, of `key_pairs` or of those that the control API made, whose holder may open a shell in an instance with `minicloud ssh`.",
        ),
    ],
    renamed: &[
        ("key_pair", "key_name"),
        ("key_pair_name", "key_name"),
        ("ssh_key", "key_name"),
        ("image_id", "image"),
        ("cmd", "command"),
        ("cpu", "cpus"),
        ("mem", "memory"),
        ("mem_limit", "memory"),
        ("memory_limit", "memory"),
        ("environment", "env"),
        ("ports", "port"),
        ("container_port", "port"),
        ("security_group", "security_groups"),
        ("security_group_ids", "security_groups"),
        ("type", "instance_type"),
        ("size", "instance_type"),
        ("userdata", "user_data"),
        ("volumes", "mounts"),
        ("binds", "mounts"),
        ("workdir", "working_dir"),
        ("working_directory", "working_dir"),
    ],
};

const PROCESS: Section = Section {
    place: "launch_templates.NAME.process",
    keys: &[Key::new(
        "command",
        Form::Texts("list of text"),
        Absent::Fault("[minicloud, sample-app]"),
        "Program and arguments. The program `minicloud` is the running executable.",
    )],
    renamed: &[
        ("cmd", "command"),
        ("args", "write the arguments after the program in command"),
    ],
};

/// Docker's own bound on the name, and 128 for the tag.
const MAX_IMAGE: usize = 255 + 1 + 128;

/// The store counts versions up from here.
const FIRST_VERSION: u64 = 1;

/// Sizes that templates may name besides EC2's.
pub(super) type InstanceTypes = BTreeMap<String, InstanceType>;

/// What a template may refer to.
pub(super) struct Context<'a> {
    pub(super) instance_types: &'a InstanceTypes,
    pub(super) security_groups: &'a Names,
}

/// A whole template, as the file has it.
pub(super) fn read(name: &str, entry: &Entry<'_>, context: &Context<'_>) -> Option<LaunchTemplate> {
    let fields = entry.fields(&SECTION)?;
    let data = members(&fields, context);
    if fields.get("image").is_none() && fields.get("process").is_none() {
        let mistake = Mistake::new("nothing to launch");
        entry.refuse_label(mistake.hint("add image: NAME or process: { command: [...] }, or both"));
    }
    if fields.get("port").is_none() {
        entry.refuse_label(Mistake::new("port is missing").hint("add port: 8080"));
    }
    let template = data?.over(LaunchTemplate {
        name: name.to_owned(),
        version: FIRST_VERSION,
        ..LaunchTemplate::default()
    });
    refuse_dangerous(&fields, &template)?;
    Some(template)
}

/// The members that are given, for a version that may take the others from an earlier one.
pub(super) fn read_members(entry: &Entry<'_>, context: &Context<'_>) -> Option<LaunchTemplateData> {
    members(&entry.fields(&SECTION)?, context)
}

fn members(fields: &Fields<'_>, context: &Context<'_>) -> Option<LaunchTemplateData> {
    let flag = |entry: &Entry<'_>| entry.read(scalar::flag);
    let image = fields.optional("image", |entry| entry.read(image));
    let process = fields.optional("process", process);
    let instance_type = fields.optional("instance_type", |entry| {
        entry.read(|name| instance_type(name, context.instance_types))
    });
    let cpus = fields.optional("cpus", |entry| {
        entry.read(|cpus| scalar::number(cpus, &CPUS))
    });
    let memory = fields.optional("memory", |entry| {
        entry.read(|size| scalar::bytes(size, &MEMORY))
    });
    let port = fields.optional("port", |entry| entry.read(scalar::port));
    let env = fields.optional("env", env);
    let security_groups = fields.optional("security_groups", |entry| {
        security_group::references(entry, context.security_groups)
    });
    let entrypoint = fields.optional("entrypoint", command);
    let command = fields.optional("command", command);
    let working_dir = fields.optional("working_dir", |entry| entry.read(working_dir));
    let user = fields.optional("user", |entry| entry.read(user));
    let user_data = fields.optional("user_data", |entry| entry.read(user_data));
    let user_data_required = fields.optional("user_data_required", flag);
    let mounts = fields.optional("mounts", mounts);
    let allow_privileged_mounts = fields.optional("allow_privileged_mounts", flag);
    let key_name = fields.optional("key_name", |entry| entry.read(key_name));
    Some(LaunchTemplateData {
        image: image?,
        process: process?,
        instance_type: instance_type?,
        cpus: cpus?,
        memory: memory?.map(|Bytes(bytes)| bytes),
        port: port?,
        env: env?,
        security_groups: security_groups?,
        entrypoint: entrypoint?,
        command: command?,
        working_dir: working_dir?,
        user: user?,
        user_data: user_data?,
        user_data_required: user_data_required?,
        mounts: mounts?,
        allow_privileged_mounts: allow_privileged_mounts?,
        key_name: key_name?,
    })
}

fn refuse_dangerous(fields: &Fields<'_>, template: &LaunchTemplate) -> Option<()> {
    let Some(entry) = fields.get("mounts") else {
        return Some(());
    };
    let dangers = template.mounts.iter().filter_map(Mount::danger);
    let dangers: Vec<_> = dangers
        .filter(|_| !template.allow_privileged_mounts)
        .collect();
    for danger in &dangers {
        entry.refuse(Mistake::new(danger.clone()));
    }
    dangers.is_empty().then_some(())
}

fn instance_type(value: &Value, own: &InstanceTypes) -> Result<InstanceType, Mistake> {
    let name = scalar::text(value)?;
    if let Some(found) = instance_type::find(own, name) {
        return Ok(found);
    }
    let known: Vec<String> = instance_type::all(own).map(|known| known.name).collect();
    let mistake = Mistake::new(format!("there is no instance type {}", quoted(name)));
    Err(match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => mistake.hint(format!("did you mean {near}?")),
        None => mistake.hint("add it to instance_types, or write one such as t2.micro"),
    })
}

fn working_dir(value: &Value) -> Result<String, Mistake> {
    let text = scalar::text(value)?;
    if mount::is_path(text) {
        return Ok(text.to_owned());
    }
    Err(
        Mistake::new(format!("{} is not an absolute path", quoted(text)))
            .hint("write one such as /srv/app"),
    )
}

/// Names, or numbers, as `docker run --user` takes them.
fn user(value: &Value) -> Result<String, Mistake> {
    let text = scalar::text(value)?;
    let is_part = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        (1..=32).contains(&part.len()) && part.bytes().all(allowed)
    };
    if text.split(':').all(is_part) && text.split(':').count() <= 2 {
        return Ok(text.to_owned());
    }
    Err(Mistake::new(format!("{} is not a user", quoted(text)))
        .hint("write one such as app, \"1000\" or \"1000:1000\""))
}

/// Whether there is such a key pair shows at the launch, as on EC2.
fn key_name(value: &Value) -> Result<String, Mistake> {
    let name = scalar::text(value)?;
    key_pair::check_name(name)
        .map(|()| name.to_owned())
        .map_err(|error| Mistake::new(error.to_string()))
}

fn user_data(value: &Value) -> Result<UserData, Mistake> {
    UserData::try_new(scalar::text(value)?).map_err(|error| Mistake::new(error.to_string()))
}

fn mounts(entry: &Entry<'_>) -> Option<Vec<Mount>> {
    let mut targets = HashSet::new();
    let mount = |item: &Entry<'_>| {
        let mount: Mount = item.read(|value| {
            let text = scalar::text(value)?;
            text.parse()
                .map_err(|error| Mistake::new(format!("{} {error}", quoted(text))))
        })?;
        if !targets.insert(mount.target.clone()) {
            let mistake = Mistake::new(format!("{} is mounted twice", quoted(&mount.target)));
            item.refuse(mistake.hint("keep one of the two"));
            return None;
        }
        Some(mount)
    };
    let items = entry.list()?;
    let mounts: Vec<_> = items.iter().map(mount).collect();
    mounts.into_iter().collect()
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

pub(super) fn command(entry: &Entry<'_>) -> Option<Vec<String>> {
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
