//! Who has the addresses while heartbeats fail: the source itself, which answers ARP still, or another host that stands in
//! already. Both keep this host from taking them, and both are watched until that ends.

use std::time::Duration;

use super::{
    Action, Cause, Finding, Now, State,
    table::On,
    trigger::UnitVerdict,
    unit::{Fresh, Phase, Turn, Unit, nanos},
    words,
};
use crate::config::{L2Alive, OnFailure};

/// How often it is asked who has the addresses, while the answer decides what is done.
pub const PROBE_EVERY: Duration = Duration::from_secs(1);

/// The same while an administrator is asked: the answer can only withdraw the prompt.
pub const PROBE_EVERY_PROMPT: Duration = Duration::from_secs(5);

/// How soon it is asked for the first time after another host was heard to be about to take over.
pub const RIVAL_WAIT: Duration = Duration::from_millis(200);

/// How often in a row nobody has to answer before that is believed: one ARP packet may be lost.
const SILENT_ROUNDS: u32 = 2;

/// How often another host is heard to be about to take over, and does not get there, before it counts no more: it may only
/// watch, as this one does.
pub const RIVAL_ROUNDS: u32 = 4;

/// It is asked again and again who has the addresses.
#[derive(Clone, Debug)]
pub(super) struct Watching {
    next: Now,
    every: Duration,
    /// Silence is waited for, and acted on by itself. A prompt of `on_failure = "ask"` is the administrator's alone.
    waits_for_silence: bool,
    /// Rounds in which a host that goes first was heard, since one had them.
    rivals: u32,
    /// Rounds in a row in which what keeps us from acting was not heard.
    silent: u32,
}

impl Watching {
    pub(super) fn next(&self) -> Now {
        self.next
    }
}

impl Finding {
    /// Another host has the addresses, or goes first in taking them.
    fn is_elsewhere(&self) -> bool {
        match self {
            Self::Other { .. } | Self::Rival { first: true, .. } => true,
            Self::Silent | Self::Source { .. } | Self::Rival { first: false, .. } => false,
        }
    }
}

impl Unit {
    /// Watches from now on.
    fn watch(&mut self, now: Now, first: Duration, every: Duration) {
        let prompt = self.state == State::AwaitingApproval;
        self.phase = Phase::Watching(Watching {
            next: now.saturating_add(nanos(first)),
            every,
            waits_for_silence: !prompt || self.rules.on_failure == OnFailure::Automatic,
            rivals: 0,
            silent: 0,
        });
    }

    /// From `failed`, `awaiting-approval` or `taking-over`: whether the latest finding keeps this host from taking over because
    /// of a verdict. If it does, the unit has gone where it waits for the end of that.
    pub(super) fn stands_back(&mut self, turn: &mut Turn, cause: &str) -> bool {
        if self.finding.is_elsewhere() {
            self.go_elsewhere(turn);
            return true;
        }
        if let (Finding::Source { .. }, L2Alive::Ask | L2Alive::Refuse) =
            (&self.finding, self.rules.l2_alive)
        {
            self.leave_to_source(turn, cause);
            return true;
        }
        false
    }

    /// Another host has the addresses.
    pub(super) fn go_elsewhere(&mut self, turn: &mut Turn) {
        let first = match self.finding {
            Finding::Rival { .. } => RIVAL_WAIT,
            Finding::Silent | Finding::Source { .. } | Finding::Other { .. } => PROBE_EVERY,
        };
        let cause = words::elsewhere(&self.finding);
        self.go(turn, State::HeldElsewhere, On::Elsewhere, cause);
        self.watch(turn.now, first, PROBE_EVERY);
    }

    /// After a failback to it: the same.
    pub(super) fn given_back_elsewhere(&mut self, turn: &mut Turn, finding: Finding, note: &str) {
        self.finding = finding;
        let cause = words::with_note(words::elsewhere(&self.finding), note);
        self.go(turn, State::HeldElsewhere, On::GivenBack, cause);
        self.watch(turn.now, PROBE_EVERY, PROBE_EVERY);
    }

    /// The source answers ARP: ask, or refuse.
    fn leave_to_source(&mut self, turn: &mut Turn, cause: &str) {
        let cause = words::alive_on_l2(cause, &self.finding, self.rules.l2_alive);
        match (self.rules.l2_alive, self.state) {
            (L2Alive::Ask, _) => self.go(turn, State::AwaitingApproval, On::AliveOnL2, cause),
            (L2Alive::Refuse | L2Alive::Ignore, State::Failed) => self.cause = cause,
            (L2Alive::Refuse | L2Alive::Ignore, _) => {
                self.go(turn, State::Failed, On::AliveOnL2, cause);
            }
        }
        self.watch(turn.now, PROBE_EVERY, PROBE_EVERY);
    }

    /// Asks the administrator.
    pub(super) fn ask(&mut self, turn: &mut Turn, on: On, cause: String) {
        self.go(turn, State::AwaitingApproval, on, cause);
        // One that an earlier daemon has left may end by itself.
        let every = match self.rules.on_failure {
            OnFailure::Automatic => PROBE_EVERY,
            OnFailure::Ask => PROBE_EVERY_PROMPT,
        };
        self.watch(turn.now, every, every);
    }

    /// A round is due.
    pub(super) fn on_clock_watching(&mut self, turn: &mut Turn) {
        let Phase::Watching(watching) = &mut self.phase else {
            return;
        };
        if watching.next <= turn.now {
            watching.next = turn.now.saturating_add(nanos(watching.every));
            turn.actions.push(Action::Probe { unit: self.id });
        }
    }

    /// What was heard of the addresses.
    pub(super) fn on_heard(&mut self, turn: &mut Turn, finding: Finding) {
        self.finding = finding;
        self.heard_at = Some(turn.now);
        match &self.phase {
            Phase::Checking { .. } => self.checked(turn),
            Phase::Watching(_) => self.watched(turn),
            Phase::Idle
            | Phase::BeforeTakeover(_)
            | Phase::AwaitingThread { .. }
            | Phase::Commanded(_)
            | Phase::Holding(_)
            | Phase::GivingBack(_) => {}
        }
    }

    /// `taking-over`: it is known who has the addresses, and nothing was taken yet.
    pub(super) fn checked(&mut self, turn: &mut Turn) {
        let Phase::Checking { cause, hooked, .. } = self.phase else {
            return;
        };
        if self.released {
            self.phase = Phase::Idle;
            return self.go(turn, State::Failed, On::NotTaken, words::STOPPING);
        }
        if hooked && matches!(self.finding, Finding::Rival { .. }) {
            // Who only wants them has its own question before it takes them, and will find us. To wait for it would be to run the
            // hook again behind it, and again.
            self.finding = Finding::Silent;
        }
        if self.finding.is_elsewhere() {
            if self.on_hold() {
                // By hand. What comes of the other host later must not lead to a takeover by itself.
                let note = words::elsewhere(&self.finding);
                return self.settle(turn, On::NotTaken, &note);
            }
            return self.go_elsewhere(turn);
        }
        if self.is_void(cause) {
            return self.settle(turn, On::NotTaken, "nothing was taken");
        }
        if cause == Cause::Verdict {
            let words = words::for_verdict(self);
            if self.stands_back(turn, &words) {
                return;
            }
        }
        if hooked {
            self.command_takeover(turn, cause);
        } else {
            self.before_takeover(turn, cause);
        }
    }

    /// Another round of watching is done.
    fn watched(&mut self, turn: &mut Turn) {
        let elsewhere = self.finding.is_elsewhere();
        let may_act = match self.state {
            State::HeldElsewhere => false,
            State::Failed => true,
            State::AwaitingApproval => self.rules.on_failure == OnFailure::Automatic,
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::Isolated
            | State::Held
            | State::TakingOver
            | State::TakenOver
            | State::FailingBack
            | State::Conflict => return,
        };
        if elsewhere && self.state != State::HeldElsewhere {
            return self.go_elsewhere(turn);
        }
        if elsewhere {
            self.cause = words::elsewhere(&self.finding);
        }
        let Phase::Watching(watching) = &mut self.phase else {
            return;
        };
        let waits_for_source = may_act && watching.waits_for_silence;
        // Without a verdict (our own link is down, or nothing was judged yet) there is nothing to act on.
        let unjudged = waits_for_source && self.paths.verdict() != UnitVerdict::Failed;
        let kept = match self.finding {
            Finding::Other { .. } => {
                watching.rivals = 0;
                true
            }
            Finding::Rival { first: true, .. } => {
                watching.rivals += 1;
                watching.rivals < RIVAL_ROUNDS
            }
            Finding::Source { .. } => waits_for_source,
            Finding::Silent | Finding::Rival { first: false, .. } => unjudged,
        };
        watching.silent = if kept { 0 } else { watching.silent + 1 };
        if watching.silent < SILENT_ROUNDS {
            return;
        }
        if self.state == State::HeldElsewhere {
            self.let_go(turn);
        } else if waits_for_source {
            self.silent_on_l2(turn);
        }
    }

    /// The other host has the addresses no more.
    fn let_go(&mut self, turn: &mut Turn) {
        self.phase = Phase::Idle;
        if self.finding.is_elsewhere() {
            // It has announced its takeover for too long.
            self.finding = Finding::Silent;
        }
        if self.paths.verdict() == UnitVerdict::Failed {
            self.on_verdict(turn, On::LetGo, words::LET_GO, Fresh::Yes);
        } else {
            self.follow_paths(turn, Fresh::No);
        }
    }

    /// Nothing speaks for the source any more, and the verdict still stands.
    fn silent_on_l2(&mut self, turn: &mut Turn) {
        self.phase = Phase::Idle;
        if self.released || self.paths.verdict() != UnitVerdict::Failed {
            return;
        }
        let cause = words::with_note(words::for_verdict(self), words::SILENT_ON_L2);
        match self.rules.on_failure {
            OnFailure::Automatic => {
                self.go(turn, State::TakingOver, On::SilentOnL2, cause);
                self.begin_takeover(turn, Cause::Verdict, Fresh::Yes);
            }
            OnFailure::Ask => self.ask(turn, On::SilentOnL2, cause),
        }
    }
}
