//! What a unit knows about its paths.

use std::net::IpAddr;

use super::{
    Now, PathState,
    trigger::{Standing, UnitVerdict, verdict},
};
use crate::config::{self, Trigger};

/// Unanswered requests in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Misses {
    pub(super) missed: u32,
    /// Those among them that the source refused.
    pub(super) refused: u32,
}

/// One path of a unit.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// Index into `Source::paths`.
    pub(super) index: usize,
    pub(super) monitor: IpAddr,
    pub(super) nic: String,
    /// As the heartbeat thread reported it last.
    reported: PathState,
    /// Unanswered requests in a row.
    pub(super) misses: Misses,
    /// It has answered since monitoring, or the latest failback, began.
    seen: bool,
    /// By this path the source has said that it is on hold.
    remote_hold: bool,
    /// It has not been heard of since our own link was down behind it.
    hidden: bool,
    /// Since when it answers without having been down, isolated or unknown in between.
    answering_since: Option<Now>,
    /// Since when the first answer or the verdict on its absence is waited for; `None`: it came, or nobody waits.
    unheard_since: Option<Now>,
}

impl Path {
    fn new(index: usize, path: &config::Path) -> Self {
        Self {
            index,
            monitor: path.monitor,
            nic: path.nic.clone(),
            reported: PathState::Unknown,
            misses: Misses::default(),
            seen: false,
            remote_hold: false,
            hidden: false,
            answering_since: None,
            unheard_since: None,
        }
    }

    /// The state that counts: silence is no evidence as long as there was no answer before it.
    pub(super) fn state(&self) -> PathState {
        match self.reported {
            PathState::Missing | PathState::Down if !self.seen => PathState::Unknown,
            PathState::Unknown
            | PathState::Up
            | PathState::Missing
            | PathState::Down
            | PathState::Isolated => self.reported,
        }
    }

    /// Not heard of since our own link was down.
    pub(super) fn is_hidden(&self) -> bool {
        self.hidden && self.reported == PathState::Unknown
    }

    /// It answered the latest request but a few.
    fn answers(&self) -> bool {
        matches!(self.state(), PathState::Up | PathState::Missing)
    }
}

/// The paths of a unit.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) list: Vec<Path>,
    trigger: Trigger,
}

impl Paths {
    /// Every path of `source`, or the one with index `only`.
    pub(super) fn new(source: &config::Source, only: Option<usize>) -> Self {
        let list = source
            .paths
            .iter()
            .enumerate()
            .filter(|(index, _)| only.is_none_or(|only| only == *index))
            .map(|(index, path)| Path::new(index, path))
            .collect();
        Self {
            list,
            trigger: source.trigger,
        }
    }

    /// Takes note of a report. Paths that are not of this unit are ignored.
    pub(super) fn report(&mut self, index: usize, state: PathState, misses: Misses, now: Now) {
        let Some(path) = self.list.iter_mut().find(|path| path.index == index) else {
            return;
        };
        match state {
            PathState::Unknown => path.hidden |= path.reported == PathState::Isolated,
            PathState::Up => path.hidden = false,
            PathState::Missing | PathState::Down | PathState::Isolated => {}
        }
        let before = std::mem::replace(&mut path.reported, state);
        path.misses = misses;
        match state {
            PathState::Up => {
                path.seen = true;
                path.answering_since.get_or_insert(now);
                path.unheard_since = None;
            }
            PathState::Missing => {}
            PathState::Unknown => {
                path.seen = false;
                path.answering_since = None;
                if before != PathState::Unknown {
                    path.unheard_since = Some(now);
                }
            }
            PathState::Down | PathState::Isolated => {
                path.answering_since = None;
                path.unheard_since = None;
            }
        }
    }

    /// Takes note of what the source says of itself.
    pub(super) fn report_hold(&mut self, index: usize, on: bool) {
        if let Some(path) = self.list.iter_mut().find(|path| path.index == index) {
            path.remote_hold = on;
        }
    }

    /// The source is on hold, for its own administrator. It is as long as it does not say otherwise, silent or not.
    pub(super) fn remote_hold(&self) -> bool {
        self.list.iter().any(|path| path.remote_hold)
    }

    /// Whether it has said so by this path.
    pub(super) fn says_hold(&self, index: usize) -> bool {
        let mut paths = self.list.iter();
        paths.any(|path| path.index == index && path.remote_hold)
    }

    /// What the paths say about the unit.
    pub(super) fn verdict(&self) -> UnitVerdict {
        let standings = self.list.iter().map(|path| Standing {
            state: path.state(),
            hidden: path.is_hidden(),
        });
        verdict(self.trigger, standings)
    }

    /// What the heartbeat thread makes of the same paths: it does not know that a failback began a new count.
    pub(super) fn verdict_of_thread(&self) -> UnitVerdict {
        let standings = self.list.iter().map(|path| Standing {
            state: path.reported,
            hidden: path.is_hidden(),
        });
        verdict(self.trigger, standings)
    }

    /// At least one path answers. One miss is no silence: a failback must not lose packets for it.
    pub(super) fn answer(&self) -> bool {
        self.list.iter().any(Path::answers)
    }

    /// The daemon has only just started: nothing has been heard of any path yet.
    pub(super) fn listen(&mut self, now: Now) {
        for path in &mut self.list {
            if path.reported == PathState::Unknown {
                path.unheard_since = Some(now);
            }
        }
    }

    /// Until when a first answer may still come from one of them, if each is given so much time for it.
    pub(super) fn may_answer_until(&self, time: Now) -> Option<Now> {
        let unheard = self.list.iter().filter_map(|path| path.unheard_since);
        unheard.max().map(|since| since.saturating_add(time))
    }

    /// A path has failed.
    pub(super) fn any_down(&self) -> bool {
        self.list.iter().any(|path| path.state() == PathState::Down)
    }

    /// Since when every path that answers has done so.
    pub(super) fn answering_since(&self) -> Option<Now> {
        let answering = self.list.iter().filter(|path| path.answers());
        answering.filter_map(|path| path.answering_since).max()
    }

    /// Every path answered its latest request.
    pub(super) fn all_up(&self) -> bool {
        self.list.iter().all(|path| path.state() == PathState::Up)
    }

    /// Every path answers, give or take a few misses.
    pub(super) fn all_answer(&self) -> bool {
        self.list.iter().all(Path::answers)
    }

    /// Those that have answered, by `monitor`. What one does behind an outage of our own link is not known: to the next
    /// daemon, which does not know of the outage, its silence must not be a failure.
    pub(super) fn seen(&self) -> Vec<IpAddr> {
        let seen = self
            .list
            .iter()
            .filter(|path| path.seen && path.reported != PathState::Isolated);
        seen.map(|path| path.monitor).collect()
    }

    /// Those had answered an earlier daemon: their silence is evidence.
    pub(super) fn remember(&mut self, seen: &[IpAddr]) {
        for path in &mut self.list {
            path.seen |= seen.contains(&path.monitor);
        }
    }

    /// A failback begins: what is silent now has to answer before its silence counts again.
    pub(super) fn forget_silent(&mut self) {
        for path in &mut self.list {
            path.seen = path.answers();
        }
    }
}
