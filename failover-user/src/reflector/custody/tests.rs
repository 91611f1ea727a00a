//! Custody on a virtual clock, with another host that answers or not.

use super::*;

const MS: Now = 1_000_000;
const PEER: Mac = [2, 0, 0, 0, 0, 9];

fn ip() -> IpAddr {
    "10.0.0.10".parse().unwrap()
}

/// One address, and a network.
struct Bench {
    custody: Custody,
    now: Now,
    /// Another host that answers probes.
    peer: bool,
    /// No probe leaves this host.
    mute: bool,
    heard: Heard,
    /// What was done, and when, milliseconds from the start.
    done: Vec<(Now, Act)>,
    begun: Now,
}

impl Bench {
    fn new(found: Option<u32>, cautious: bool, peer: bool) -> Self {
        let mut custody = Custody::default();
        custody.add(ip(), found, cautious, true);
        Self {
            custody,
            now: 1000 * MS,
            peer,
            mute: false,
            heard: Heard::default(),
            done: Vec::new(),
            begun: 1000 * MS,
        }
    }

    /// A host whose address nobody else has, and that has found that out.
    fn settled() -> Self {
        let mut bench = Self::new(Some(0), true, false);
        bench.pass(1000);
        bench.start_counting();
        bench
    }

    /// A host whose address the peer has.
    fn elsewhere() -> Self {
        let mut bench = Self::new(None, true, true);
        bench.pass(1000);
        bench.start_counting();
        bench
    }

    fn start_counting(&mut self) {
        self.begun = self.now;
        self.done.clear();
    }

    fn note(&mut self, acts: Vec<Act>) {
        for act in acts {
            if matches!(act, Act::Probe(_)) && self.mute {
                self.custody.not_sent(ip());
            } else if matches!(act, Act::Probe(_)) && self.peer {
                self.claim(PEER);
            }
            self.done.push(((self.now - self.begun) / MS, act));
        }
    }

    fn claim(&mut self, by: Mac) {
        self.heard.claimed_ns = self.now + 1;
        self.heard.claimed_by = by;
    }

    fn pass(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds * MS;
        while let Some(due) = self.custody.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let heard = self.heard;
            let acts = self.custody.on_clock(self.now, |_| heard);
            self.note(acts);
        }
        self.now = end;
    }

    fn standing(&self) -> Standing {
        self.custody.standings().next().unwrap().1
    }

    /// When what was done, without probes.
    fn deeds(&self) -> Vec<(Now, Act)> {
        let deeds = self.done.iter().copied();
        deeds
            .filter(|(_, act)| !matches!(act, Act::Probe(_)))
            .collect()
    }

    fn probes(&self) -> Vec<Now> {
        let probes = self.done.iter();
        probes
            .filter(|(_, act)| matches!(act, Act::Probe(_)))
            .map(|(at, _)| *at)
            .collect()
    }
}

/// RFC 5227 2.3.
#[test]
fn after_a_boot_nobody_answers_and_the_address_is_taken_up_and_announced() {
    let mut bench = Bench::new(None, true, false);

    bench.pass(6000);

    assert_eq!(bench.probes(), [0, 100, 200]);
    let wanted = [
        (300, Act::Write(ip(), 0)),
        (300, Act::Announce(ip())),
        (300, Act::Tell(ip(), Standing::Ours)),
        (1400, Act::Announce(ip())),
        (2500, Act::Announce(ip())),
        (5300, Act::Announce(ip())),
    ];
    assert_eq!(bench.deeds(), wanted);
}

/// RFC 5227 2.1.1.
#[test]
fn after_a_boot_the_one_who_answers_keeps_the_address() {
    let mut bench = Bench::new(None, true, true);

    bench.pass(50);
    let before = bench.standing();
    bench.pass(950);

    assert_eq!(before, Standing::Asking { withheld: true });
    let elsewhere = Standing::Elsewhere { by: PEER };
    let wanted = [
        (100, Act::Write(ip(), identity::HELD_ELSEWHERE)),
        (100, Act::Tell(ip(), elsewhere)),
    ];
    assert_eq!(bench.deeds(), wanted);
    assert_eq!(bench.standing(), elsewhere);
}

#[test]
fn a_plain_restart_uses_what_was_used_while_it_asks() {
    let mut bench = Bench::new(Some(0), true, false);
    let before = bench.standing();

    bench.pass(6000);

    assert_eq!(before, Standing::Asking { withheld: false });
    assert_eq!(bench.deeds(), []);
    assert_eq!(bench.standing(), Standing::Ours);
}

#[test]
fn a_plain_restart_goes_on_keeping_off_what_another_host_had() {
    let bench = Bench::new(Some(identity::HELD_ELSEWHERE), true, true);

    assert_eq!(bench.standing(), Standing::Asking { withheld: true });
}

#[test]
fn a_restart_that_finds_another_host_gives_way_once_it_is_sure() {
    let mut bench = Bench::new(Some(0), true, true);

    bench.pass(1000);

    let elsewhere = Standing::Elsewhere { by: PEER };
    let wanted = [
        (200, Act::Write(ip(), identity::HELD_ELSEWHERE)),
        (200, Act::Tell(ip(), elsewhere)),
    ];
    assert_eq!(bench.deeds(), wanted);
}

#[test]
fn a_claim_in_passing_is_looked_into_and_changes_nothing() {
    let mut bench = Bench::settled();

    bench.claim(PEER);
    bench.pass(2000);

    assert_eq!(bench.probes().len(), 3);
    assert_eq!(bench.deeds(), []);
    assert_eq!(bench.standing(), Standing::Ours);
}

#[test]
fn a_claim_that_is_repeated_when_asked_for_is_given_way_to() {
    let mut bench = Bench::settled();
    bench.peer = true;

    bench.claim(PEER);
    bench.pass(400);

    assert_eq!(bench.standing(), Standing::Elsewhere { by: PEER });
}

#[test]
fn an_old_claim_is_no_claim() {
    let mut bench = Bench::new(Some(0), true, false);
    bench.heard = Heard {
        claimed_ns: 1,
        claimed_by: PEER,
        ..Heard::default()
    };

    bench.pass(5000);

    assert_eq!(bench.probes(), [0, 100, 200]);
}

#[test]
fn while_another_host_has_it_it_is_asked_for_every_second() {
    let mut bench = Bench::elsewhere();

    bench.pass(5000);

    assert_eq!(bench.deeds(), []);
    let gaps: Vec<_> = bench
        .probes()
        .windows(2)
        .map(|two| two[1] - two[0])
        .collect();
    assert!(bench.probes().len() >= 4, "{:?}", bench.probes());
    assert!(
        gaps.iter().all(|gap| (1000..=1100).contains(gap)),
        "{gaps:?}"
    );
}

#[test]
fn an_address_that_was_let_go_is_ours_within_one_and_a_half_seconds() {
    let mut bench = Bench::elsewhere();

    bench.peer = false;
    bench.pass(1500);

    let deeds = bench.deeds();
    let acts: Vec<_> = deeds.iter().take(3).map(|(_, act)| *act).collect();
    let wanted = [
        Act::Write(ip(), 0),
        Act::Announce(ip()),
        Act::Tell(ip(), Standing::Ours),
    ];
    assert_eq!(acts, wanted);
    assert!(deeds[0].0 <= 1400, "{deeds:?}");
}

#[test]
fn what_another_host_lets_go_while_it_is_asked_for_is_announced_for_whoever_waits_for_that() {
    let mut bench = Bench::new(Some(0), true, true);
    bench.pass(50);

    bench.peer = false;
    bench.pass(1000);

    assert_eq!(bench.deeds(), [(300, Act::Announce(ip()))]);
    assert_eq!(bench.standing(), Standing::Ours);
}

#[test]
fn one_answer_in_between_begins_the_count_anew() {
    let mut bench = Bench::elsewhere();
    bench.peer = false;
    while bench.probes().len() < 2 {
        bench.pass(10);
    }

    bench.peer = true;
    bench.pass(500);

    assert_eq!(bench.standing(), Standing::Elsewhere { by: PEER });
    assert_eq!(bench.deeds(), []);
}

#[test]
fn another_host_in_the_place_of_the_first_is_told() {
    let mut bench = Bench::elsewhere();
    let other = [2, 0, 0, 0, 0, 8];
    bench.peer = false;
    while bench.probes().is_empty() {
        bench.pass(10);
    }

    bench.claim(other);
    bench.pass(200);

    assert_eq!(bench.standing(), Standing::Elsewhere { by: other });
    assert_eq!(bench.deeds().len(), 1);
}

#[test]
fn a_dead_link_withholds_at_once_and_asks_when_it_is_back() {
    let mut bench = Bench::settled();

    let acts = bench.custody.set_link(ip(), false);
    bench.note(acts);
    bench.pass(10_000);
    let while_dead = bench.done.clone();
    let acts = bench.custody.set_link(ip(), true);
    bench.note(acts);
    bench.peer = true;
    bench.pass(300);

    let asking = Standing::Asking { withheld: true };
    let wanted = [
        (0, Act::Write(ip(), identity::UNPROVEN)),
        (0, Act::Tell(ip(), asking)),
    ];
    assert_eq!(while_dead, wanted);
    assert_eq!(bench.standing(), Standing::Elsewhere { by: PEER });
}

#[test]
fn without_self_fence_a_dead_link_leads_to_a_question_only() {
    let mut bench = Bench::new(None, false, false);
    bench.pass(1000);
    bench.start_counting();

    bench.custody.set_link(ip(), false);
    let acts = bench.custody.set_link(ip(), true);
    bench.note(acts);
    bench.pass(1000);

    assert_eq!(bench.deeds(), []);
    assert_eq!(bench.probes(), [0, 100, 200]);
}

#[test]
fn a_host_that_was_not_well_asks_before_it_uses_its_addresses() {
    let mut bench = Bench::settled();

    bench.custody.pause(true);
    bench.pass(5000);
    let while_ill = bench.done.len();
    let acts = bench.custody.pause(false);
    bench.note(acts);
    bench.pass(1000);

    assert_eq!(while_ill, 0);
    let acts: Vec<_> = bench.deeds().iter().map(|(_, act)| *act).collect();
    let wanted = [
        Act::Write(ip(), identity::UNPROVEN),
        Act::Tell(ip(), Standing::Asking { withheld: true }),
        Act::Write(ip(), 0),
        Act::Announce(ip()),
        Act::Tell(ip(), Standing::Ours),
    ];
    assert_eq!(acts, wanted);
}

#[test]
fn doubt_does_not_free_what_another_host_has() {
    let mut bench = Bench::elsewhere();

    let acts = bench.custody.doubt();
    bench.note(acts);
    bench.pass(2000);

    assert_eq!(bench.deeds(), []);
    assert_eq!(bench.standing(), Standing::Elsewhere { by: PEER });
}

#[test]
fn who_could_not_ask_has_found_out_nothing() {
    for (found, cautious) in [(None, true), (Some(identity::HELD_ELSEWHERE), false)] {
        let mut bench = Bench::new(found, cautious, true);
        bench.mute = true;

        bench.pass(5000);
        let mute = (bench.standing(), bench.deeds());
        let tried = bench.probes();
        bench.mute = false;
        bench.peer = false;
        bench.start_counting();
        bench.pass(1000);

        assert_eq!(mute, (Standing::Asking { withheld: true }, vec![]));
        assert_eq!(tried.len(), 51, "tried again every 100 ms");
        assert_eq!(bench.standing(), Standing::Ours);
        assert_eq!(bench.probes().len(), 3);
    }
}

#[test]
fn an_address_that_another_host_has_stays_there_while_nobody_can_be_asked() {
    let mut bench = Bench::elsewhere();

    bench.peer = false;
    bench.mute = true;
    bench.pass(10_000);

    assert_eq!(bench.standing(), Standing::Elsewhere { by: PEER });
    assert_eq!(bench.deeds(), []);
}

#[test]
fn a_probe_that_is_sent_late_takes_its_own_place_in_the_round() {
    let mut bench = Bench::new(None, true, false);
    bench.pass(150);
    bench.mute = true;
    bench.pass(100);
    bench.mute = false;

    bench.pass(1000);

    // At 200 it could not be sent.
    assert_eq!(bench.probes(), [0, 100, 200, 300]);
    assert_eq!(bench.deeds()[0], (400, Act::Write(ip(), 0)));
}
