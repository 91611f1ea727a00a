//! The command line.

use std::path::{Path, PathBuf};

use crate::config::DEFAULT_SOCKET;
use clap::{Args, Parser, Subcommand};

/// Where programs and maps are pinned, unless `--bpffs` says otherwise.
pub const DEFAULT_BPFFS: &str = "/sys/fs/bpf/failover";

/// Where events are kept over a restart, unless `--state-dir` says otherwise.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/failover";

/// Watch hosts, and stand in for one that fails.
#[derive(Debug, Parser)]
#[command(name = "failover", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// Control socket of the daemon [default: /run/failover/control.sock; for `run`: the configuration's]
    #[arg(long, global = true, value_name = "S")]
    pub socket: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage or invalid configuration, 3 no daemon at the socket, \
                          4 refused in this state";

impl Cli {
    /// The daemon's socket, for every verb but `run`.
    pub fn client_socket(&self) -> &Path {
        self.socket.as_deref().unwrap_or(Path::new(DEFAULT_SOCKET))
    }
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the daemon in the foreground
    ///
    /// Logs go to stderr; FAILOVER_LOG sets the level (error, warn, info, debug, trace, or a tracing filter such as
    /// `info,failover_user::net=debug`). SIGTERM leaves the data plane in place for the next process.
    #[command(after_help = "Example:\n  failover run -c /etc/failover.toml")]
    Run(Run),
    /// Check a configuration file, and report every problem in it
    #[command(after_help = "Example:\n  failover check -c /etc/failover.toml")]
    Check {
        /// The configuration
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Show how the sources are, and what is to be done
    #[command(
        after_help = "Examples:\n  failover status\n  failover status web1 --json | jq '.sources[0].state'"
    )]
    Status {
        /// Only this source
        source: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what happened, oldest first
    #[command(
        after_help = "Examples:\n  failover events | tail\n  failover events --follow --json | jq -r '.event // empty'"
    )]
    Events {
        /// How things are first, and new events as they happen
        #[arg(long)]
        follow: bool,
        /// As JSON, one event per line; with --follow the first line is the state, {"status":...}
        #[arg(long)]
        json: bool,
    },
    /// Watch the sources on the whole terminal, and act on them by single keys
    ///
    /// Shows each path with its round trips, what happened, and what waits for an answer. Stays while the daemon
    /// restarts. `?` shows the keys; nothing is done without a confirmation. NO_COLOR turns colours off.
    #[command(after_help = "Example:\n  failover top")]
    Top,
    /// Answer yes to a source that is awaiting approval: take its addresses over
    #[command(after_help = "Example:\n  failover approve web1")]
    Approve {
        /// Name of the source
        source: String,
    },
    /// Answer no to a source that is awaiting approval: leave it alone
    #[command(after_help = "Example:\n  failover decline web1")]
    Decline {
        /// Name of the source
        source: String,
    },
    /// Take a source's addresses over now
    ///
    /// Asks for confirmation if the source answers (a planned switchover). Without a terminal that needs --yes.
    #[command(
        after_help = "Examples:\n  failover takeover web1\n  failover takeover web1 --path 2 --yes"
    )]
    Takeover {
        /// Name of the source
        source: String,
        /// Only this path, for `trigger = "path"`: 1 is the first [[source.path]] of the source in the configuration
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        path: Option<u32>,
        /// Do not ask, even if the source is healthy
        #[arg(long)]
        yes: bool,
    },
    /// Give a source its addresses back
    ///
    /// Works whether or not the source answers. Asks for confirmation; without a terminal that needs --yes.
    #[command(
        after_help = "Examples:\n  failover failback web1\n  failover failback web1 --yes --stop-monitoring"
    )]
    Failback {
        /// Name of the source
        source: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Send no more heartbeats to the source afterwards
        #[arg(long)]
        stop_monitoring: bool,
    },
    /// Apply what has changed in the daemon's configuration file
    ///
    /// Sources that are unchanged are not disturbed. A file with a mistake changes nothing. SIGHUP does the same.
    #[command(after_help = "Example:\n  failover check -c /etc/failover.toml && failover reload")]
    Reload,
    /// Do nothing about a source by itself: no takeover, no prompt, no automatic failback
    ///
    /// It outlives a restart of the daemon. Commands by hand are still carried out.
    #[command(after_help = "Examples:\n  failover hold web1\n  failover hold --self")]
    Hold(Whom),
    /// End a hold, or monitor a source again after `failback --stop-monitoring`
    #[command(after_help = "Examples:\n  failover resume web1\n  failover resume --self")]
    Resume(Whom),
    /// Show what would happen if a source failed now, and how long it would take
    ///
    /// Its hooks are run, with FAILOVER_DRY_RUN=1. No address is moved. Exit code 1 if a hook would prevent the takeover.
    #[command(
        after_help = "Examples:\n  failover drill web1\n  failover drill web1 --json | jq '.units[].total_ns'"
    )]
    Drill {
        /// Name of the source
        source: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// End the daemon
    #[command(after_help = "Examples:\n  failover stop\n  failover stop --release")]
    Stop {
        /// Give every address back first
        #[arg(long, conflicts_with = "hand_over")]
        release: bool,
        /// Leave the data plane in place for the next process (the default)
        #[arg(long)]
        hand_over: bool,
    },
    /// Remove every program, map and address that a daemon has left on this host
    #[command(after_help = "Example:\n  failover stop && failover unload")]
    Unload {
        /// Where programs and maps are pinned
        #[arg(long, value_name = "DIR", default_value = DEFAULT_BPFFS)]
        bpffs: PathBuf,
    },
}

/// Who is to be left alone.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Whom {
    /// Name of the source
    pub source: Option<String>,
    /// This host itself: whoever watches it with S-BFD is told that it is out of service on purpose (AdminDown)
    #[arg(long = "self")]
    pub own: bool,
}

#[derive(Args, Debug)]
pub struct Run {
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where to pin programs and maps
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BPFFS)]
    pub bpffs: PathBuf,
    /// Where to keep events over a restart
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR)]
    pub state_dir: PathBuf,
}
