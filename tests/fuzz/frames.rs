//! What is done with libFuzzer's inputs: each is tried, the first that is treated wrongly is kept and told.

use std::{
    io::Write as _,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use failover_tests::fuzz::{
    Trial,
    mutate::mutate,
    repair::{Repair, repair},
    report, seeds,
    trial::Finding,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use crate::driver::Target;

/// Exit code after a finding.
const FOUND: u8 = 1;
/// Exit code after Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;
/// Time between two lines that tell how far it is.
const EVERY: Duration = Duration::from_secs(10);

/// Somebody asked for an early end.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Inputs of one run.
pub(crate) struct Frames {
    trial: Trial,
    seeds: Vec<Vec<u8>>,
    findings: PathBuf,
    started: Instant,
    told: Instant,
    found: bool,
}

impl Frames {
    pub(crate) fn new(trial: Trial, findings: &Path) -> Self {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: the handler stores to an atomic and does nothing else.
            unsafe { libc::signal(signal, ask as *const () as libc::sighandler_t) };
        }

        Self {
            trial,
            seeds: seeds::inputs(),
            findings: findings.to_owned(),
            started: Instant::now(),
            told: Instant::now(),
            found: false,
        }
    }

    /// How far it is.
    fn progress(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64();

        format!(
            "{} frames in {seconds:.0} s, {:.0} a second",
            self.trial.frames(),
            self.trial.frames() as f64 / seconds
        )
    }
}

extern "C" fn ask(_signal: libc::c_int) {
    ASKED.store(true, Ordering::SeqCst);
}

impl Target for Frames {
    fn one(&mut self, input: &[u8]) -> ControlFlow<u8> {
        if let Err(finding) = self.trial.input(input) {
            self.found = true;
            tell(&finding);
            say(&report::keep(&self.findings, input));

            return ControlFlow::Break(FOUND);
        }

        if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            eprintln!("{}", self.progress());
        }

        if ASKED.load(Ordering::SeqCst) {
            ControlFlow::Break(INTERRUPTED)
        } else {
            ControlFlow::Continue(())
        }
    }

    fn end(self: Box<Self>) {
        say(&self.progress());

        if !self.found {
            for line in self.trial.summary() {
                say(&line);
            }
        }
    }

    fn mutate(&mut self, input: &mut Vec<u8>, seed: u32) {
        let mut random = StdRng::seed_from_u64(seed.into());

        // What reaches something new on the host is mostly nobody's business: half of the time it begins with a valid frame.
        if let Some(valid) = self.seeds.choose(&mut random).filter(|_| random.random()) {
            input.clone_from(valid);
        }

        mutate(&mut random, input);
        repair(input, Repair::of(seed));
    }

    fn repair(&mut self, input: &mut [u8], seed: u32) {
        repair(input, Repair::of(seed));
    }
}

/// Tries one input, and tells what becomes of it; `false`: it is treated wrongly.
pub(crate) fn replay(trial: &mut Trial, input: &[u8]) -> bool {
    if let Err(finding) = trial.input(input) {
        tell(&finding);

        return false;
    }

    for line in report::input(input) {
        say(&line);
    }

    for line in trial.fates() {
        say(&line);
    }

    let verdicts: Vec<_> = trial.verdicts().map(|verdict| verdict.name()).collect();

    say(&format!(
        "as it should be; counted: {}",
        verdicts.join(", ")
    ));

    true
}

fn tell(finding: &Finding) {
    say(&finding.report);
}

/// A line of the result.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe is the reader's choice, and no finding.
    let _closed = writeln!(out, "{line}").and_then(|()| out.flush());
}
