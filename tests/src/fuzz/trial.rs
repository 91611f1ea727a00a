//! One input: through the parsers on the host, which must not panic, and through the program in the kernel, which has to do what
//! the oracle says: the action, every octet, every counter, every session and all traffic.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use failover_ebpf::verdict::{Action, Verdict};

use super::{
    FRAME_AT, Fixture,
    names::{named, number, tells},
    parsers, report,
    scene::Scene,
};
use crate::oracle::{Fate, Outcome};

/// The shortest frame that `BPF_PROG_TEST_RUN` takes: no driver hands over less.
const SHORTEST: usize = 14;

/// What was tried so far.
pub struct Trial {
    fixture: Fixture,
    output: Vec<u8>,
    verdicts: Vec<[u64; 1]>,
    traffic: Vec<[u64; 2]>,
    /// Frames that the program had to deal with.
    frames: u64,
    /// By what they were about, and what became of them.
    outcomes: BTreeMap<(&'static str, &'static str), u64>,
    /// By verdict.
    counted: Vec<u64>,
    /// Sessions that have measured something.
    sessions: BTreeSet<u16>,
}

/// An input that was treated wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong, what should be, and the frame in words.
    pub report: String,
}

/// What the program did to a frame.
struct Done {
    returned: u32,
    verdict: Verdict,
    /// Replies that were measured, by session.
    measured: Vec<(u16, u64)>,
    /// Packets and octets, by slot.
    traffic: Vec<(usize, [u64; 2])>,
}

impl Trial {
    /// Nothing so far.
    ///
    /// # Errors
    ///
    /// The counters cannot be read.
    pub fn new(mut fixture: Fixture) -> anyhow::Result<Self> {
        fixture.forget();

        Ok(Self {
            verdicts: fixture.verdicts.read()?.to_vec(),
            traffic: fixture.traffic.read()?.to_vec(),
            fixture,
            output: Vec::new(),
            frames: 0,
            outcomes: BTreeMap::new(),
            counted: vec![0; Verdict::ALL.len()],
            sessions: BTreeSet::new(),
        })
    }

    /// Tries an input.
    ///
    /// # Errors
    ///
    /// It was treated wrongly.
    pub fn input(&mut self, input: &[u8]) -> Result<(), Finding> {
        let Some((selector, frame)) = input.split_at_checked(FRAME_AT) else {
            return Ok(());
        };
        let scene = Scene::of(selector[0]);
        let expected = self.expected(scene, frame);
        let wrong = match &expected {
            Err(panic) => Some(panic.clone()),
            Ok(None) => None,
            Ok(Some(outcome)) => self.run(scene, frame, outcome).err(),
        };

        wrong.map_or(Ok(()), |wrong| {
            Err(Finding {
                report: report::finding(&wrong, scene, frame, expected.ok().flatten().as_ref()),
            })
        })
    }

    /// What has to become of a frame; nothing if it is too short to be tried.
    ///
    /// # Errors
    ///
    /// A parser, or the oracle, has panicked.
    fn expected(&mut self, scene: Scene, frame: &[u8]) -> Result<Option<Outcome>, String> {
        let ingress = self.fixture.set(scene);
        let oracle = &self.fixture.oracle;
        let tried = catch_unwind(AssertUnwindSafe(|| {
            parsers::parse(frame);

            (frame.len() >= SHORTEST).then(|| oracle.outcome(ingress, frame))
        }));

        tried.map_err(|panic| {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());

            format!("a panic on the host: {}", message.unwrap_or("no message"))
        })
    }

    fn run(&mut self, scene: Scene, frame: &[u8], outcome: &Outcome) -> Result<(), String> {
        let done = self.hand_over(scene, frame)?;

        self.frames += 1;
        *self.outcomes.entry(named(outcome)).or_default() += 1;
        self.judge(frame, outcome, &done, outcome.measured)?;

        let Some((session, _)) = outcome.measured else {
            return Ok(());
        };

        self.sessions.insert(session);

        // A second time, which must not be measured.
        let again = self.hand_over(scene, frame)?;

        self.judge(frame, outcome, &again, None)
            .map_err(|wrong| format!("the second time, {wrong}"))?;
        self.fixture.send(session);

        Ok(())
    }

    /// Runs the program on a frame, and compares all that it counts with what it had counted before.
    fn hand_over(&mut self, scene: Scene, frame: &[u8]) -> Result<Done, String> {
        let ingress = self.fixture.set(scene);
        let before = self.fixture.received();
        let returned = self.fixture.run(ingress, frame, &mut self.output);
        let after = self.fixture.received();
        let verdicts = self.fixture.verdicts.read().map_err(broken)?;
        let risen: Vec<_> = Verdict::ALL
            .iter()
            .zip(verdicts.iter().zip(&self.verdicts))
            .filter(|(_, (now, before))| now != before)
            .map(|(verdict, ([now], [before]))| (*verdict, now.wrapping_sub(*before)))
            .collect();

        self.verdicts.copy_from_slice(verdicts);

        let traffic = self.fixture.traffic.read().map_err(broken)?;
        let moved = traffic
            .iter()
            .zip(&self.traffic)
            .enumerate()
            .filter(|(_, (now, before))| now != before)
            .map(|(slot, (now, before))| {
                (
                    slot,
                    std::array::from_fn(|n| now[n].wrapping_sub(before[n])),
                )
            })
            .collect();

        self.traffic.copy_from_slice(traffic);

        let [(verdict, 1)] = risen[..] else {
            return Err(format!("counted {risen:?}, not one verdict once"));
        };

        self.counted[verdict as usize] += 1;

        let numbers = super::scene::SESSIONS.map(|watch| watch.number);

        Ok(Done {
            returned,
            verdict,
            measured: numbers
                .into_iter()
                .zip(after.into_iter().zip(before))
                .filter(|(_, (after, before))| after != before)
                .map(|(number, (after, before))| (number, after.wrapping_sub(before)))
                .collect(),
            traffic: moved,
        })
    }

    /// What is wrong with what was done to a frame that had to be `measured`, or not any more.
    fn judge(
        &self,
        frame: &[u8],
        outcome: &Outcome,
        done: &Done,
        measured: Option<(u16, u32)>,
    ) -> Result<(), String> {
        let Done {
            returned, verdict, ..
        } = done;
        let name = verdict.name();

        if *returned != number(verdict.action()) {
            return Err(format!("it returned {returned} and counted {name}"));
        }

        let action = verdict.action();
        let right = match &outcome.fate {
            Fate::Passed => action == Action::Pass,
            Fate::Dropped => action == Action::Drop,
            Fate::Kept => matches!(action, Action::Pass | Action::Drop),
            Fate::Answered(_) => action == Action::Transmit,
            Fate::Redirected(_) => action == Action::Redirect,
        };

        if !right {
            return Err(format!("{action:?}, counted {name}"));
        }

        let wanted = match &outcome.fate {
            Fate::Passed | Fate::Dropped | Fate::Kept => frame,
            Fate::Answered(sent) | Fate::Redirected(sent) => sent,
        };

        if self.output != wanted {
            return Err(format!(
                "{action:?}, counted {name}, as another frame:\n{}",
                report::difference(&self.output, wanted)
            ));
        }

        let again = outcome.measured.is_some() && measured.is_none();

        if !tells(name, outcome, again) {
            return Err(format!("{action:?}, counted {name}"));
        }

        let measured: Vec<_> = measured.iter().map(|(session, _)| (*session, 1)).collect();

        if done.measured != measured {
            return Err(format!(
                "counted {name}; session and replies {:?}, not {measured:?}",
                done.measured
            ));
        }

        let octets = frame.len() as u64;
        let traffic: Vec<_> = outcome
            .traffic
            .iter()
            .map(|slot| (*slot as usize, [1, octets]))
            .collect();

        if done.traffic != traffic {
            return Err(format!(
                "counted {name}; slot, packets and octets {:?}, not {traffic:?}",
                done.traffic
            ));
        }

        Ok(())
    }

    /// The host that was tried.
    pub fn into_fixture(self) -> Fixture {
        self.fixture
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// How many frames were about what, and what became of them, in lines.
    pub fn fates(&self) -> impl Iterator<Item = String> + '_ {
        self.outcomes
            .iter()
            .map(|((about, fate), count)| format!("  {count:>10}  {about}: {fate}"))
    }

    /// What was seen, in lines.
    pub fn summary(&self) -> Vec<String> {
        let never: Vec<_> = Verdict::ALL
            .iter()
            .filter(|verdict| self.counted[**verdict as usize] == 0)
            .map(|verdict| verdict.name())
            .collect();

        std::iter::once(format!(
            "{} frames through parsers and program, and none was treated wrongly",
            self.frames
        ))
        .chain(self.fates())
        .chain([format!(
            "{} of {} verdicts were given, never: {}",
            Verdict::ALL.len() - never.len(),
            Verdict::ALL.len(),
            never.join(" ")
        )])
        .collect()
    }

    /// Sessions that have measured at least one reply.
    pub fn sessions(&self) -> &BTreeSet<u16> {
        &self.sessions
    }

    /// Verdicts that were given at least once.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> + '_ {
        Verdict::ALL
            .iter()
            .copied()
            .filter(|verdict| self.counted[*verdict as usize] > 0)
    }
}

fn broken(error: anyhow::Error) -> String {
    format!("{error:#}")
}
