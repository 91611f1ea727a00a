//! keepalived: VRRPv3 between source and target.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{Host, clock::wait_until};

use super::{
    super::peers::Peers,
    Contender, Running,
    stage::{ADDRESS, Stage},
};

/// How long each may take to reach its first state, and to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// How it is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    name: &'static str,
    /// Time between two advertisements.
    interval: Duration,
    /// More of `global_defs`.
    globals: &'static str,
}

/// The fastest setting that holds under load (one centisecond is the least that VRRPv3 has, and real-time priority keeps it from
/// being starved), and the one that it has without any.
pub(super) const SETTINGS: [Setting; 2] = [
    Setting {
        name: "keepalived, 10 ms, real-time",
        interval: Duration::from_millis(10),
        globals: "vrrp_rt_priority 50",
    },
    Setting {
        name: "keepalived, its defaults",
        interval: Duration::from_secs(1),
        globals: "",
    },
];

/// keepalived with a setting.
#[derive(Debug)]
pub(super) struct Keepalived<'p> {
    pub(super) peers: &'p Peers,
    pub(super) setting: Setting,
}

impl Contender for Keepalived<'_> {
    fn name(&self) -> String {
        self.setting.name.to_owned()
    }

    fn interval(&self) -> Duration {
        self.setting.interval
    }

    fn start<'a>(&'a self, stage: &'a Stage) -> Result<Box<dyn Running + 'a>> {
        let start = |host, priority| {
            Daemon::start(self.peers, host, &self.config(priority), stage.lab.dir())
        };
        let source = start(&stage.source, 200)?;

        source.wait_for("Entering MASTER STATE")?;

        let target = start(&stage.target, 100)?;

        target.wait_for("Entering BACKUP STATE")?;

        Ok(Box::new(Pair {
            _target: target,
            _source: source,
        }))
    }
}

impl Keepalived<'_> {
    fn config(&self, priority: u32) -> String {
        format!(
            "global_defs {{
    vrrp_version 3
    {}
}}

vrrp_instance web1 {{
    state BACKUP
    interface ens1
    virtual_router_id 51
    priority {priority}
    advert_int {}
    virtual_ipaddress {{
        {ADDRESS}/24
    }}
}}
",
            self.setting.globals,
            self.setting.interval.as_secs_f64()
        )
    }
}

struct Pair {
    _target: Daemon,
    _source: Daemon,
}

impl Running for Pair {}

/// keepalived on a host.
struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    fn start(peers: &Peers, host: &Host, config: &str, directory: &Path) -> Result<Self> {
        let file = |what: &str| directory.join(format!("{}-keepalived.{what}", host.name()));
        let log = file("log");

        fs::write(file("conf"), config)?;

        let output = File::create(&log)?;
        let mut command = peers.command("keepalived")?;

        command
            .args(["--vrrp", "--dont-fork", "--log-console", "--log-detail"])
            .arg("--use-file")
            .arg(file("conf"))
            .arg("--pid")
            .arg(file("pid"))
            .arg("--vrrp_pid")
            .arg(file("vrrp.pid"))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);

        Ok(Self {
            child: host.namespace().command(command),
            log,
        })
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn wait_for(&self, line: &str) -> Result<()> {
        if wait_until(PATIENCE, || self.log().contains(line)) {
            return Ok(());
        }

        bail!("keepalived has not said {line:?}:\n{}", self.log())
    }

    /// Asks it to end, as it has a child that does the work, and waits for that.
    fn end(&mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("SIGTERM")?;

        let mut ended = false;

        wait_until(PATIENCE, || {
            ended = matches!(self.child.try_wait(), Ok(Some(_)));
            ended
        });

        if !ended {
            self.child.kill()?;
            self.child.wait()?;
            bail!("it did not end by SIGTERM");
        }

        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("keepalived: {error:#}");
        }
    }
}
