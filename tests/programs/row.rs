//! One line of a table: a frame, and everything that has to become of it.

use failover_ebpf::{
    abi::Tags,
    verdict::{Action, Verdict},
};
use failover_tests::frames::with_vlans;

use crate::{
    harness::{Bench, bench},
    scene::Port,
};

/// What comes in and what has to come out.
#[derive(Clone)]
pub(crate) struct Row {
    /// What this is about.
    pub(crate) name: String,
    /// What is special about the host, on top of [`crate::scene::own_settings`] and its sessions.
    setup: fn(&mut Bench),
    /// VLANs that held addresses and sessions are in.
    tags: Tags,
    /// The frame.
    pub(crate) frame: Vec<u8>,
    /// The NIC that it comes in by.
    pub(crate) ingress: Port,
    /// What the program has to return.
    pub(crate) action: Action,
    /// The frame afterwards.
    pub(crate) output: Vec<u8>,
    /// The only counter that may rise, by one.
    pub(crate) verdict: Verdict,
    /// Whether it is traffic of the held address.
    pub(crate) traffic: bool,
}

impl Row {
    /// A frame that passes untouched.
    pub(crate) fn pass(name: &'static str, frame: Vec<u8>, verdict: Verdict) -> Self {
        let output = frame.clone();

        Self::new(name, frame, Action::Pass, verdict, output)
    }

    /// A frame that is dropped.
    pub(crate) fn drop(name: &'static str, frame: Vec<u8>, verdict: Verdict) -> Self {
        let output = frame.clone();

        Self::new(name, frame, Action::Drop, verdict, output)
    }

    /// A frame that goes back out of the NIC that it came in by.
    pub(crate) fn transmit(
        name: &'static str,
        frame: Vec<u8>,
        verdict: Verdict,
        output: Vec<u8>,
    ) -> Self {
        Self::new(name, frame, Action::Transmit, verdict, output)
    }

    /// A frame that leaves by another NIC.
    pub(crate) fn redirect(
        name: &'static str,
        frame: Vec<u8>,
        verdict: Verdict,
        output: Vec<u8>,
    ) -> Self {
        Self::new(name, frame, Action::Redirect, verdict, output)
    }

    /// Comes in by another NIC than the chosen one.
    pub(crate) fn on(self, ingress: Port) -> Self {
        Self { ingress, ..self }
    }

    /// Comes to a host with something special about it.
    pub(crate) fn given(self, setup: fn(&mut Bench)) -> Self {
        Self { setup, ..self }
    }

    /// The same with another frame, which is left as it is.
    pub(crate) fn with_frame(self, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        let frame = change(&self.frame);

        Self {
            output: frame.clone(),
            frame,
            ..self
        }
    }

    /// The same under another name.
    pub(crate) fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// Counts as traffic of the held address.
    pub(crate) fn counted(self) -> Self {
        Self {
            traffic: true,
            ..self
        }
    }

    fn new(
        name: &'static str,
        frame: Vec<u8>,
        action: Action,
        verdict: Verdict,
        output: Vec<u8>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            setup: |_| {},
            tags: [0; 2],
            frame,
            ingress: Port::Chosen,
            action,
            output,
            verdict,
            traffic: false,
        }
    }

    /// The same in VLANs, for a host whose addresses and sessions are there.
    ///
    /// Everything that comes out keeps its tags, except what is forwarded.
    pub(crate) fn tagged(&self, tags: Tags) -> Self {
        let ids: Vec<u16> = tags.into_iter().filter(|tag| *tag > 0).collect();

        Self {
            name: format!("VLANs {ids:?}: {}", self.name),
            tags,
            frame: with_vlans(&self.frame, &ids),
            output: if self.verdict == Verdict::Forwarded {
                self.output.clone()
            } else {
                with_vlans(&self.output, &ids)
            },
            ..self.clone()
        }
    }

    /// Makes the host what it has to be.
    pub(crate) fn prepare(&self, bench: &mut Bench) {
        bench.reset();
        (self.setup)(bench);
        if self.tags != [0; 2] {
            bench.tag(self.tags);
        }
    }

    /// What is wrong, if anything.
    fn complaint(&self, bench: &mut Bench, also: fn(&mut Bench)) -> Option<String> {
        self.prepare(bench);
        also(bench);

        let before = bench.tally();
        let outcome = bench.run(self.ingress, &self.frame);
        let risen = bench.tally().since(&before);
        let traffic = u64::from(self.traffic);
        let wanted_traffic = (traffic, traffic * self.frame.len() as u64);

        if risen.verdicts != [(self.verdict.name(), 1)] {
            return Some(format!(
                "counted {:?}, not {}",
                risen.verdicts,
                self.verdict.name()
            ));
        }
        if outcome.action != Some(self.action) {
            return Some(format!("{:?}, not {:?}", outcome.action, self.action));
        }
        if outcome.output != self.output {
            return Some(format!(
                "\n   got {}\n  want {}",
                hex(&outcome.output),
                hex(&self.output)
            ));
        }
        if risen.traffic != wanted_traffic {
            return Some(format!(
                "traffic {:?}, not {wanted_traffic:?}",
                risen.traffic
            ));
        }

        None
    }
}

/// Runs a table and complains of every row that is wrong.
#[track_caller]
pub(crate) fn check(rows: &[Row]) {
    check_with(rows, |_| {});
}

/// The same with something special about every host.
#[track_caller]
pub(crate) fn check_with(rows: &[Row], also: fn(&mut Bench)) {
    let complaints = bench(|bench| {
        let complaint = |row: &Row| Some(format!("{}: {}", row.name, row.complaint(bench, also)?));

        rows.iter().filter_map(complaint).collect::<Vec<_>>()
    });

    assert!(
        complaints.is_empty(),
        "{} of {} rows:\n{}",
        complaints.len(),
        rows.len(),
        complaints.join("\n")
    );
}

/// Octets in groups of two, with a mark between the headers of a UDP frame.
fn hex(frame: &[u8]) -> String {
    const HEADERS: [usize; 3] = [14, 34, 42];

    let mut text = String::new();

    for (position, octet) in frame.iter().enumerate() {
        if HEADERS.contains(&position) {
            text.push_str(" |");
        }
        if position % 2 == 0 {
            text.push(' ');
        }
        text.push_str(&format!("{octet:02x}"));
    }

    text
}
