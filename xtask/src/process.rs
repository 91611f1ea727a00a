//! Children: cleaned environment, live or captured output, and signals that let them finish their own cleaning up.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt as _, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::ui::Step;

/// The exit code after Ctrl-C, as shells have it.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

/// How much of a captured program's output is shown when it fails, in lines.
const TAIL: usize = 30;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// The child that is being waited for; 0 when there is none.
static CHILD: AtomicI32 = AtomicI32::new(0);

/// From now on Ctrl-C and SIGTERM end the running child and not this process, which waits for the child to clean up.
pub(crate) fn watch_signals() -> Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot watch for signals")?;
    std::thread::spawn(move || {
        let mut forwarded = false;
        for signal in signals.forever() {
            INTERRUPTED.store(true, Ordering::SeqCst);
            let child = CHILD.load(Ordering::SeqCst);
            let Some(child) = Pid::from_raw(child) else {
                std::process::exit(i32::from(EXIT_INTERRUPTED));
            };
            // A terminal has sent Ctrl-C to the child as well: once more would look like impatience.
            let by_terminal = signal == SIGINT && in_terminal_foreground();
            if !by_terminal && !forwarded {
                forwarded = true;
                forward(child);
            }
        }
    });
    Ok(())
}

/// Asks the child to end. One that was started by sudo is root's, and only root may ask it.
fn forward(child: Pid) {
    let asked = match rustix::process::kill_process(child, Signal::TERM) {
        Err(Errno::PERM) => forward_as_root(&mut Command::new("sudo"), child),
        // It has ended meanwhile.
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = asked {
        crate::ui::error(&error.context(format!(
            "process {} cannot be asked to end: end it as root (kill {0}), and it cleans up",
            child.as_raw_nonzero()
        )));
    }
}

/// sudo hands SIGTERM on to what it runs, unless that comes from the group that it was started in.
fn forward_as_root(sudo: &mut Command, child: Pid) -> Result<()> {
    let pid = child.as_raw_nonzero().to_string();
    // Without a terminal or a password: whoever sends us signals may not be there.
    output(sudo.args(["-n", "kill", "-TERM", &pid]).process_group(0)).map(drop)
}

fn in_terminal_foreground() -> bool {
    rustix::termios::tcgetpgrp(std::io::stdin())
        .is_ok_and(|foreground| foreground == rustix::process::getpgrp())
}

/// Whether the user asked for an end.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Takes away what cargo and rustup left in the environment for us and not for a child: with it, a build by another
/// toolchain would use parts of this one.
pub(crate) fn clean_env(command: &mut Command) {
    for (key, _) in env::vars_os() {
        let Some(name) = key.to_str() else { continue };
        let ours = name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_MANIFEST_")
            || matches!(
                name,
                // `cargo run` and rustup point it at their own libraries.
                "LD_LIBRARY_PATH" | "RUST_RECURSION_COUNT" | "OUT_DIR" | "CARGO_BIN_NAME"
            );
        if ours {
            command.env_remove(&key);
        }
    }
}

/// The cargo that runs us, in the workspace's root.
pub(crate) fn host_cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    clean_env(&mut command);
    command.current_dir(crate::paths::root());
    command
}

/// What cargo is told where it resolves our own dependencies: in continuous integration exactly those that are committed.
pub(crate) fn locked() -> Option<&'static str> {
    locked_by(env::var_os("CI").as_deref())
}

fn locked_by(ci: Option<&OsStr>) -> Option<&'static str> {
    let set = ci.is_some_and(|ci| !ci.is_empty() && ci != "false" && ci != "0");
    set.then_some("--locked")
}

/// Runs to the end with the terminal, or whatever we have, as its own.
pub(crate) fn run(command: &mut Command) -> Result<ExitStatus> {
    let child = spawn(command)?;
    wait(child, command)
}

/// Runs to the end; an exit status other than 0 is an error.
pub(crate) fn run_checked(command: &mut Command) -> Result<()> {
    let status = run(command)?;
    check(status, command)
}

/// Runs to the end, passing its standard output on byte for byte as it comes and showing it to `reader` too.
pub(crate) fn run_teed(command: &mut Command, mut reader: impl FnMut(&[u8])) -> Result<ExitStatus> {
    command.stdout(Stdio::piped());
    let mut child = spawn(command)?;
    if let Some(mut output) = child.stdout.take() {
        let mut buffer = [0; 8192];
        let mut out = std::io::stdout();
        loop {
            match output.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    let part = &buffer[..length];
                    // A closed pipe downstream is no reason to stop counting.
                    let _closed = out.write_all(part).and_then(|()| out.flush());
                    reader(part);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot read a child's output"),
            }
        }
    }
    wait(child, command)
}

/// Runs to the end with its output hidden: the latest line is the step's progress, the last ones are the error.
pub(crate) fn run_captured(command: &mut Command, step: &mut Step) -> Result<()> {
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("cannot make a pipe")?)
        .stderr(writer);
    let child = spawn(command)?;
    // The command holds the writing end: without this the output never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut tail = VecDeque::new();
    for line in BufReader::new(reader).split(b'\n') {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.trim().is_empty() {
            continue;
        }
        step.progress(&line);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    let status = wait(child, command)?;
    check(status, command).map_err(|error| {
        let tail = Vec::from(tail).join("\n    | ");
        anyhow!("{error}\nThe last that it said:\n    | {tail}")
    })
}

/// What a short command says on its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        // Its words become part of our messages.
        .env("RUST_BACKTRACE", "0")
        .output()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        bail!(
            "{} failed ({}): {}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The full path of a program in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
}

pub(crate) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Our exit code for a child's end: its own, or 128 and the signal's number.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The command as it could be typed.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    command
        .get_args()
        .fold(name, |line, arg| line + " " + &arg.to_string_lossy())
}

fn spawn(command: &mut Command) -> Result<Child> {
    if interrupted() {
        bail!("interrupted");
    }
    let child = command
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if let Ok(pid) = i32::try_from(child.id()) {
        CHILD.store(pid, Ordering::SeqCst);
    }
    Ok(child)
}

fn wait(mut child: Child, command: &Command) -> Result<ExitStatus> {
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for {}", shown(command)));
    CHILD.store(0, Ordering::SeqCst);
    status
}

fn check(status: ExitStatus, command: &Command) -> Result<()> {
    if interrupted() {
        bail!("interrupted");
    }
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn in_continuous_integration_dependencies_are_those_that_are_committed() {
        let said = |ci: &str| locked_by(Some(OsStr::new(ci)));

        assert_eq!([said("true"), said("1")], [Some("--locked"); 2]);
        assert_eq!([said(""), said("false"), locked_by(None)], [None; 3]);
    }

    #[test]
    fn a_child_that_is_roots_is_asked_to_end_by_sudo_which_asks_for_no_password() {
        let dir = env::temp_dir().join(format!("failover-xtask-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let (sudo, said) = (dir.join("sudo"), dir.join("said"));
        let script = format!("#!/bin/sh\nprintf '%s ' \"$@\" > {}\n", said.display());
        std::fs::write(&sudo, script).expect("a program");
        std::fs::set_permissions(&sudo, std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let child = Pid::from_raw(4242).expect("a process id");

        let asked = forward_as_root(&mut Command::new(&sudo), child);
        let arguments = std::fs::read_to_string(&said).expect("what sudo was told");
        let refused = forward_as_root(&mut Command::new("/bin/false"), child);
        std::fs::remove_dir_all(&dir).expect("removing the directory");

        assert!(asked.is_ok(), "{asked:?}");
        assert_eq!(arguments, "-n kill -TERM 4242 ");
        assert!(refused.is_err());
    }
}
