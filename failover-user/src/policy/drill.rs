//! What would be decided if a source failed now: a copy of the policy is told so, and asked.
//!
//! Whatever it wants done counts as done, its clock runs as fast as it likes, and the policy itself hears of nothing.

use std::collections::VecDeque;

use super::{
    Action, Cause, Command, Finding, Hook, Input, Now, PathId, PathState, Policy, State, UnitId,
};

/// Waits of a copy that are ended before its decision counts as final: more than any decision has.
const WAITS: usize = 32;

/// What is taken for granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// Who has the addresses.
    pub finding: Finding,
    /// Addresses that would be held after a takeover.
    pub held: usize,
    /// Why not all of them.
    pub error: Option<String>,
}

/// What would be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// From the state as it is now to the one in which the unit comes to rest.
    pub steps: Vec<Step>,
    /// A person would be asked first, and is taken to say yes.
    pub asks: bool,
}

/// A state on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub state: State,
    /// Why, in the words of `status`.
    pub cause: String,
}

impl Decision {
    /// Whether this host would hold the addresses in the end.
    pub fn takes_over(&self) -> bool {
        self.steps
            .last()
            .is_some_and(|step| step.state == State::TakenOver)
    }
}

/// Every path of `unit` falls silent at `now`, except those behind a dead link of our own, of which nothing can be heard.
/// `None`: no such unit.
pub fn decide(policy: &Policy, unit: UnitId, assumed: &Assumed, now: Now) -> Option<Decision> {
    let mut copy = Copy::new(policy, unit, assumed, now)?;
    copy.fall_silent();
    copy.come_to_rest();
    Some(copy.decision)
}

/// The copy that is told stories.
struct Copy<'a> {
    policy: Policy,
    assumed: &'a Assumed,
    unit: UnitId,
    now: Now,
    decision: Decision,
}

impl<'a> Copy<'a> {
    /// With this unit alone: what others decide does not matter.
    fn new(policy: &Policy, unit: UnitId, assumed: &'a Assumed, now: Now) -> Option<Self> {
        let mut policy = policy.clone();
        policy.retain(unit);
        let first = Step {
            state: policy.state(unit)?,
            cause: policy.cause(unit)?.to_owned(),
        };
        Some(Self {
            policy,
            assumed,
            unit,
            now,
            decision: Decision {
                steps: vec![first],
                asks: false,
            },
        })
    }

    /// As many misses on each path as make a verdict. A heartbeat thread that may act has acted then.
    fn fall_silent(&mut self) {
        let Some((misses, paths)) = self.policy.judged(self.unit) else {
            return;
        };
        let armed = self.policy.armed(self.unit);
        for missed in 1..=misses {
            let state = if missed == misses {
                PathState::Down
            } else {
                PathState::Missing
            };
            if missed == misses {
                // The thread asks from the first miss on, and says what it found before it gives the verdict.
                let heard = self.heard();
                self.tell(heard);
            }
            for (path, _) in paths.iter().filter(|(_, so_far)| *so_far < missed) {
                self.tell(Input::Path {
                    path: PathId {
                        source: self.unit.source,
                        path: *path,
                    },
                    state,
                    missed,
                    refused: 0,
                });
            }
        }
        if armed && self.state() == State::TakingOver {
            let done = self.taken(Cause::Verdict);
            self.tell(done);
        }
    }

    /// Says yes to the prompt, and waits for whatever the copy waits for.
    fn come_to_rest(&mut self) {
        for _ in 0..WAITS {
            match self.state() {
                State::AwaitingApproval => {
                    self.decision.asks = true;
                    let command = Command::Approve;
                    self.tell(Input::Command {
                        unit: self.unit,
                        command,
                    });
                }
                State::Suspect | State::TakingOver => match self.policy.next_deadline() {
                    Some(deadline) => {
                        self.now = self.now.max(deadline);
                        self.tell(Input::Clock);
                    }
                    None => return,
                },
                State::Unknown
                | State::Healthy
                | State::Isolated
                | State::Failed
                | State::TakenOver
                | State::Held
                | State::HeldElsewhere
                | State::Conflict
                | State::FailingBack => return,
            }
        }
    }

    /// Gives an input, and answers what it leads to as if it had been carried out.
    fn tell(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            // Only the approval can be refused, and then the state says why.
            let actions = self.policy.handle(input, self.now).unwrap_or_default();
            inputs.extend(
                actions
                    .into_iter()
                    .filter_map(|action| self.carry_out(action)),
            );
        }
    }

    fn carry_out(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Transition { to, cause, .. } => {
                self.decision.steps.push(Step { state: to, cause });
                None
            }
            Action::TakeOver { cause, .. } => Some(self.taken(cause)),
            Action::Drain { unit }
            | Action::LetGo { unit }
            | Action::RemoveAddresses { unit }
            | Action::Forget { unit } => Some(Input::StepDone { unit, error: None }),
            Action::Yield { unit } => Some(Input::Yielded {
                unit,
                addresses: Vec::new(),
            }),
            Action::Probe { .. } => Some(self.heard()),
            Action::RunHook {
                hook: Hook::Notify, ..
            } => None,
            Action::RunHook { unit, hook, .. } => Some(Input::HookDone {
                unit,
                hook,
                error: None,
            }),
            Action::Arm { .. }
            | Action::Announce { .. }
            | Action::AnnounceSource { .. }
            | Action::Defend { .. }
            | Action::Reassure { .. }
            | Action::Introduce { .. }
            | Action::Inquire { .. } => None,
        }
    }

    /// What a probe finds.
    fn heard(&self) -> Input {
        Input::Heard {
            unit: self.unit,
            finding: self.assumed.finding.clone(),
        }
    }

    /// The result of a takeover.
    fn taken(&self, cause: Cause) -> Input {
        Input::TakeoverDone {
            unit: self.unit,
            cause,
            held: self.assumed.held,
            error: self.assumed.error.clone(),
        }
    }

    fn state(&self) -> State {
        self.policy.state(self.unit).unwrap_or(State::Unknown)
    }
}
