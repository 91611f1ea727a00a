//! Who else is asked when a source falls silent: its addresses by ARP, and the witnesses of our own link.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{Asked, Due, Heartbeats};
use crate::{
    monitor::{
        PROBE_WAIT, Probe, Report, WitnessWatch, clock,
        judge::{OwnLink, Testimony},
        nics::Nics,
        witness::{self, Witness},
    },
    policy::UnitId,
};

/// Our own link, as it is judged.
pub(super) struct Link<'a> {
    pub(super) nic: u32,
    pub(super) nics: &'a Nics,
    pub(super) witnesses: &'a BTreeMap<usize, Witness>,
}

impl OwnLink for Link<'_> {
    fn has_carrier(&self) -> bool {
        self.nics.has_carrier(self.nic)
    }

    /// One witness that answers is enough.
    fn testimony(&self) -> Option<Testimony> {
        let of_nic = self
            .witnesses
            .values()
            .filter(|witness| witness.nic == self.nic);
        of_nic
            .map(|witness| witness.answers.testimony())
            .reduce(either)
    }
}

fn either(one: Testimony, other: Testimony) -> Testimony {
    let since = [one.unbroken_since_ns, other.unbroken_since_ns];
    Testimony {
        asked_ns: one.asked_ns.max(other.asked_ns),
        unbroken_since_ns: since.into_iter().filter(|at| *at != 0).min().unwrap_or(0),
    }
}

impl Heartbeats {
    /// Asks for a unit's addresses at its first miss, unless that was done just now: then what is heard since counts.
    ///
    /// Whoever has them has until the verdict to answer. Where the first miss is the verdict (`misses = 1`) that is no time
    /// at all: only a rival that has probed before is heard of.
    pub(super) fn ask_around(&mut self, unit: UnitId) {
        let now = clock::now();
        let known = self.units.get(&unit);
        if known.is_some_and(|known| known.standing.is_to_be_asked_for(now)) {
            self.send_probes(unit, now, |probe| &probe.frame);
        }
    }

    /// [`crate::monitor::Monitor::probe`].
    pub(super) fn probe(&mut self, unit: UnitId) {
        let sent_ns = clock::now();
        self.send_probes(unit, sent_ns, |probe| &probe.question);
        self.due.push(Reverse((
            sent_ns + PROBE_WAIT.as_nanos() as u64,
            Due::Finding { unit, sent_ns },
        )));
    }

    pub(super) fn finding_is_due(&mut self, unit: UnitId, sent_ns: u64) {
        let finding = self.heard_since(unit, sent_ns);
        if let Some(known) = self.units.get_mut(&unit) {
            known.standing.hear(&finding);
        }
        self.report(Report::Heard { unit, finding });
    }

    fn send_probes(&mut self, unit: UnitId, now: u64, frame: impl Fn(&Probe) -> &[u8]) {
        let Some(known) = self.units.get_mut(&unit) else {
            return;
        };
        known.standing.asked_for(now);
        let Some(plan) = &known.plan else { return };
        for probes in plan.probes.chunk_by(|one, next| one.nic == next.nic) {
            let frames = probes.iter().map(&frame);
            if let (_, Some(error)) = self.means.nics.send_batch(probes[0].nic, frames) {
                tracing::debug!(nic = probes[0].nic, %error, "the source's addresses were not asked for");
            }
        }
    }

    pub(super) fn watch_witness(&mut self, watch: WitnessWatch) {
        let index = watch.index;
        if let Some(witness) = self.witnesses.get_mut(&index) {
            witness.update(watch, &self.shared);
            return;
        }
        let witness = Witness::new(watch, &self.shared, clock::now());
        self.due
            .push(Reverse((witness.due_ns, Due::Witness(index))));
        self.witnesses.insert(index, witness);
        self.outgoing
            .reserve(self.sessions.len() + self.witnesses.len());
    }

    pub(super) fn witness_is_due(&mut self, index: usize, due_ns: u64) {
        let Some(witness) = self.witnesses.get(&index) else {
            return;
        };
        if witness.due_ns != due_ns {
            return;
        }
        let nic = witness.nic;
        self.look_at_witnesses(nic);
        let pace_ns = self.witness_pace_ns(nic);
        let Some(witness) = self.witnesses.get_mut(&index) else {
            return;
        };
        let now = clock::now();
        if witness.next_request(&self.shared, now) {
            self.outgoing.push((nic, Asked::Witness(index)));
        }
        witness.due_ns = now + pace_ns;
        self.due
            .push(Reverse((witness.due_ns, Due::Witness(index))));
    }

    /// Takes note of what the witnesses of a NIC have answered.
    pub(super) fn look_at_witnesses(&mut self, nic: u32) {
        if self.witnesses.is_empty() {
            return;
        }
        let pace_ns = self.witness_pace_ns(nic);
        let now = clock::now();
        for (index, witness) in &mut self.witnesses {
            if witness.nic == nic
                && let Some(answers) = witness.look(&self.shared, &self.board, pace_ns, now)
            {
                // The daemon goes away only together with the process.
                let _ = self.reports.send(Report::Witness {
                    index: *index,
                    answers,
                });
            }
        }
    }

    /// The state of a path that leaves by a NIC has changed: its witnesses may have to be asked sooner.
    pub(super) fn hurry_witnesses(&mut self, nic: u32) {
        if self.witnesses.is_empty() {
            return;
        }
        let pace_ns = self.witness_pace_ns(nic);
        let now = clock::now();
        for (index, witness) in &mut self.witnesses {
            if witness.nic == nic && witness.hurry(pace_ns, now) {
                self.due
                    .push(Reverse((witness.due_ns, Due::Witness(*index))));
            }
        }
    }

    fn witness_pace_ns(&mut self, nic: u32) -> u64 {
        let paths = self.sessions.of_nic(nic);
        let shared = &self.shared;
        self.paces.of(nic, || {
            witness::pace_ns(paths.map(|session| (session.state(), session.pace_ns(shared))))
        })
    }

    /// A path has changed: its NIC's witnesses may have to be asked sooner in this very tick.
    pub(super) fn note_pace(&mut self, index: usize) {
        let session = &self.sessions[index];
        let of_path = (session.state(), session.pace_ns(&self.shared));
        let pace_ns = witness::pace_ns(std::iter::once(of_path));
        self.paces.hurry(session.nic, pace_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_witnesses_one_that_answers_is_enough() {
        let says = |asked_ns, unbroken_since_ns| Testimony {
            asked_ns,
            unbroken_since_ns,
        };

        assert_eq!(either(says(5, 3), says(0, 0)), says(5, 3));
        assert_eq!(either(says(5, 0), says(9, 7)), says(9, 7));
        assert_eq!(either(says(5, 3), says(9, 2)), says(9, 2));
        assert_eq!(either(says(0, 0), says(0, 0)), says(0, 0));
    }
}
