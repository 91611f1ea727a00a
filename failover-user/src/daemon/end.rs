//! The end: handing over to the next process, or giving everything back.

use anyhow::Context as _;
use tokio::sync::oneshot;

use super::{Daemon, commands::answer};
use crate::{
    control::protocol::{Failure, FailureKind, Reply},
    events::EventKind,
    net,
};

/// How the daemon ends.
#[derive(Debug)]
pub(super) struct Ending {
    /// Everything is given back; otherwise the data plane stays.
    releases: bool,
    /// Who waits for that.
    waiting: Vec<oneshot::Sender<Reply>>,
}

impl Daemon {
    /// Ends and leaves the data plane as it is, unless it is being given back already.
    pub(super) fn hand_over(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Ending {
                releases: false,
                waiting: Vec::new(),
            });
        }
    }

    /// Whether everything is being given back.
    pub(super) fn is_releasing(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.releases)
    }

    /// Ends as soon as everything is given back, of which `reply` is told. `true`: it begins now.
    pub(super) fn release(&mut self, reply: oneshot::Sender<Reply>) -> bool {
        let begins = !self.is_releasing();
        let ending = self.ending.get_or_insert_with(|| Ending {
            releases: true,
            waiting: Vec::new(),
        });
        ending.releases = true;
        ending.waiting.push(reply);
        begins
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
        self.record(
            None,
            EventKind::Stopping,
            serde_json::json!({ "release": releases }),
        );
        if !releases {
            // One that fails vouches for nobody.
            if ending.is_some() {
                self.hand_over_source_side();
            }
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
        for reply in ending.into_iter().flat_map(|ending| ending.waiting) {
            answer(reply, text.clone());
        }
        result
    }

    /// Every step is done, whatever became of the others; the first error is told.
    async fn give_everything_back(&mut self) -> anyhow::Result<()> {
        let forwarding = self.forwarding.restore();
        let network = net::cleanup::remove_everything(&self.netlink).await;
        let pins = self.pins.remove().context("removing the data plane");
        forwarding.and(network.map(drop)).and(pins.map(drop))
    }
}
