//! The end: handing over to the next process, or giving everything back.

use anyhow::Context as _;
use tokio::sync::oneshot;

use super::{Daemon, commands::answer};
use crate::{
    control::protocol::{Failure, FailureKind, Reply},
    net,
};

/// How the daemon ends.
#[derive(Debug)]
pub(super) struct Ending {
    /// Whoever waits for everything to be given back. `None`: the data plane stays.
    release: Option<oneshot::Sender<Reply>>,
    releases: bool,
}

impl Ending {
    pub(super) fn release(reply: oneshot::Sender<Reply>) -> Self {
        Self {
            release: Some(reply),
            releases: true,
        }
    }
}

impl Daemon {
    /// Ends and leaves the data plane as it is.
    pub(super) fn hand_over(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Ending {
                release: None,
                releases: false,
            });
        }
    }

    /// Whether the loop may end: everything that had to be given back is.
    pub(super) fn may_end(&self) -> bool {
        match &self.ending {
            None => false,
            Some(ending) => {
                !ending.releases || !self.policy.units().any(|unit| self.policy.holds(unit))
            }
        }
    }

    /// Behind the loop.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        self.monitor.stop();
        let ending = self.ending.take();
        let releases = ending.as_ref().is_some_and(|ending| ending.releases);
        self.record(None, "stopping", serde_json::json!({ "release": releases }));
        if !releases {
            return Ok(());
        }
        let result = self.give_everything_back().await;
        let text = match &result {
            Ok(()) => Reply::Done(
                "everything is given back: no address is held, and no program is on a NIC"
                    .to_owned(),
            ),
            Err(error) => Reply::Error(Failure {
                kind: FailureKind::Failed,
                message: format!("{error:#}"),
            }),
        };
        if let Some(reply) = ending.and_then(|ending| ending.release) {
            answer(reply, text);
        }
        result
    }

    async fn give_everything_back(&mut self) -> anyhow::Result<()> {
        self.forwarding.restore()?;
        net::cleanup::remove_everything(&self.netlink).await?;
        self.pins.remove().context("removing the data plane")?;
        Ok(())
    }
}
