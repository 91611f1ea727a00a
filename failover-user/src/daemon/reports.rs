//! News from the heartbeat thread.

use std::time::Duration;

use serde_json::json;

use super::{Daemon, layout};
use crate::{
    events::EventKind,
    monitor::{Outcome, Report},
    policy::{Cause, Input, PathId, PathState, UnitId, answers_anew},
};

impl Daemon {
    pub(super) fn on_report(&mut self, report: Report) {
        match report {
            Report::Path {
                path,
                state,
                missed,
                refused,
                at_ns,
                last_reply_ns,
            } => {
                self.on_path(path, state, (missed, refused), at_ns, last_reply_ns);
            }
            Report::TakenOver {
                unit,
                cause,
                detect_ns,
                outcome,
            } => self.on_taken_over(unit, cause, detect_ns, outcome),
            Report::Heard { unit, finding } => {
                // While a prompt waits it is asked again every second, perhaps for days.
                if self.told(unit).heard.as_ref() != Some(&finding) {
                    self.told(unit).heard = Some(finding.clone());
                    self.record(Some(unit), EventKind::Heard, json!(finding));
                }
                self.tell_drills(unit, &finding);
                self.feed(Input::Heard { unit, finding });
            }
            Report::Began { unit, cause } => {
                tracing::info!(?unit, ?cause, "a long takeover began");
                self.feed(Input::TakeoverBegan { unit });
            }
            Report::Witness { index, answers } => self.on_witness(index, answers),
            Report::Stalled { late_ns, times } => tracing::warn!(
                late_ns,
                times,
                "the heartbeat thread ran late: no verdict until a later request is missed too",
            ),
            Report::Pace {
                path,
                pace_ns,
                interval_ns,
            } => self.on_pace(path, pace_ns, interval_ns),
            Report::RemoteHold { path, on } => self.on_remote_hold(path, on),
            Report::NicFailed { name, error } => self.on_nic_failed(name, error),
        }
    }

    /// RFC 7880 7.2.3: the reflector says how fast it can be asked. A failure is noticed later than configured.
    fn on_pace(&mut self, path: PathId, pace_ns: u64, interval_ns: u64) {
        // Its source may have been removed since.
        let Some(monitor) = layout::path(&self.config, path).map(|path| path.monitor) else {
            return;
        };
        let (pace, interval) = (
            Duration::from_nanos(pace_ns),
            Duration::from_nanos(interval_ns),
        );
        if pace > interval {
            tracing::warn!(
                %monitor, ?pace, ?interval,
                "the reflector takes no faster heartbeats than this: raise `interval` here or lower its `min_rx`",
            );
        }
        let unit = layout::unit_of(&self.config, path);
        let fields = json!({ "monitor": monitor.to_string(), "pace_ns": pace_ns, "interval_ns": interval_ns });
        self.record(Some(unit), EventKind::Pace, fields);
    }

    fn on_remote_hold(&mut self, path: PathId, on: bool) {
        let Some(monitor) = layout::path(&self.config, path).map(|path| path.monitor) else {
            return;
        };
        let unit = layout::unit_of(&self.config, path);
        if !on && !self.policy.says_hold(path) {
            return;
        }
        let fields = json!({ "monitor": monitor.to_string(), "on": on });
        self.record(Some(unit), EventKind::RemoteHold, fields);
        self.feed(Input::RemoteHold { path, on });
    }

    /// `missed`: how many requests in a row, and how many of them the source refused.
    pub(super) fn on_path(
        &mut self,
        path: PathId,
        state: PathState,
        (missed, refused): (u32, u32),
        at_ns: u64,
        last_reply_ns: u64,
    ) {
        if !self.watched.contains(&path) {
            return;
        }
        let unit = layout::unit_of(&self.config, path);
        let before = self.paths.insert(path, state);
        match state {
            PathState::Down => {
                self.down.insert(path);
            }
            PathState::Up | PathState::Unknown => {
                self.down.remove(&path);
            }
            PathState::Missing | PathState::Isolated => {}
        }
        if before != Some(state) {
            let monitor = self.config.sources[path.source].paths[path.path]
                .monitor
                .to_string();
            let fields = json!({ "monitor": monitor, "state": state, "missed": missed, "refused": refused, "at_ns": at_ns });
            self.tell_of_path(unit, path, (before, state), fields);
            if state == PathState::Down {
                let detect_ns = at_ns.saturating_sub(last_reply_ns);
                let fields = json!({ "monitor": monitor, "missed": missed, "refused": refused, "detect_ns": detect_ns, "at_ns": at_ns });
                self.record(Some(unit), EventKind::Verdict, fields);
                self.told(unit).detect_ns = detect_ns;
            }
        }
        if state == PathState::Up {
            // Now, while the neighbour is still the one that has answered: another host may take its place at any time.
            self.know_sources();
        }
        self.feed(Input::Path {
            path,
            state,
            missed,
            refused,
        });
        if answers_anew(before, state) {
            // That it has answered is to be remembered, whether or not it changes the unit's state.
            self.remember();
        }
    }

    fn on_taken_over(&mut self, unit: UnitId, cause: Cause, detect_ns: u64, outcome: Outcome) {
        crate::fault::point("takeover:heard");
        // One that was ordered because of a verdict, after a hook or an approval, was detected then.
        let detect_ns = match cause {
            Cause::Verdict | Cause::Approved if detect_ns == 0 => self.told(unit).detect_ns,
            Cause::Verdict
            | Cause::Approved
            | Cause::Operator
            | Cause::SourceHealthy
            | Cause::Adopted
            | Cause::Release => detect_ns,
        };
        let addresses = self.taken(unit);
        let takeover_ns = outcome.announced_ns - outcome.decided_ns;
        let mut fields = json!({
            "cause": cause,
            "addresses": addresses,
            "held": outcome.held,
            "detect_ns": detect_ns,
            "decided_ns": outcome.decided_ns,
            "addresses_ns": outcome.addresses_ns,
            "entries_ns": outcome.entries_ns,
            "announced_ns": outcome.announced_ns,
            "takeover_ns": takeover_ns,
        });
        if let Some(error) = &outcome.error {
            fields["error"] = json!(error);
            self.leftovers = true;
        }
        self.record(Some(unit), EventKind::Takeover, fields);
        if cause != Cause::Adopted && outcome.held > 0 {
            self.told(unit).taken_over(detect_ns, takeover_ns, cause);
        }
        let Outcome { held, error, .. } = outcome;
        let entries = self.held(unit).map(|held| held.len());
        if is_true_still(held, &entries) {
            self.feed(Input::TakeoverDone {
                unit,
                cause,
                held,
                error: error.clone(),
            });
        }
        crate::fault::point("takeover:told");
        self.settle_takeover(unit, held, takeover_ns, error.as_deref());
    }
}

/// Whether a report of a takeover, by which so many addresses are held, is to be believed, the takeover map having so many entries of
/// the unit. What was given back while the news of it was on its way is not held any more. That nothing was taken is true
/// whatever an earlier takeover has left, and without a look at the map nobody says otherwise.
fn is_true_still(held: usize, entries: &anyhow::Result<usize>) -> bool {
    held == 0 || !matches!(entries, Ok(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_while_the_news_was_on_its_way_is_not_believed() {
        assert!(!is_true_still(2, &Ok(0)));
    }

    #[test]
    fn a_takeover_of_which_anything_is_left_is_believed() {
        for entries in [1, 2, 3] {
            assert!(is_true_still(2, &Ok(entries)), "{entries}");
        }
    }

    #[test]
    fn that_nothing_was_taken_is_believed_so_that_the_attempt_ends() {
        for entries in [0, 1] {
            assert!(is_true_still(0, &Ok(entries)), "{entries}");
        }
    }

    #[test]
    fn a_map_that_cannot_be_read_contradicts_nobody() {
        assert!(is_true_still(2, &Err(anyhow::anyhow!("no such map"))));
    }
}
