//! Every failure as it is printed, in `texts.txt`.

use std::{collections::BTreeSet, io, path::Path, time::Duration};

use clap::CommandFactory;
use hyper::{Method, StatusCode};
use minicloud_autoscaler::{
    StateDirError, api::FaultDetail, instance::InstanceId, instance_refresh::InstanceRefreshStatus,
    launch_template::VersionSelector,
};

use super::{Exit, Failure};
use crate::{
    cli::{Cli, ProviderName},
    endpoint::Endpoint,
    http_client::HttpError,
};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/failure/texts.txt");
const SOURCES: [&str; 5] = [
    include_str!("control_api.rs"),
    include_str!("file.rs"),
    include_str!("instance.rs"),
    include_str!("role.rs"),
    include_str!("verb.rs"),
];

type Named = (&'static str, Failure);

fn denied() -> io::Error {
    io::Error::from(io::ErrorKind::PermissionDenied)
}

fn endpoint() -> Endpoint {
    "http://127.0.0.1:8090".parse().unwrap()
}

fn instance() -> InstanceId {
    "i-0123abcd".parse().unwrap()
}

fn refused(status: StatusCode, code: &str, message: &str) -> Failure {
    let fault = FaultDetail {
        code: code.to_owned(),
        message: message.to_owned(),
        faults: Vec::new(),
    };
    Failure::refused(
        &endpoint(),
        &Method::PATCH,
        "/v1/groups/web",
        status,
        &fault,
    )
}

fn of_the_control_api() -> Vec<Named> {
    let garbage = serde_json::from_str::<u8>("x").unwrap_err();
    let endpoint = endpoint();
    let at = || endpoint.clone();
    let mut failures: Vec<_> = [
        HttpError::Connect {
            endpoint: at(),
            reason: "Connection refused (os error 111)".to_owned(),
        },
        HttpError::NoAnswer { endpoint: at() },
        HttpError::Timeout {
            endpoint: at(),
            within: Duration::from_secs(10),
        },
        HttpError::Protocol {
            endpoint: at(),
            reason: "invalid HTTP version parsed".to_owned(),
        },
        HttpError::TooLarge(at()),
    ]
    .into_iter()
    .map(|error| ("no_answer", Failure::no_answer(&endpoint, &error)))
    .collect();
    failures.extend(
        [
            (404, "AutoScalingGroupNotFound"),
            (404, "TargetGroupNotFound"),
            (404, "InstanceNotFound"),
            (404, "ScheduledActionNotFound"),
            (404, "PolicyNotFound"),
            (404, "InvalidLaunchTemplateName.NotFoundException"),
            (404, "InvalidLaunchTemplateId.VersionNotFound"),
            (404, "InvalidKeyPair.NotFound"),
            (404, "InvalidGroup.NotFound"),
            (404, "NotFound"),
            (400, "ValidationError"),
            (400, "InvalidNextToken"),
            (401, "AuthFailure"),
            (403, "UnauthorizedOperation"),
            (409, "InvalidChangeSetStatus"),
            (409, "ScalingActivityInProgress"),
            (409, "InstanceRefreshInProgress"),
            (404, "ActiveInstanceRefreshNotFound"),
            (409, "IncorrectInstanceState"),
            (422, "CommandNotFound"),
            (422, "CommandNotExecutable"),
            (500, "InternalFailure"),
            (502, "ProviderFailure"),
            (503, "Throttling"),
            (504, "Unheard"),
        ]
        .map(|(status, code)| {
            let status = StatusCode::from_u16(status).unwrap();
            ("refused", refused(status, code, "what the API says"))
        }),
    );
    let token = Path::new("/run/token");
    failures.extend([
        (
            "foreign_answer",
            Failure::foreign_answer(&endpoint, StatusCode::OK),
        ),
        (
            "answer_not_understood",
            Failure::answer_not_understood(&endpoint, &garbage),
        ),
        ("endless_event", Failure::endless_event(&endpoint)),
        (
            "token_unreadable",
            Failure::token_unreadable(token, &denied()),
        ),
        ("token_malformed", Failure::token_malformed(token)),
        (
            "no_connection_for_shell",
            Failure::no_connection_for_shell(&endpoint, &"connection closed"),
        ),
    ]);
    failures
}

fn of_files() -> Vec<Named> {
    let file = Path::new("minicloud.yaml");
    let key = Path::new("ops.pem");
    let folder = Path::new("/var/lib/minicloud");
    let faults = "minicloud.yaml:14:5: unknown key `min_siz`\n";
    let locked = StateDirError::Locked {
        path: folder.into(),
        pid: "42".to_owned(),
    };
    let not_writable = StateDirError::NotWritable {
        path: folder.into(),
        source: denied(),
    };
    let in_use = io::Error::from(io::ErrorKind::AddrInUse);
    vec![
        (
            "configuration_unreadable",
            Failure::configuration_unreadable(file, &denied()),
        ),
        (
            "configuration_invalid",
            Failure::configuration_invalid("minicloud.yaml", faults),
        ),
        (
            "members_invalid",
            Failure::members_invalid("--data", faults),
        ),
        (
            "unreadable",
            Failure::unreadable("the public key", "id.pub", &denied()),
        ),
        (
            "new_file_refused",
            Failure::new_file_refused(key, &denied()),
        ),
        (
            "private_key_lost",
            Failure::private_key_lost(key, "ops", &denied()),
        ),
        (
            "private_key_open_to_others",
            Failure::private_key_open_to_others(key),
        ),
        (
            "private_key_unusable",
            Failure::private_key_unusable(key, &denied()),
        ),
        ("state_folder", Failure::state_folder(folder, &locked)),
        ("state_folder", Failure::state_folder(folder, &not_writable)),
        (
            "snapshot_folder",
            Failure::snapshot_folder(folder, &denied()),
        ),
        (
            "cannot_listen",
            Failure::cannot_listen(&endpoint(), "--api", &in_use),
        ),
        (
            "cannot_listen",
            Failure::cannot_listen(&endpoint(), "--api", &denied()),
        ),
        (
            "token_file_invalid",
            Failure::token_file_invalid(Path::new("/run/token"), &"it is empty"),
        ),
        ("stdout_closed", Failure::stdout_closed(&denied())),
    ]
}

fn of_instances() -> Vec<Named> {
    let id = instance();
    vec![
        (
            "command_lost",
            Failure::command_lost("closed the connection"),
        ),
        (
            "command_failed",
            Failure::command_failed(&id, "the engine went away".to_owned()),
        ),
        ("log_lost", Failure::log_lost(&id, &"connection closed")),
        ("output_closed", Failure::output_closed(&denied())),
        ("terminal", Failure::terminal("set it up", &denied())),
        ("instance_unknown", Failure::instance_unknown(&id)),
        (
            "cannot_stress",
            Failure::cannot_stress(&id, "it has neither `stress` nor `sample-app`"),
        ),
    ]
}

fn of_roles() -> Vec<Named> {
    vec![
        ("runtime", Failure::runtime(&denied())),
        ("signals", Failure::signals(&denied())),
        ("no_randomness", Failure::no_randomness(&denied())),
        ("program_unknown", Failure::program_unknown(&denied())),
        (
            "collector_invalid",
            Failure::collector_invalid(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "https://collector.example",
                &"spans go to http:// addresses alone",
            ),
        ),
        (
            "log_levels",
            Failure::log_levels("loud", &"invalid filter directive"),
        ),
        ("log_format", Failure::log_format("xml")),
        ("api_needs_tcp", Failure::api_needs_tcp()),
        (
            "api_open_to_others",
            Failure::api_open_to_others(&"0.0.0.0:8090 can be reached by others"),
        ),
        (
            "api_address_unknown",
            Failure::api_address_unknown(&denied()),
        ),
        ("agent", Failure::agent(&"no cgroups are mounted at /x")),
        (
            "autoscaler",
            Failure::autoscaler(Exit::CannotCreate, &"the store cannot be used: disk full"),
        ),
        (
            "balancer",
            Failure::balancer(
                Exit::InUse,
                &"a listener cannot be opened: port 8080 is in use",
            ),
        ),
        (
            "provider",
            Failure::provider(Exit::Failure, ProviderName::Process, &"no room"),
        ),
        (
            "provider",
            Failure::provider(
                Exit::Unreachable,
                ProviderName::Docker,
                &"Docker does not answer at unix:///var/run/docker.sock",
            ),
        ),
        ("watch_ended", Failure::watch_ended()),
        ("loop_ended", Failure::loop_ended()),
        ("balancer_ended", Failure::balancer_ended()),
        ("stopped_early", Failure::stopped_early()),
    ]
}

fn of_verbs() -> Vec<Named> {
    let state = "web: 1 of 2 in service, 1 pending, 0 terminating";
    vec![
        (
            "not_settled",
            Failure::not_settled("web", state, Duration::from_secs(400)),
        ),
        (
            "not_refreshed",
            Failure::not_refreshed(
                "web",
                InstanceRefreshStatus::Failed,
                Some("launches keep failing: no such image; 2 instance(s) were not replaced"),
            ),
        ),
        (
            "not_refreshed",
            Failure::not_refreshed("web", InstanceRefreshStatus::Cancelled, None),
        ),
        (
            "story_untold",
            Failure::story_untold("web", "it did not grow: its CPU reached 40 %".to_owned()),
        ),
        ("no_scaling_policy", Failure::no_scaling_policy("web")),
        ("no_room_to_grow", Failure::no_room_to_grow("web", 2)),
        ("nothing_in_service", Failure::nothing_in_service("web")),
        ("no_terminal_to_ask_at", Failure::no_terminal_to_ask_at()),
        ("no_terminal_to_draw_on", Failure::no_terminal_to_draw_on()),
        (
            "terminal_cannot_be_drawn_on",
            Failure::terminal_cannot_be_drawn_on(),
        ),
        ("terminal_lost", Failure::terminal_lost(&denied())),
        ("not_agreed", Failure::not_agreed()),
        (
            "template_version_unknown",
            Failure::template_version_unknown("web", VersionSelector::Number(7)),
        ),
        (
            "no_rule",
            Failure::no_rule("http://localhost:1/", &"no listener has port 1"),
        ),
        (
            "request_failure_unknown",
            Failure::request_failure_unknown("1-67891233"),
        ),
        (
            "health_unknown",
            Failure::health_unknown(
                &endpoint(),
                &HttpError::NoAnswer {
                    endpoint: endpoint(),
                },
            ),
        ),
        ("no_listener", Failure::no_listener("web")),
        (
            "requests_failed",
            Failure::requests_failed(&endpoint(), "12 errors (12 x 503)"),
        ),
        ("verb_unknown", Failure::verb_unknown("fly")),
        ("section_unknown", Failure::section_unknown("fly")),
        (
            "not_ready",
            Failure::not_ready(&endpoint(), StatusCode::SERVICE_UNAVAILABLE),
        ),
    ]
}

fn all() -> Vec<Named> {
    [
        of_the_control_api(),
        of_files(),
        of_instances(),
        of_roles(),
        of_verbs(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn texts_are_as_written_down() {
    let failures = all().into_iter();
    let texts: String = failures
        .map(|(name, failure)| format!("# {name}, exit {}\n{failure}\n\n", failure.exit as u8))
        .collect();
    crate::golden::check(GOLDEN, &texts);
}

#[test]
fn no_failure_is_left_out() {
    let listed: BTreeSet<_> = all().into_iter().map(|(name, _)| name).collect();
    let made = SOURCES.iter().flat_map(|source| source.lines());
    let made: BTreeSet<_> = made
        .filter_map(|line| line.trim().strip_prefix("pub(crate) fn "))
        .filter_map(|rest| rest.split('(').next())
        .collect();
    assert_eq!(listed, made);
}

#[test]
fn text_from_outside_steers_no_terminal() {
    let failure = refused(StatusCode::BAD_REQUEST, "X", "a\u{1b}[2Jb\nc");
    let shown = failure.to_string();
    assert!(shown.starts_with("a\\u{1b}[2Jb\nc (X)\n"), "{shown}");
}

/// Advice that names a verb names one that there is.
#[test]
fn remedies_name_verbs_that_exist() {
    let command = Cli::command();
    for (name, failure) in all() {
        for told in failure.remedy.split("`minicloud ").skip(1) {
            let verb = told.split([' ', '`']).next().unwrap();
            let is_built_in = verb.starts_with('-') || verb == "help";
            assert!(
                is_built_in || command.find_subcommand(verb).is_some(),
                "{name}: there is no `minicloud {verb}`"
            );
        }
    }
}
