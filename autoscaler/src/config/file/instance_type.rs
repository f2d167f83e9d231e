use crate::{
    config::{
        limits::Limits,
        reader::Entry,
        scalar,
        schema::{Absent, Form, Key, Section},
        units::Bytes,
    },
    instance_type::InstanceType,
};

pub(in crate::config) const SECTION: Section = Section {
    place: "instance_types.NAME",
    keys: &[
        Key::new(
            "vcpus",
            Form::Number("cores", &CPUS),
            Absent::Fault("0.5"),
            "CPU quota.",
        ),
        Key::new(
            "memory",
            Form::Bytes(&MEMORY),
            Absent::Fault("128MiB"),
            "Memory limit.",
        ),
    ],
    renamed: &[
        ("cpus", "vcpus"),
        ("cpu", "vcpus"),
        ("vcpu", "vcpus"),
        ("default_vcpus", "vcpus"),
        ("mem", "memory"),
        ("memory_size", "memory"),
    ],
};

/// One hundredth of a core is the least that Docker's quota expresses.
pub(super) const CPUS: Limits<f64> = Limits::new(0.01, 1024.0);

/// Docker refuses less than 6 MiB. The most is more than machines have.
pub(super) const MEMORY: Limits<Bytes> = Limits::new(Bytes(6 << 20), Bytes(1024 << 30));

pub(super) fn read(name: &str, entry: &Entry<'_>) -> Option<InstanceType> {
    let fields = entry.fields(&SECTION)?;
    let vcpus = fields.required("vcpus", |entry| {
        entry.read(|vcpus| scalar::number(vcpus, &CPUS))
    });
    let memory = fields.required("memory", |entry| {
        entry.read(|size| scalar::bytes(size, &MEMORY))
    });
    let Bytes(memory) = memory?;
    Some(InstanceType {
        name: name.to_owned(),
        vcpus: vcpus?,
        memory,
    })
}
