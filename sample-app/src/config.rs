use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

const DEFAULT_PORT: u16 = 8080;
const DEFAULT_GREETING: &str = "Hello";
const DEFAULT_INSTANCE_ID: &str = "local";

/// What an instance is told by its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `BIND` (0.0.0.0) and `PORT` (8080; 0 takes any free one).
    pub address: SocketAddr,
    /// `MINICLOUD_INSTANCE_ID`; "local" when nobody launched us. Visible ASCII, since it
    /// travels in a header.
    pub instance_id: String,
    /// `MINICLOUD_AVAILABILITY_ZONE`.
    pub availability_zone: Option<String>,
    /// `MINICLOUD_LAUNCH_TEMPLATE_VERSION`.
    pub launch_template_version: Option<String>,
    /// `GREETING`.
    pub greeting: String,
}

/// Everything that is wrong with the environment, as one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .faults.join("; "))]
pub struct ConfigError {
    faults: Vec<String>,
}

impl Config {
    /// Reads the variables that it knows and no others; one that is empty counts as unset.
    ///
    /// # Errors
    /// All values that cannot be used, not only the first.
    pub fn from_env(vars: &HashMap<String, String>) -> Result<Self, ConfigError> {
        let var = |name| vars.get(name).filter(|value| !value.is_empty());
        let port = var("PORT").map_or(Ok(DEFAULT_PORT), |value| port(value));
        let bind = var("BIND").map_or(Ok(Ipv4Addr::UNSPECIFIED.into()), |value| bind(value));
        let instance_id = var("MINICLOUD_INSTANCE_ID")
            .map_or(Ok(DEFAULT_INSTANCE_ID.to_owned()), |value| {
                instance_id(value)
            });
        match (port, bind, instance_id) {
            (Ok(port), Ok(bind), Ok(instance_id)) => Ok(Self {
                address: SocketAddr::new(bind, port),
                instance_id,
                availability_zone: var("MINICLOUD_AVAILABILITY_ZONE").cloned(),
                launch_template_version: var("MINICLOUD_LAUNCH_TEMPLATE_VERSION").cloned(),
                greeting: var("GREETING")
                    .map_or(DEFAULT_GREETING, |value| value)
                    .to_owned(),
            }),
            (port, bind, instance_id) => Err(ConfigError {
                faults: [port.err(), bind.err(), instance_id.err()]
                    .into_iter()
                    .flatten()
                    .collect(),
            }),
        }
    }
}

fn port(value: &str) -> Result<u16, String> {
    value
        .parse()
        .map_err(|_| format!("PORT is {value:?}: give a number from 0 to 65535"))
}

fn bind(value: &str) -> Result<IpAddr, String> {
    value
        .parse()
        .map_err(|_| format!("BIND is {value:?}: give an IP address such as 127.0.0.1"))
}

fn instance_id(value: &str) -> Result<String, String> {
    match value.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(value.to_owned()),
        false => Err(format!(
            "MINICLOUD_INSTANCE_ID is {value:?}: give visible ASCII characters only"
        )),
    }
}
