//! A policy with one source, a virtual clock, and actions as short words.

use std::{net::IpAddr, time::Duration};

use crate::{
    config::{
        Address, Deliver, Failback, Hooks, L2Alive, OnConflict, OnFailure, Path, Probe, Source,
        Trigger,
    },
    policy::{
        Action, Cause, Claimant, Command, Finding, Hook, Input, Memory, Now, PathId, PathState,
        Policy, SETTLE, State, UnitId, table,
    },
};

pub(super) const MS: Now = 1_000_000;

/// A source with an address per path; automatic, all, manual failback.
pub(super) fn source(name: &str, paths: u8) -> Source {
    let path = |index: u8| {
        let ip = IpAddr::from([10, 0, index, 10]);
        Path {
            monitor: ip,
            discriminator: 1,
            nic: format!("ens{index}"),
            target_nic: format!("ens{index}"),
            addresses: vec![Address {
                ip,
                prefix: 24,
                target_nic: format!("ens{index}"),
                deliver: Deliver::Local,
            }],
        }
    };
    Source {
        name: name.to_owned(),
        probe: Probe::Sbfd,
        interval: Duration::from_millis(10),
        misses: 3,
        on_failure: OnFailure::Automatic,
        trigger: Trigger::All,
        failback: Failback::Manual,
        failback_after: Duration::from_secs(60),
        l2_alive: L2Alive::Ask,
        on_conflict: OnConflict::Defend,
        hooks: Hooks::default(),
        announce_every: Duration::from_secs(60),
        keys: Vec::new(),
        paths: (0..paths).map(path).collect(),
    }
}

/// An action in a word or three: `suspect->failed`, `arm`, `take-over verdict`, `drain`, `remove`, `forget`, `announce`,
/// `hook before_takeover`.
pub(super) fn word(action: &Action) -> String {
    match action {
        Action::Arm { armed: true, .. } => "arm".to_owned(),
        Action::Arm { armed: false, .. } => "disarm".to_owned(),
        Action::TakeOver { cause, .. } => {
            format!("take-over {}", format!("{cause:?}").to_lowercase())
        }
        Action::Yield { .. } => "yield".to_owned(),
        Action::Drain { .. } => "drain".to_owned(),
        Action::LetGo { .. } => "let-go".to_owned(),
        Action::Probe { .. } => "probe".to_owned(),
        Action::Defend { ip, .. } => format!("defend {ip}"),
        Action::Reassure { ip, .. } => format!("reassure {ip}"),
        Action::Introduce { ip, mac, .. } => format!("introduce {ip} to {mac}"),
        Action::AnnounceSource { .. } => "announce-source".to_owned(),
        Action::Inquire { round, .. } => format!("inquire {round}"),
        Action::RunHook { hook, .. } => format!("hook {}", hook.name()),
        Action::RemoveAddresses { .. } => "remove".to_owned(),
        Action::Forget { .. } => "forget".to_owned(),
        Action::Announce { .. } => "announce".to_owned(),
        Action::Transition { from, to, .. } => {
            format!("{}->{}", table::name(*from), table::name(*to))
        }
    }
}

/// One source under test, and its first unit.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) policy: Policy,
    pub(super) now: Now,
    pub(super) unit: UnitId,
    /// What every probe finds at once. `None`: probes are shown as `probe`, and left to the test.
    pub(super) finds: Option<Finding>,
    /// What the source asks for when it is to have it back.
    pub(super) asks_for: Vec<IpAddr>,
    /// When it was asked who else has what is held, and in which round. It is no word, or every history would be full of it.
    pub(super) inquired: Vec<(Now, u32)>,
}

impl Bench {
    /// A source with `paths` paths, changed by `change`.
    pub(super) fn new(paths: u8, change: impl FnOnce(&mut Source)) -> Self {
        let mut source = source("web1", paths);
        change(&mut source);
        let policy = Policy::new(&[source]);
        let unit = policy.units().next().unwrap();
        Self {
            policy,
            now: 1000 * MS,
            unit,
            finds: Some(Finding::Silent),
            asks_for: Vec::new(),
            inquired: Vec::new(),
        }
    }

    /// The same, healthy.
    pub(super) fn healthy(paths: u8, change: impl FnOnce(&mut Source)) -> Self {
        let mut bench = Self::new(paths, change);
        for path in 0..usize::from(paths) {
            bench.path(path, PathState::Up);
        }
        assert_eq!(bench.state(), State::Healthy);
        bench
    }

    /// The same, failed and taken over by the thread.
    pub(super) fn taken_over(paths: u8, change: impl FnOnce(&mut Source)) -> Self {
        let mut bench = Self::healthy(paths, change);
        for path in 0..usize::from(paths) {
            bench.path(path, PathState::Down);
        }
        bench.done(Cause::Verdict, usize::from(paths));
        assert_eq!(bench.state(), State::TakenOver);
        bench
    }

    pub(super) fn give(&mut self, input: Input) -> Vec<String> {
        let mut words = Vec::new();
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for action in self.policy.handle(input, self.now).unwrap() {
                match (&action, &self.finds) {
                    (Action::Probe { unit }, Some(finding)) => inputs.push(Input::Heard {
                        unit: *unit,
                        finding: finding.clone(),
                    }),
                    // Without a daemon of ours the source asks for nothing, and nobody has to know.
                    (Action::Yield { unit }, _) => {
                        inputs.push(Input::Yielded {
                            unit: *unit,
                            addresses: self.asks_for.clone(),
                        });
                        if !self.asks_for.is_empty() {
                            words.push(word(&action));
                        }
                    }
                    (Action::Inquire { round, .. }, _) => {
                        self.inquired.push((self.now, *round));
                    }
                    _ => words.push(word(&action)),
                }
            }
        }
        words
    }

    /// The thread's own probe, or the answer to one that was left to the test, found this.
    pub(super) fn heard(&mut self, finding: Finding) -> Vec<String> {
        self.give(Input::Heard {
            unit: self.unit,
            finding,
        })
    }

    pub(super) fn hook_done(&mut self, hook: Hook, error: Option<&str>) -> Vec<String> {
        self.give(Input::HookDone {
            unit: self.unit,
            hook,
            error: error.map(str::to_owned),
        })
    }

    pub(super) fn claim(&mut self, by: Claimant) -> Vec<String> {
        self.give(Input::Claim {
            unit: self.unit,
            ip: IpAddr::from([10, 0, 0, 10]),
            mac: "02:00:00:00:00:99".to_owned(),
            by,
        })
    }

    pub(super) fn remember(&mut self, memory: Memory) -> Vec<String> {
        self.give(Input::Remembered {
            unit: self.unit,
            memory,
        })
    }

    /// A path changes its state, with as many misses as the state usually has.
    pub(super) fn path(&mut self, path: usize, state: PathState) -> Vec<String> {
        let missed = match state {
            PathState::Unknown | PathState::Up | PathState::Isolated => 0,
            PathState::Missing => 1,
            PathState::Down => 3,
        };
        self.give(Input::Path {
            path: PathId { source: 0, path },
            state,
            missed,
            refused: 0,
        })
    }

    pub(super) fn done(&mut self, cause: Cause, held: usize) -> Vec<String> {
        self.give(Input::TakeoverDone {
            unit: self.unit,
            cause,
            held,
            error: None,
        })
    }

    pub(super) fn done_with_error(&mut self, cause: Cause, held: usize) -> Vec<String> {
        let error = Some("No such device".to_owned());
        self.give(Input::TakeoverDone {
            unit: self.unit,
            cause,
            held,
            error,
        })
    }

    pub(super) fn step_done(&mut self) -> Vec<String> {
        self.give(Input::StepDone {
            unit: self.unit,
            error: None,
        })
    }

    pub(super) fn step_failed(&mut self, error: &str) -> Vec<String> {
        self.give(Input::StepDone {
            unit: self.unit,
            error: Some(error.to_owned()),
        })
    }

    pub(super) fn adopt(&mut self, draining: bool) -> Vec<String> {
        self.give(Input::Adopted {
            unit: self.unit,
            draining,
        })
    }

    pub(super) fn command(&mut self, command: Command) -> Vec<String> {
        self.give(Input::Command {
            unit: self.unit,
            command,
        })
    }

    /// The text of a refusal.
    pub(super) fn refused(&mut self, command: Command) -> String {
        let before = (self.state(), self.cause().to_owned());
        let refused = self
            .policy
            .handle(
                Input::Command {
                    unit: self.unit,
                    command,
                },
                self.now,
            )
            .unwrap_err();
        assert_eq!(
            (self.state(), self.cause().to_owned()),
            before,
            "a refusal changes nothing"
        );
        refused.to_string()
    }

    /// Lets `ms` pass, waking at every deadline; each action with the milliseconds since the call.
    pub(super) fn pass(&mut self, ms: Now) -> Vec<(Now, String)> {
        let (start, end) = (self.now, self.now + ms * MS);
        let mut words = Vec::new();
        while let Some(next) = self.policy.next_deadline().filter(|next| *next <= end) {
            assert!(next >= self.now, "the deadline {next} is past");
            self.now = next;
            let offset = (next - start) / MS;
            words.extend(
                self.give(Input::Clock)
                    .into_iter()
                    .map(|word| (offset, word)),
            );
            assert!(
                self.policy.next_deadline().is_none_or(|later| later > next),
                "stuck at {next}"
            );
        }
        self.now = end;
        words
    }

    /// Lets the source answer for as long as a failback wants to see before it drains.
    pub(super) fn settle(&mut self) {
        self.pass(SETTLE.as_millis() as Now);
    }

    /// [`Self::pass`] for those who do not care when.
    pub(super) fn pass_words(&mut self, ms: Now) -> Vec<String> {
        self.pass(ms).into_iter().map(|(_, word)| word).collect()
    }

    pub(super) fn state(&self) -> State {
        self.policy.state(self.unit).unwrap()
    }

    pub(super) fn cause(&self) -> &str {
        self.policy.cause(self.unit).unwrap()
    }

    /// The words of one line.
    pub(super) fn none() -> Vec<String> {
        Vec::new()
    }
}
