//! Every call that this provider makes to the engine, for whoever puts a proxy in front of its
//! socket. A test reads the sources beside this one and finds a call that is not listed.

/// A route of the engine's API, without the version that its path begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineCall {
    pub method: &'static str,
    /// `{..}` is one segment of the path.
    pub path: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// The function of the library that makes it.
    function: &'static str,
}

/// By path.
pub const ENGINE_CALLS: [EngineCall; 20] = [
    call("POST", "/containers/create", "create_container", "launch"),
    call(
        "GET",
        "/containers/json",
        "list_containers",
        "find instances",
    ),
    call(
        "DELETE",
        "/containers/{id}",
        "remove_container",
        "terminate",
    ),
    call("POST", "/containers/{id}/exec", "create_exec", "exec, ssh"),
    call(
        "GET",
        "/containers/{id}/json",
        "inspect_container",
        "find instances",
    ),
    call("GET", "/containers/{id}/logs", "logs", "user data, logs"),
    call(
        "POST",
        "/containers/{id}/start",
        "start_container",
        "launch",
    ),
    call(
        "POST",
        "/containers/{id}/stop",
        "stop_container",
        "terminate",
    ),
    call("GET", "/events", "events", "see an instance end"),
    call("GET", "/exec/{id}/json", "inspect_exec", "exec, ssh"),
    call("POST", "/exec/{id}/resize", "resize_exec", "ssh"),
    call("POST", "/exec/{id}/start", "start_exec", "exec, ssh"),
    call("GET", "/images/{name}/json", "inspect_image", "launch"),
    call("GET", "/info", "info", "what the engine can enforce"),
    call("GET", "/networks", "list_networks", "launch"),
    call("POST", "/networks/create", "create_network", "launch"),
    call("GET", "/networks/{id}", "inspect_network", "launch"),
    call(
        "DELETE",
        "/networks/{id}",
        "remove_network",
        "leave nothing behind",
    ),
    call(
        "POST",
        "/networks/{id}/connect",
        "connect_network",
        "security groups",
    ),
    call("GET", "/version", "negotiate_version", "agree on a version"),
];

const fn call(
    method: &'static str,
    path: &'static str,
    function: &'static str,
    purpose: &'static str,
) -> EngineCall {
    EngineCall {
        method,
        path,
        purpose,
        function,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    /// Of the library's client, without a call to the engine.
    const LOCAL: [&str; 2] = ["clone", "with_timeout"];

    /// The function of the library that is called at the beginning of `source`, which stands
    /// after a `docker`.
    fn called(source: &str) -> Option<&str> {
        let source = source.strip_prefix("()").unwrap_or(source);
        let source = source.trim_start().strip_prefix('.')?;
        let end = source.find(|c: char| !c.is_ascii_lowercase() && c != '_')?;
        source[end..].starts_with('(').then_some(&source[..end])
    }

    #[test]
    fn every_call_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/provider/docker");
        let mut found = BTreeSet::new();
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|name| name != "rs") {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let after = source.split("docker").skip(1);
            found.extend(after.filter_map(called).map(str::to_owned));
        }
        found.retain(|function| !LOCAL.contains(&function.as_str()));
        let listed = ENGINE_CALLS.iter().map(|call| call.function.to_owned());
        assert_eq!(listed.collect::<BTreeSet<_>>(), found);
    }
}
