use crate::config::{
    HostHeadroom,
    defaults::{Defaults, HOST_CPU_PERCENT, HOST_MEMORY_BYTES},
    fault::{Mistake, quoted},
    limits::Limits,
    node::Value,
    reader::Entry,
    scalar,
    schema::{Absent, Form, Key, Section},
    units::Bytes,
};

pub(super) const SECTION: Section = Section {
    place: "host_headroom",
    keys: &[
        Key::new(
            "enabled",
            Form::Flag,
            Absent::ByPace(|defaults| defaults.host_headroom.to_string()),
            "Whether a group waits where the host has no room, beyond `min_size`.",
        ),
        Key::new(
            "cpu",
            Form::Text("share, `0%` to `100%`"),
            Absent::Default("`10%`"),
            "Of the host's cores, idle over 15 s. An instance with a smaller quota needs that quota.",
        ),
        Key::new(
            "memory",
            Form::Bytes(&MEMORY),
            Absent::Default("`512MiB`"),
            "What must be available once the instance has taken its limit.",
        ),
    ],
    renamed: &[
        ("cpu_percent", "cpu"),
        ("cpus", "cpu"),
        ("mem", "memory"),
        ("ram", "memory"),
        ("enable", "enabled"),
    ],
};

/// More than a machine has keeps a group from growing at all, which someone may want.
const MEMORY: Limits<Bytes> = Limits::new(Bytes(0), Bytes(1 << 40));

pub(super) fn or_default(defaults: &Defaults) -> HostHeadroom {
    HostHeadroom {
        enabled: defaults.host_headroom,
        cpu_percent: HOST_CPU_PERCENT,
        memory_bytes: HOST_MEMORY_BYTES,
    }
}

pub(super) fn read(entry: &Entry<'_>, defaults: &Defaults) -> Option<HostHeadroom> {
    let fields = entry.fields(&SECTION)?;
    let or = or_default(defaults);
    let enabled = fields.or("enabled", or.enabled, |entry| entry.read(scalar::flag));
    let cpu_percent = fields.or("cpu", or.cpu_percent, |entry| entry.read(percent));
    let memory = fields.or("memory", Bytes(or.memory_bytes), |entry| {
        entry.read(|size| scalar::bytes(size, &MEMORY))
    });
    Some(HostHeadroom {
        enabled: enabled?,
        cpu_percent: cpu_percent?,
        memory_bytes: memory?.0,
    })
}

fn percent(value: &Value) -> Result<f64, Mistake> {
    let bare = match value {
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    };
    if let Some(number) = bare {
        return Err(Mistake::new(format!("{} has no unit", quoted(&number)))
            .hint(format!("write {number}%")));
    }
    let text = scalar::text(value)?;
    let number = text.strip_suffix('%').and_then(|text| text.parse().ok());
    match number {
        Some(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        Some(_) => {
            Err(Mistake::new(format!("{} is out of range", quoted(text))).hint("write 0% to 100%"))
        }
        None => Err(Mistake::new(format!("{} is not a share", quoted(text)))
            .hint("write a number and %, such as 10%")),
    }
}
