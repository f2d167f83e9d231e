//! Launching: the record first, then the process, then the record of the process.
//!
//! A crash after the first step leaves a record without a process: the launch is repeated, or
//! the instance is listed as exited and ended. A crash after the second leaves a process that
//! is found by its mark. The log is locked by whoever has it open, so a child that has been
//! forked and carries no mark yet is noticed as well.

use std::{
    ffi::OsString,
    fs::{File, TryLockError},
    io::{self, Write},
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::{self, Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use super::{
    super::{
        boot,
        identity::{ENVIRONMENT, Identity},
    },
    Shared, blocking,
    cgroup::Cgroup,
    log_file, members, port, program,
    record::{Leader, Record, UserDataRun},
    table, watch,
};
use crate::{
    host,
    launch_template::UserData,
    provider::{
        LaunchError, LaunchRequest,
        template::{check_env, check_size},
    },
};

/// What an instance inherits of our environment. Everything else (tokens, say) stays here.
const INHERITED: [&str; 8] = [
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR",
];

pub(super) async fn launch(
    shared: &Arc<Shared>,
    request: &LaunchRequest,
) -> Result<(), LaunchError> {
    let (shared, request) = (Arc::clone(shared), request.clone());
    // Whoever drops this future drops no step: the closure runs to its end.
    blocking(move || {
        let _launching = shared.launching.blocking_lock();
        launch_once(&shared, &request)
    })
    .await
    .map_err(|_| LaunchError::Unreachable("minicloud is shutting down".to_owned()))?
}

fn launch_once(shared: &Arc<Shared>, request: &LaunchRequest) -> Result<(), LaunchError> {
    let argv = argv(shared, request)?;
    if exists(shared, request).map_err(|error| failed(request, &error))? {
        return Ok(());
    }
    let folder = shared
        .records
        .create_folder(&request.instance_id)
        .map_err(|error| unwritable(&shared.config.state_dir, &error))?;
    let log =
        log_file::open(&folder).map_err(|error| unwritable(&shared.config.state_dir, &error))?;
    match log.try_lock() {
        Ok(()) => {}
        // The child of an earlier launch holds it, and shows its mark in a moment.
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(failed(request, &error)),
    }
    let record = record_intent(shared, request)
        .map_err(|error| unwritable(&shared.config.state_dir, &error))?;
    if let Some(user_data) = &request.launch_template.user_data {
        write_script(&folder.join(boot::FILE), user_data)
            .map_err(|error| unwritable(&shared.config.state_dir, &error))?;
    }
    let words = words(request, &record, &folder, argv);
    let child = spawn(shared, request, &record, &words, log)?;
    follow(shared, request, child);
    Ok(())
}

/// The command with what comes before it: joining a cgroup, running user data.
fn words(
    request: &LaunchRequest,
    record: &Record,
    folder: &Path,
    argv: Vec<OsString>,
) -> Vec<OsString> {
    let template = &request.launch_template;
    // The command may run elsewhere, from where a relative state folder is not found.
    let folder = path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let folder = folder.to_string_lossy();
    let script = template.user_data.as_ref().map(boot::Script::InFolder);
    let script = script.map(|script| boot::prefix(template, &folder, &script));
    let prefix = record.cgroup.prefix();
    let prefix = prefix.into_iter().chain(script.into_iter().flatten());
    prefix.map(OsString::from).chain(argv).collect()
}

/// For nobody else to read: it may hold secrets.
fn write_script(file: &Path, user_data: &UserData) -> io::Result<()> {
    let mut options = File::options();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(file)?;
    file.write_all(user_data.as_str().as_bytes())
}

/// Running or exited; an intent whose process never came is launched again.
fn exists(shared: &Shared, request: &LaunchRequest) -> io::Result<bool> {
    let id = &request.instance_id;
    let record = shared.records.read(id);
    if record
        .as_ref()
        .is_some_and(|record| record.leader.is_some())
    {
        return Ok(true);
    }
    let processes = table::scan()?;
    Ok(members::leader(&processes, &shared.config.owner, id, record.as_ref()).is_some())
}

fn record_intent(shared: &Shared, request: &LaunchRequest) -> io::Result<Record> {
    let taken = shared
        .records
        .all()?
        .iter()
        .filter_map(|record| record.address.rsplit_once(':')?.1.parse().ok())
        .collect();
    let port = port::free(shared.config.address, &taken)?;
    let template = &request.launch_template;
    let (cgroup, quota_fault) = match shared.cgroups.make(&request.instance_id, template) {
        Ok(cgroup) => (cgroup, None),
        Err(why) => (Cgroup::default(), Some(why)),
    };
    let user_data = template.user_data.as_ref().map(|_| UserDataRun {
        required: template.user_data_required,
        ..UserDataRun::default()
    });
    if !cgroup.is_empty() {
        let records = shared.records.all()?.into_iter();
        let ids = records.map(|record| record.identity.instance_id);
        let known = ids.chain([request.instance_id.clone()]).collect();
        shared.cgroups.prune(&known);
    }
    let record = Record {
        identity: Identity::of(request),
        launch_time: shared.clock.now().wall,
        address: std::net::SocketAddr::new(shared.config.address, port).to_string(),
        leader: None,
        exited: None,
        cgroup,
        quota_fault,
        user_data,
    };
    shared.records.write(&record)?;
    Ok(record)
}

fn spawn(
    shared: &Shared,
    request: &LaunchRequest,
    record: &Record,
    argv: &[OsString],
    log: std::fs::File,
) -> Result<Child, LaunchError> {
    let (program, arguments) = argv.split_first().ok_or_else(no_command)?;
    let stderr = log.try_clone().map_err(|error| failed(request, &error))?;
    let port = record.address.rsplit_once(':').map_or("", |(_, port)| port);
    let mut command = Command::new(program);
    if let Some(folder) = &request.launch_template.working_dir {
        command.current_dir(folder);
    }
    command
        .args(arguments)
        .env_clear()
        .envs(inherited())
        .envs(&request.launch_template.env)
        // Last, so that a template overrides none of them.
        .env("PORT", port)
        .env("BIND", shared.config.address.to_string())
        .env_remove(super::mark::COMMAND)
        .envs(record.identity.entries(&ENVIRONMENT, &shared.config.owner))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(stderr)
        .process_group(0)
        .spawn()
        .map_err(|error| {
            // Nothing was started: nothing should be listed.
            let _ = shared.records.remove(&request.instance_id);
            record.cgroup.discard();
            spawn_error(request, program, &error)
        })
}

fn follow(shared: &Arc<Shared>, request: &LaunchRequest, child: Child) {
    let id = &request.instance_id;
    let process = i32::try_from(child.id()).ok().and_then(table::read);
    shared.watches.add_child(id, child);
    // Our child cannot be reaped before this: even when it has ended, its pid is its own.
    let Some(process) = process else { return };
    let leader = Leader::of(&process);
    let recorded = shared
        .records
        .update(id, |record| record.leader = Some(leader));
    if let Err(error) = recorded {
        tracing::warn!(instance.id = %id, %error, "cannot record the process; it is found by its mark");
    }
    watch::watch(shared, id, &process);
}

fn argv(shared: &Shared, request: &LaunchRequest) -> Result<Vec<OsString>, LaunchError> {
    let template = &request.launch_template;
    let process = template.process.as_ref().ok_or_else(|| {
        LaunchError::Template(format!(
            "launch template `{}` has no `process.command`, which the process provider needs",
            template.name
        ))
    })?;
    check_env(template)?;
    if process.command.is_empty() {
        return Err(no_command());
    }
    if let Some(key) = template.container_only() {
        return Err(LaunchError::Template(format!(
            "launch template `{}` has `{key}`, which child processes cannot be given; use the \
             docker provider",
            template.name
        )));
    }
    check_size(template, host::size())?;
    let argv = resolve(&shared.config.program, &process.command);
    check_program(request, &argv)?;
    Ok(argv)
}

/// Behind a shell, nobody hears why a command cannot be run.
fn check_program(request: &LaunchRequest, argv: &[OsString]) -> Result<(), LaunchError> {
    let template = &request.launch_template;
    let folder = template.working_dir.as_deref();
    if let Some(folder) = folder.filter(|folder| !Path::new(folder).is_dir()) {
        return Err(LaunchError::Template(format!(
            "working_dir `{folder}` of launch template `{}` is no folder of this machine",
            template.name
        )));
    }
    // User data may be what installs it.
    let (Some(program), None) = (argv.first(), &template.user_data) else {
        return Ok(());
    };
    let path = template.env.get("PATH").map(OsString::from);
    let path = path.or_else(|| std::env::var_os("PATH"));
    program::find(program, path.as_deref(), folder)
        .map_err(|error| spawn_error(request, program, &error))
}

/// The command with `minicloud` replaced by this very executable.
pub(super) fn resolve(minicloud: &Path, command: &[String]) -> Vec<OsString> {
    let mut argv: Vec<OsString> = command.iter().map(OsString::from).collect();
    if let Some(program) = argv.first_mut().filter(|program| *program == "minicloud") {
        *program = PathBuf::from(minicloud).into_os_string();
    }
    argv
}

pub(super) fn inherited() -> impl Iterator<Item = (&'static str, OsString)> {
    INHERITED
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

fn no_command() -> LaunchError {
    LaunchError::Template("`process.command` is empty".to_owned())
}

fn spawn_error(request: &LaunchRequest, program: &OsString, error: &io::Error) -> LaunchError {
    let program = program.to_string_lossy();
    match error.kind() {
        io::ErrorKind::NotFound => LaunchError::Template(format!(
            "command `{program}` of launch template `{}` is not found: give its full path or install it",
            request.launch_template.name
        )),
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::ArgumentListTooLong => LaunchError::Template(format!(
            "command `{program}` of launch template `{}` cannot be run: {error}",
            request.launch_template.name
        )),
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            LaunchError::Template(format!(
                "command `{program}` of launch template `{}` is no executable for this machine",
                request.launch_template.name
            ))
        }
        _ => failed(request, error),
    }
}

fn unwritable(state_dir: &Path, error: &io::Error) -> LaunchError {
    LaunchError::Failed(format!(
        "cannot keep records of instances in `{}`: {error}; make the folder writable or choose \
         another with --state-dir",
        state_dir.display()
    ))
}

fn failed(request: &LaunchRequest, error: &io::Error) -> LaunchError {
    LaunchError::Failed(format!("cannot launch {}: {error}", request.instance_id))
}
