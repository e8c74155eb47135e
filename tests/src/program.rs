//! The `pullrig` program as a user starts it.
//!
//! Cargo tells the path of a program only to tests of its own package, so these tests ask Cargo: `cargo build -p pullrig`,
//! once for each test process, in the profile that the test itself was built in. It takes no time when nothing changed,
//! and it needs no order of commands on a clean clone.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// How often a child is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a finished `pullrig` leaves behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit status; -1 if a signal ended it.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The folder of the workspace.
pub fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// `pullrig`, to be started in the folder of the workspace: without colour, and without the user's own settings.
///
/// # Panics
/// It does not build.
pub fn pullrig() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(PROGRAM.get_or_init(build));
    command.current_dir(workspace()).env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PULLRIG_")) {
        command.env_remove(name);
    }
    command
}

/// Runs `pullrig` with `args` to its end.
///
/// # Panics
/// It cannot be started.
pub fn run<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Output {
    finish(pullrig().args(args))
}

/// Runs `command` to its end.
///
/// # Panics
/// It cannot be started.
pub fn finish(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    Output {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Sends `signal` to `child`.
///
/// # Panics
/// The child is gone already.
pub fn send(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or(rustix::io::Errno::SRCH).and_then(|pid| kill_process(pid, signal)).expect("the child is running");
}

/// Waits for the end of `child`, at most as long as `at_most`.
///
/// # Panics
/// It does not end in time; it is killed then.
pub fn wait(child: &mut Child, at_most: Duration) -> ExitStatus {
    if let Some(status) = wait_until(at_most, || child.try_wait().expect("a child can be waited for")) {
        return status;
    }
    drop(child.kill());
    panic!("the child did not end within {at_most:?}");
}

/// Asks `look` until it finds something, for about as long as `at_most`.
pub fn wait_until<T>(at_most: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    // Sleeps are counted, so that nothing here reads a clock.
    let mut left = at_most;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        left = left.checked_sub(LOOK_EVERY)?;
        sleep(LOOK_EVERY);
    }
}

/// Builds `pullrig` and returns where it is.
fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace())
        .args(["build", "--package", "pullrig", "--bin", "pullrig", "--message-format", "json-render-diagnostics"])
        .args(["--profile", &profile()]);
    let output = finish(&mut command);
    assert_eq!(output.status, 0, "pullrig does not build:\n{}", output.stderr);
    let messages = output.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut programs = messages.filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from));
    programs.next_back().expect("Cargo names the program that it built")
}

/// The profile that this test was built in, told by the folder it is in: `target/<folder>/deps/<test>`.
fn profile() -> String {
    let test = std::env::current_exe().unwrap_or_default();
    let folder = test.ancestors().nth(2).and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    // `dev` and `test` are built into `debug`.
    if folder == "debug" || folder.is_empty() { String::from("dev") } else { folder.into_owned() }
}
