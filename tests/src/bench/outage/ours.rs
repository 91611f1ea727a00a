//! failover.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;

use crate::lab::Daemon;

use super::{
    Contender, Running,
    stage::{ADDRESS, Stage},
};

/// How long the source may take to be healthy.
const PATIENCE: Duration = Duration::from_secs(10);

/// failover with these settings.
#[derive(Clone, Debug)]
pub(super) struct Failover {
    pub(super) binary: PathBuf,
    pub(super) interval: Duration,
    pub(super) misses: u32,
}

/// Its daemons.
struct Pair {
    _target: Daemon,
    _source: Daemon,
}

impl Contender for Failover {
    fn name(&self) -> String {
        format!(
            "failover, {} x {}",
            humantime::format_duration(self.interval),
            self.misses
        )
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn start<'a>(&'a self, stage: &'a Stage) -> Result<Box<dyn Running + 'a>> {
        stage.source_nic.add_address(&format!("{ADDRESS}/24"));

        let start = |host, config: &str| {
            Daemon::start_binary(self.binary.clone(), &stage.lab, host, config)
        };
        let source = start(
            &stage.source,
            "[reflector]\nnics = [\"ens1\"]\ninitiators = [\"10.0.0.2\"]\n",
        );
        let target = start(
            &stage.target,
            &format!(
                r#"[[source]]
name = "web1"
interval = "{}us"
misses = {}
on_failure = "automatic"

[[source.path]]
monitor = "{ADDRESS}"
target_nic = "ens1"
addresses = ["{ADDRESS}/24"]
"#,
                self.interval.as_micros(),
                self.misses
            ),
        );

        target.wait_for(PATIENCE, "the source is healthy", |status| {
            status["sources"][0]["state"] == "healthy"
        });

        Ok(Box::new(Pair {
            _target: target,
            _source: source,
        }))
    }
}

impl Running for Pair {}
