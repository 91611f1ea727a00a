//! One unit as seen from outside: what the policy must not do, whatever it is told.

use std::{collections::BTreeMap, net::IpAddr};

use crate::policy::{
    Action, Cause, DEFEND_INTERVAL, Hook, INQUIRE_EVERY, Input, Now, State, UnitId, table::TABLE,
};

/// What the policy must not do, whatever it is told: followed per unit from its actions and from what it was told.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) id: UnitId,
    pub(super) state: State,
    pub(super) armed: bool,
    /// [`Action::TakeOver`] was given and no takeover has been reported since.
    pub(super) takeover_pending: bool,
    /// The step of a failback whose result is outstanding.
    pub(super) step: Option<&'static str>,
    /// Steps of the failback under way.
    pub(super) steps: Vec<&'static str>,
    pub(super) announced: Option<Now>,
    defended: BTreeMap<IpAddr, Now>,
    inquired: Option<Now>,
    /// `before_takeover` runs.
    pub(super) hook_pending: bool,
    /// May be taken over without being asked for.
    automatic: bool,
    /// What the thread and the kernel really hold.
    pub(super) held: bool,
    /// What the thread was told: news of it may be under way.
    pub(super) thread_armed: bool,
}

impl Watched {
    pub(super) fn new(id: UnitId, automatic: bool) -> Self {
        Self {
            id,
            state: State::Unknown,
            armed: false,
            takeover_pending: false,
            step: None,
            steps: Vec::new(),
            announced: None,
            defended: BTreeMap::new(),
            inquired: None,
            hook_pending: false,
            automatic,
            held: false,
            thread_armed: false,
        }
    }

    /// The policy is told something: what it has waited for may have come.
    pub(super) fn told(&mut self, input: &Input) {
        match input {
            Input::TakeoverDone { unit, .. } if *unit == self.id => self.takeover_pending = false,
            Input::StepDone { unit, .. } if *unit == self.id => self.step = None,
            Input::HookDone {
                unit,
                hook: Hook::BeforeTakeover,
                ..
            } if *unit == self.id => self.hook_pending = false,
            Input::TakeoverDone { .. }
            | Input::StepDone { .. }
            | Input::HookDone { .. }
            | Input::Path { .. }
            | Input::TakeoverBegan { .. }
            | Input::Heard { .. }
            | Input::RemoteHold { .. }
            | Input::Yielded { .. }
            | Input::Claim { .. }
            | Input::Remembered { .. }
            | Input::Adopted { .. }
            | Input::Command { .. }
            | Input::Clock => {}
        }
    }

    /// The policy wants this for the unit.
    pub(super) fn watch(&mut self, action: &Action, now: Now) {
        match action {
            Action::Arm { armed, .. } => {
                assert_ne!(self.armed, *armed, "told twice");
                assert!(self.automatic, "armed without leave");
                self.armed = *armed;
            }
            Action::TakeOver { cause, .. } => {
                assert_eq!(self.state, State::TakingOver);
                assert!(!self.takeover_pending, "taken over twice");
                assert!(
                    self.automatic || *cause != Cause::Verdict,
                    "taken over without approval"
                );
                self.takeover_pending = true;
            }
            Action::Yield { .. } => {
                assert_eq!(self.state, State::FailingBack);
                assert!(self.steps.is_empty() && self.step.is_none());
            }
            Action::Drain { .. } => self.begins("drain", &[&[]]),
            Action::LetGo { .. } => self.begins("let-go", &[&[]]),
            Action::RemoveAddresses { .. } => self.begins("remove", &[&["drain"], &["let-go"]]),
            Action::Forget { .. } => {
                self.begins("forget", &[&["drain", "remove"], &["let-go", "remove"]]);
            }
            Action::Probe { .. } => assert!(
                matches!(
                    self.state,
                    State::TakingOver
                        | State::HeldElsewhere
                        | State::AwaitingApproval
                        | State::Failed
                        | State::Conflict
                        | State::FailingBack
                ),
                "probed in {:?}",
                self.state
            ),
            Action::Defend { ip, .. } => {
                assert_eq!(self.state, State::Conflict);
                let again = self.defended.insert(*ip, now);
                assert!(
                    again.is_none_or(|at| now - at >= DEFEND_INTERVAL.as_nanos() as Now),
                    "RFC 5227 2.4: at most once in ten seconds"
                );
            }
            Action::Reassure { .. } => assert_eq!(self.state, State::Conflict),
            Action::Introduce { .. } => {
                assert!(matches!(self.state, State::Conflict | State::FailingBack));
            }
            Action::Inquire { .. } => {
                let holds = matches!(
                    self.state,
                    State::TakenOver | State::Conflict | State::FailingBack
                );
                assert!(
                    holds && self.steps.is_empty(),
                    "asks in {:?} behind {:?}",
                    self.state,
                    self.steps
                );
                let before = self.inquired.replace(now);
                let least = INQUIRE_EVERY.as_nanos() as Now;
                assert!(before.is_none_or(|at| now - at >= least), "asks too often");
            }
            Action::AnnounceSource { .. } => assert!(
                matches!(self.state, State::TakingOver | State::FailingBack),
                "announced the source in {:?}",
                self.state
            ),
            Action::RunHook { hook, state, .. } => {
                assert_eq!(*state, self.state);
                match hook {
                    Hook::BeforeTakeover => {
                        assert_eq!(self.state, State::TakingOver);
                        assert!(!self.hook_pending, "two at once");
                        self.hook_pending = true;
                    }
                    Hook::BeforeFailback | Hook::AfterFailback => {
                        assert_eq!(self.state, State::FailingBack);
                    }
                    Hook::AfterTakeover => assert_eq!(self.state, State::TakenOver),
                    Hook::Notify => {}
                }
            }
            Action::Announce { .. } => {
                assert!(matches!(self.state, State::TakenOver | State::Conflict));
                assert!(self.announced.is_none_or(|at| at < now), "announced twice");
                self.announced = Some(now);
            }
            Action::Transition {
                from, to, cause, ..
            } => self.goes(*from, *to, cause),
        }
    }

    fn goes(&mut self, from: State, to: State, cause: &str) {
        assert!(!cause.is_empty());
        assert_eq!(self.state, from);
        assert!(
            TABLE
                .iter()
                .any(|row| row.from.contains(&from) && row.to == to),
            "{from:?} -> {to:?}"
        );
        if from == State::FailingBack && to == State::TakenOver {
            assert!(self.steps.is_empty(), "aborted in the middle");
        } else if from == State::FailingBack {
            assert_eq!(
                (self.steps.last(), self.step),
                (Some(&"forget"), None),
                "left before the last step"
            );
        }
        self.steps.clear();
        self.state = to;
    }

    fn begins(&mut self, step: &'static str, after: &[&[&str]]) {
        assert_eq!(self.state, State::FailingBack);
        assert_eq!(self.step, None, "the step before {step} is not done");
        assert!(
            after.iter().any(|after| self.steps == *after),
            "{:?} before {step}",
            self.steps
        );
        self.step = Some(step);
        self.steps.push(step);
    }
}

/// The unit that an action is for.
pub(super) fn unit_of(action: &Action) -> UnitId {
    let (Action::Arm { unit, .. }
    | Action::TakeOver { unit, .. }
    | Action::Yield { unit }
    | Action::Drain { unit }
    | Action::LetGo { unit }
    | Action::Probe { unit }
    | Action::Defend { unit, .. }
    | Action::Reassure { unit, .. }
    | Action::Introduce { unit, .. }
    | Action::Inquire { unit, .. }
    | Action::AnnounceSource { unit }
    | Action::RunHook { unit, .. }
    | Action::RemoveAddresses { unit }
    | Action::Forget { unit }
    | Action::Announce { unit }
    | Action::Transition { unit, .. }) = action;
    *unit
}
