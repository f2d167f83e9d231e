const ID_LENGTH: usize = 64;

/// The container whose cgroup an `id` label names, as its 64 hexadecimal digits.
///
/// The last part of the path decides: a container inside a container is the inner one, and
/// a plain cgroup below a container (`/docker/<id>/init`) is none, since its use is already
/// in its parent's. Takes the cgroupfs form (`/docker/<id>`), the systemd form
/// (`/system.slice/docker-<id>.scope`) and those of Kubernetes and Podman.
pub fn container_id(id: &str) -> Option<&str> {
    let last = id.trim_end_matches('/').rsplit('/').next()?;
    let unit = last.strip_suffix(".scope").unwrap_or(last);
    let (runtime, hex) = unit.rsplit_once(['-', ':']).unwrap_or(("", unit));
    // Podman's and CRI-O's monitor has the container's id in its name but is not in it.
    (is_container_id(hex) && !runtime.ends_with("conmon")).then_some(hex)
}

fn is_container_id(text: &str) -> bool {
    text.len() == ID_LENGTH
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
