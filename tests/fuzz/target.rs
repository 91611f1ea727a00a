//! One frame: through the parsers on the host, which must not panic, and through the program in the kernel, which has to do
//! what the oracle says.

use std::{collections::BTreeMap, io::Write as _};

use failover_ebpf::{
    abi::{Settings, settings},
    classify, link, nd,
    verdict::{Action, Verdict},
    wire::{eth::ethertype, ipv4::Ipv4, ipv6::Ipv6},
};
use failover_tests::oracle::Fate;

use crate::{
    driver::Target,
    fixture::{Fixture, SBFD_PORT, SESSIONS},
};

/// Where the frame begins in an input; what is before says by which NIC it comes in.
pub(crate) const FRAME_AT: usize = 1;
/// NICs that run the program.
const MANAGED: usize = 2;
/// The shortest frame that `BPF_PROG_TEST_RUN` takes: no driver hands over less.
const SHORTEST: usize = 14;
/// Frames between two looks at the counters, which cost system calls.
const BATCH: u64 = 4096;

/// The target, and what it has seen.
pub(crate) struct Frames {
    fixture: Fixture,
    output: Vec<u8>,
    sequence: u16,
    /// Replies to `sequence` that were measured, by session.
    answered: [bool; SESSIONS.len()],
    frames: u64,
    fates: BTreeMap<&'static str, u64>,
    actions: BTreeMap<u32, u64>,
    counters: Vec<u64>,
}

impl Frames {
    pub(crate) fn boxed(fixture: Fixture) -> Box<dyn Target> {
        let counters = fixture.counters();

        Box::new(Self {
            fixture,
            output: Vec::new(),
            sequence: 0,
            answered: [true; SESSIONS.len()],
            frames: 0,
            fates: BTreeMap::new(),
            actions: BTreeMap::new(),
            counters,
        })
    }

    /// Makes the next requests, so that there is something to answer.
    fn send(&mut self) {
        if self.answered.iter().any(|answered| *answered) {
            self.sequence = self.sequence.wrapping_add(1);
            self.fixture.send(self.sequence);
            self.answered = [false; SESSIONS.len()];
        }
    }

    /// Replies that each session has measured.
    fn received(&self) -> [u64; SESSIONS.len()] {
        SESSIONS.map(|(number, ..)| self.fixture.received(number))
    }

    /// Every frame has exactly one verdict, whose action is what was done.
    fn count(&mut self) {
        let now = self.fixture.counters();
        let mut by_action: BTreeMap<u32, u64> = BTreeMap::new();

        for (index, (now, before)) in now.iter().zip(&self.counters).enumerate() {
            let Some(verdict) = Verdict::ALL.get(index) else {
                assert_eq!(now, before, "counter {index} belongs to no verdict");
                continue;
            };

            if now != before {
                *by_action.entry(number(verdict.action())).or_default() += now - before;
            }
        }

        assert_eq!(by_action, self.actions, "counters and actions");
        self.counters = now;
        self.actions.clear();
    }
}

impl Target for Frames {
    fn one(&mut self, input: &[u8]) {
        let Some((selector, frame)) = input.split_first() else {
            return;
        };

        parse(frame);

        if frame.len() < SHORTEST {
            return;
        }

        self.send();

        let ingress = self.fixture.nics[usize::from(*selector) % MANAGED].index();
        let fate = self.fixture.oracle.fate(ingress, frame);
        let before = self.received();
        let returned = self.fixture.run(ingress, frame, &mut self.output);
        let after = self.received();
        let what = || format!("NIC {ingress}, frame {frame:02x?}\nfate {fate:02x?}");

        *self.actions.entry(returned).or_default() += 1;
        *self.fates.entry(name(&fate)).or_default() += 1;
        self.frames += 1;

        if let Err(wrong) = judge(&fate, frame, returned, &self.output) {
            panic!(
                "{wrong}: returned {returned}, output {:02x?}\n{}",
                self.output,
                what()
            );
        }

        for (n, (number, ..)) in SESSIONS.into_iter().enumerate() {
            let fresh = fate == Fate::Measured(number, self.sequence) && !self.answered[n];
            let risen = after[n] - before[n];

            match &fate {
                Fate::Measured(session, _) if *session == number => {
                    // An earlier sequence may be unanswered still.
                    assert!(risen <= 1 && (risen == 1 || !fresh), "{}", what());
                }
                Fate::Passed
                | Fate::Refused
                | Fate::Kept
                | Fate::Measured(..)
                | Fate::Answered(_)
                | Fate::Redirected(_)
                | Fate::Routed(_) => {
                    assert_eq!(risen, 0, "measured for session {number}: {}", what());
                }
            }

            self.answered[n] |= fresh;
        }

        if self.frames.is_multiple_of(BATCH) {
            self.count();
        }
    }

    fn end(&self) {
        say(&format!(
            "{} frames through parsers and program",
            self.frames
        ));

        for (fate, count) in &self.fates {
            say(&format!("  {count:>10}  {fate}"));
        }
    }
}

/// A line of the result.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe is the reader's choice, and no finding.
    let _closed = writeln!(out, "{line}");
}

/// What is wrong with what became of a frame.
fn judge(fate: &Fate, frame: &[u8], returned: u32, output: &[u8]) -> Result<(), &'static str> {
    const DROP: u32 = 1;
    const PASS: u32 = 2;
    const TX: u32 = 3;
    const REDIRECT: u32 = 4;

    let kept = matches!(returned, DROP | PASS);

    if kept && output != frame {
        return Err("a frame that stays here was changed");
    }

    let right = match fate {
        Fate::Passed => returned == PASS,
        Fate::Refused | Fate::Measured(..) => returned == DROP,
        Fate::Kept => kept,
        // Too fast for the reflector.
        Fate::Answered(_) if returned == DROP && is_request(frame) => true,
        Fate::Answered(answer) => returned == TX && output == answer,
        Fate::Redirected(sent) => returned == REDIRECT && output == sent,
        Fate::Routed(sent) => {
            returned == PASS || (returned == REDIRECT && output[12..] == sent[12..])
        }
    };

    if right { Ok(()) } else { Err("wrong") }
}

fn is_request(frame: &[u8]) -> bool {
    frame.windows(2).any(|port| port == 7784u16.to_be_bytes())
}

fn name(fate: &Fate) -> &'static str {
    match fate {
        Fate::Passed => "passed: none of our business",
        Fate::Refused => "refused",
        Fate::Kept => "passed or refused, and not answered",
        Fate::Measured(..) => "measured: a reply to one of our requests",
        Fate::Answered(_) => "answered",
        Fate::Redirected(_) => "redirected",
        Fate::Routed(_) => "routed by the kernel's tables",
    }
}

fn number(action: Action) -> u32 {
    match action {
        Action::Drop => 1,
        Action::Pass => 2,
        Action::Transmit => 3,
        Action::Redirect => 4,
    }
}

/// The program's own parsers on the host: the frame must not make them panic, and what they reach guides libFuzzer.
fn parse(frame: &[u8]) {
    let own = Settings {
        flags: settings::CONFIGURED | settings::REFLECT,
        sbfd_source_port: SBFD_PORT.into(),
        min_rx_us: 1,
        ..Settings::default()
    };

    let Ok((link, kind)) = link::read(frame) else {
        return;
    };
    let l3 = usize::from(link.l3);

    match kind {
        ethertype::IPV4 => {
            if let Some(octets) = frame.get(l3..).and_then(<[u8]>::first_chunk) {
                let _kind = std::hint::black_box(classify::ipv4(&Ipv4(*octets), frame, l3, &own));
            }
        }
        ethertype::IPV6 => {
            let Some(octets) = frame.get(l3..).and_then(<[u8]>::first_chunk::<40>) else {
                return;
            };
            let part = |at: usize| std::array::from_fn(|n| octets[at + n]);
            let ip = Ipv6 {
                head: std::array::from_fn(|n| octets[n]),
                src: part(8),
                dst: part(24),
            };
            let _kind = std::hint::black_box(classify::ipv6(&ip, frame, l3, &own));
            let _checked = std::hint::black_box(nd::check(&ip, frame, l3));
        }
        _ => {}
    }
}
