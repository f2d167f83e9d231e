use sample_app::Config;

use crate::client::{config, vars_of};

#[test]
fn an_empty_environment_has_defaults() {
    let config = config(&[("GREETING", ""), ("PORT", "")]);
    assert_eq!(config.address.to_string(), "0.0.0.0:8080");
    assert_eq!(config.instance_id, "local");
    assert_eq!(config.availability_zone, None);
    assert_eq!(config.launch_template_version, None);
    assert_eq!(config.greeting, "Hello");
}

#[test]
fn an_instance_is_what_its_launch_template_says() {
    let config = config(&[
        ("PORT", "0"),
        ("BIND", "::1"),
        ("MINICLOUD_INSTANCE_ID", "i-0123abcd"),
        ("MINICLOUD_AVAILABILITY_ZONE", "b"),
        ("MINICLOUD_LAUNCH_TEMPLATE_VERSION", "2"),
        ("GREETING", "Moin"),
    ]);
    assert_eq!(config.address.to_string(), "[::1]:0");
    assert_eq!(config.instance_id, "i-0123abcd");
    assert_eq!(config.availability_zone.as_deref(), Some("b"));
    assert_eq!(config.launch_template_version.as_deref(), Some("2"));
    assert_eq!(config.greeting, "Moin");
}

#[test]
fn all_faults_are_told_at_once() {
    let vars = vars_of(&[
        ("PORT", "65536"),
        ("BIND", "localhost"),
        ("MINICLOUD_INSTANCE_ID", "i-\n"),
    ]);
    assert_eq!(
        Config::from_env(&vars).unwrap_err().to_string(),
        "PORT is \"65536\": give a number from 0 to 65535; \
         BIND is \"localhost\": give an IP address such as 127.0.0.1; \
         MINICLOUD_INSTANCE_ID is \"i-\\n\": give visible ASCII characters only"
    );
}
