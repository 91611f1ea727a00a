//! The real `failover` binary, running in a host.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::{
        net::UnixStream,
        process::{CommandExt as _, ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use failover_user::{
    control::protocol::{Reply, Request, Status},
    fault,
};
use rustix::process::{Pid, Signal, kill_process};

use super::{Host, Lab, Must, Namespace, Terminal, clock::wait_until, terminal::Size};

/// How long a daemon may take until it answers at its socket.
const READY_TIMEOUT: Duration = Duration::from_secs(15);

/// How long it may take to end after SIGTERM or `stop`.
const END_TIMEOUT: Duration = Duration::from_secs(15);

/// How long it may take to answer a request.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Lines of the log that a failed wait prints.
const LOG_TAIL: usize = 60;

/// A daemon. It is killed when dropped, and if that happens in a panic its log is printed.
#[derive(Debug)]
pub struct Daemon {
    binary: PathBuf,
    namespace: Arc<Namespace>,
    dir: PathBuf,
    pins: PathBuf,
    child: Child,
}

impl Daemon {
    /// Starts it with this configuration, and waits until it answers. One daemon per host.
    #[track_caller]
    pub fn start(lab: &Lab, host: &Host, config: &str) -> Self {
        Self::start_binary(binary(), lab, host, config)
    }

    /// [`Daemon::start`] with this binary.
    #[track_caller]
    pub fn start_binary(binary: PathBuf, lab: &Lab, host: &Host, config: &str) -> Self {
        let mut daemon = Self::launched(binary, lab, host, config, None);

        daemon.wait_until_ready();

        daemon
    }

    /// [`Daemon::start`] with one that is killed by SIGKILL as soon as it comes to a point of [`failover_user::fault`]:
    /// `NAME`, or `NAME@N` for the N-th time. Returns when it answers, or is dead already.
    #[track_caller]
    pub fn start_with_fault(lab: &Lab, host: &Host, config: &str, fault: &str) -> Self {
        let mut daemon = Self::launched(binary(), lab, host, config, Some(fault));

        daemon.wait_until_ready_or_killed();

        daemon
    }

    fn launched(
        binary: PathBuf,
        lab: &Lab,
        host: &Host,
        config: &str,
        fault: Option<&str>,
    ) -> Self {
        let dir = host.files().to_owned();
        let pins = lab.bpffs().join(host.name());

        for path in [&dir.join("state"), &pins] {
            fs::create_dir_all(path).must("the daemon's directories");
        }

        fs::write(dir.join("config.toml"), config).must("the daemon's configuration");

        let namespace = Arc::clone(host.namespace());
        let child = launch(&binary, &namespace, &dir, &pins, fault);

        Self {
            binary,
            namespace,
            dir,
            pins,
            child,
        }
    }

    /// Starts it again after it ended, with the same configuration, socket, state and pins.
    #[track_caller]
    pub fn restart(&mut self) {
        self.relaunch(None);
        self.wait_until_ready();
    }

    /// [`Daemon::restart`] with one that is killed at a point; see [`Daemon::start_with_fault`].
    #[track_caller]
    pub fn restart_with_fault(&mut self, fault: &str) {
        self.relaunch(Some(fault));
        self.wait_until_ready_or_killed();
    }

    #[track_caller]
    fn relaunch(&mut self, fault: Option<&str>) {
        assert!(
            self.exit_status().is_some(),
            "the daemon on {} still runs",
            self.namespace.name()
        );

        self.child = launch(&self.binary, &self.namespace, &self.dir, &self.pins, fault);
    }

    /// Replaces the configuration file; the daemon is not told.
    #[track_caller]
    pub fn write_config(&self, config: &str) {
        fs::write(self.config(), config).must("the daemon's configuration");
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.dir.join("config.toml")
    }

    /// Its control socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    /// Where it pins.
    pub fn pins(&self) -> &Path {
        &self.pins
    }

    /// Where it keeps its state.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed, over all its starts.
    pub fn log(&self) -> String {
        fs::read(self.log_file())
            .map(|octets| String::from_utf8_lossy(&octets).into_owned())
            .unwrap_or_default()
    }

    /// Prints the end of its log to stderr.
    pub fn print_log(&self) {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL)..];

        eprintln!(
            "---- log of {} ({} lines, the last {} follow)\n{}\n----",
            self.described(),
            lines.len(),
            tail.len(),
            tail.join("\n")
        );
    }

    /// Asks it something over its control socket.
    #[track_caller]
    pub fn request(&self, request: &Request) -> Reply {
        ask(&self.socket(), request)
            .with_context(|| self.described())
            .must("a request to the daemon")
    }

    /// Its status.
    #[track_caller]
    pub fn typed_status(&self) -> Status {
        match self.request(&Request::Status { source: None }) {
            Reply::Status(status) => *status,
            other @ (Reply::Events(_) | Reply::Drill(_) | Reply::Done(_) | Reply::Error(_)) => {
                panic!("status of {}: {other:?}", self.described())
            }
        }
    }

    /// Its status, as `failover status --json` prints it.
    #[track_caller]
    pub fn status(&self) -> serde_json::Value {
        serde_json::to_value(self.typed_status()).must("status as JSON")
    }

    /// Waits until its status is such, and returns it. On a time-out it panics with the last status and the end of the log.
    #[track_caller]
    pub fn wait_for(
        &self,
        timeout: Duration,
        what: &str,
        mut such: impl FnMut(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let mut last = self.status();

        if !wait_until(timeout, || {
            last = self.status();

            such(&last)
        }) {
            panic!("{what}: not within {timeout:?}; the status is {last:#}");
        }

        last
    }

    /// Runs `failover --socket … ARGUMENTS` on the same host.
    #[track_caller]
    pub fn failover(&self, arguments: &[&str]) -> Output {
        self.start_failover(arguments)
            .wait_with_output()
            .must("running failover")
    }

    /// [`Daemon::failover`] without waiting for its end.
    #[track_caller]
    pub fn start_failover(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);

        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.namespace.command(command)
    }

    /// `failover ARGUMENTS` on a terminal of this size.
    #[track_caller]
    pub fn on_terminal(&self, arguments: &[&str], size: Size) -> Terminal {
        Terminal::start(&self.namespace, self.command(arguments), size)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);

        command.arg("--socket").arg(self.socket()).args(arguments);
        command
    }

    /// SIGKILL, and waits for the end.
    #[track_caller]
    pub fn kill9(&mut self) {
        self.child.kill().must("killing the daemon");
        self.child.wait().must("waiting for the daemon");
    }

    /// Waits until it has come to the point that it was started with, and is dead.
    #[track_caller]
    pub fn wait_until_killed(&mut self) {
        let status = self.wait_for_end();

        assert_eq!(
            status.signal(),
            Some(Signal::KILL.as_raw()),
            "{} was not killed but ended: {status}",
            self.described()
        );
    }

    /// SIGTERM, and waits for the end.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);

        self.wait_for_end()
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).must("signalling the daemon");
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut status = None;

        wait_until(END_TIMEOUT, || {
            status = self.exit_status();

            status.is_some()
        });

        status.unwrap_or_else(|| panic!("{} has not ended", self.described()))
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().must("asking for the daemon's end")
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn described(&self) -> String {
        format!("the daemon on {}", self.namespace.name())
    }

    #[track_caller]
    fn wait_until_ready(&mut self) {
        if let Some(status) = self.wait_until_ready_or_ended() {
            panic!("{} ended at once: {status}", self.described());
        }
    }

    #[track_caller]
    fn wait_until_ready_or_killed(&mut self) {
        if let Some(status) = self.wait_until_ready_or_ended()
            && status.signal() != Some(Signal::KILL.as_raw())
        {
            panic!("{} ended at once: {status}", self.described());
        }
    }

    /// How it ended, if it did.
    #[track_caller]
    fn wait_until_ready_or_ended(&mut self) -> Option<ExitStatus> {
        let socket = self.socket();
        let mut ended = None;
        let ready = wait_until(READY_TIMEOUT, || {
            ended = self.exit_status();

            ended.is_some() || ask(&socket, &Request::Status { source: None }).is_ok()
        });

        assert!(
            ready,
            "{} does not answer within {READY_TIMEOUT:?}",
            self.described()
        );

        ended
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());

        if std::thread::panicking() {
            self.print_log();
        }
    }
}

/// The binary under test: `FAILOVER_BIN`, or `failover` beside the directory that the running test was built into.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("FAILOVER_BIN") {
        return path.into();
    }

    let running = std::env::current_exe().must("where the running test is");
    let built = running
        .ancestors()
        .skip(1)
        .map(|directory| directory.join("failover"))
        .find(|path| path.is_file());

    built.unwrap_or_else(|| {
        panic!("no failover binary beside the tests: build it first (cargo xtask test does), or set FAILOVER_BIN")
    })
}

/// The binary with fault points: `FAILOVER_FAULT_BIN`.
#[track_caller]
fn fault_binary() -> PathBuf {
    match std::env::var_os("FAILOVER_FAULT_BIN") {
        Some(path) => path.into(),
        None => panic!(
            "FAILOVER_FAULT_BIN is not set: `cargo xtask test` builds failover-fault (cargo's feature fault-points of failover-user) and sets it"
        ),
    }
}

#[track_caller]
fn launch(
    binary: &Path,
    namespace: &Namespace,
    dir: &Path,
    pins: &Path,
    fault: Option<&str>,
) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(dir.join("log"))
        .must("the daemon's log");
    let mut command = match fault {
        None => Command::new(binary),
        Some(fault) => {
            let mut command = Command::new(fault_binary());

            command.env(fault::VARIABLE, fault);

            command
        }
    };

    // A Ctrl-C at the terminal is for whoever runs the lab, who ends the daemons in order.
    command
        .process_group(0)
        .arg("--socket")
        .arg(dir.join("control.sock"))
        .arg("run")
        .arg("-c")
        .arg(dir.join("config.toml"))
        .arg("--bpffs")
        .arg(pins)
        .arg("--state-dir")
        .arg(dir.join("state"))
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone().must("the daemon's log"))
        .stderr(log);

    namespace.command(command)
}

fn ask(socket: &Path, request: &Request) -> Result<Reply> {
    let mut stream = UnixStream::connect(socket).context("connecting to its socket")?;
    let mut line = serde_json::to_string(request)?;

    line.push('\n');
    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    stream.write_all(line.as_bytes()).context("asking")?;
    line.clear();
    BufReader::new(stream)
        .read_line(&mut line)
        .context("waiting for the reply")?;
    ensure!(!line.is_empty(), "it closed the connection");

    match serde_json::from_str(&line) {
        Ok(reply) => Ok(reply),
        Err(error) => bail!("its reply {line:?} cannot be read: {error}"),
    }
}
