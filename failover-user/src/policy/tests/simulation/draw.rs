//! What a seed decides before anything happens: configurations, and what goes wrong when.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};

use super::network::{HOSTS, Host, LANS, MS, SECOND};
use crate::{
    config::{Failback, L2Alive, OnConflict, OnError, OnFailure, Source, Trigger},
    policy::{Command, Now, tests::bench::source},
};

/// One history, before it happens.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    pub(super) seed: u64,
    /// LANs in use.
    pub(super) lans: usize,
    /// The source runs our daemon, which looks after its addresses.
    pub(super) careful: bool,
    /// Of the two targets another one has the lower MAC on every other LAN.
    pub(super) crossed: bool,
    pub(super) targets: Vec<Standby>,
    pub(super) troubles: Vec<Trouble>,
}

/// A target.
#[derive(Clone, Debug)]
pub(super) struct Standby {
    pub(super) source: Source,
    /// Last octet of its MACs, on the LANs where they are not crossed.
    pub(super) octet: u8,
    /// It has a witness on each NIC.
    pub(super) witness: bool,
    /// Its takeovers are carried out by the worker.
    pub(super) long: bool,
    /// How long its hooks take.
    pub(super) hook_takes: Now,
    /// Its `before_` hooks fail, of a hundred.
    pub(super) hooks_fail: u32,
}

/// Something goes wrong, or somebody wants something.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) at: Now,
    /// How long it lasts.
    pub(super) lasts: Now,
    pub(super) what: What,
}

/// Between which steps a daemon is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// It has decided, and nothing of that is done or remembered.
    Decided,
    /// Taken, and not announced.
    Taken,
    /// Turned round, not removed.
    Drained,
    /// Removed, not forgotten.
    Removed,
    /// Forgotten, not told.
    Forgotten,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// The source loses its power.
    Dies,
    /// The source stands still, and goes on where it was.
    Freezes,
    /// The source answers no heartbeats, and is well.
    Mute,
    /// The source's own administrator has put it on hold: it answers heartbeats with AdminDown.
    OnHold,
    Unplugged {
        lan: usize,
        host: Host,
    },
    /// A cable that comes and goes, so many times.
    Flaps {
        lan: usize,
        host: Host,
        times: u64,
    },
    Cut {
        lan: usize,
        host: Host,
        way: usize,
    },
    Split {
        lan: usize,
        sides: [bool; HOSTS.len()],
    },
    Lossy {
        lan: usize,
        host: Host,
        way: usize,
        loss: u32,
    },
    Late {
        lan: usize,
        host: Host,
        way: usize,
        delay: Now,
    },
    /// The daemon ends, by `kill -9` or SIGTERM, and starts again.
    Killed {
        target: usize,
        gently: bool,
    },
    /// It ends between two steps.
    KilledAt {
        target: usize,
        point: Point,
    },
    /// The heartbeat thread does not run.
    Stalled {
        target: usize,
    },
    /// The daemon's loop is slow.
    Busy {
        target: usize,
    },
    Says {
        target: usize,
        command: Command,
    },
}

/// Last octets of the MACs of targets.
pub(super) const OCTETS: [u8; 2] = [4, 5];

/// Trouble begins and ends between these.
const FIRST: Now = 2 * SECOND;
const LAST: Now = 30 * SECOND;

impl Draw {
    /// From a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let lans = rng.random_range(1..=LANS);
        let count = if rng.random_bool(0.75) { 2 } else { 1 };
        let mut octets = OCTETS;
        if rng.random_bool(0.5) {
            octets.swap(0, 1);
        }
        let targets = (0..count)
            .map(|index| standby(&mut rng, lans, octets[index]))
            .collect();
        let mut troubles: Vec<_> = (0..rng.random_range(1..=8))
            .map(|_| trouble(&mut rng, lans, count))
            .collect();
        // The end of most stories: the source fails.
        if rng.random_bool(0.6) {
            let at = rng.random_range(FIRST..LAST + 10 * SECOND);
            let lasts = if rng.random_bool(0.5) {
                Now::MAX
            } else {
                lasts(&mut rng)
            };
            let what = What::Dies;
            troubles.push(Trouble { at, lasts, what });
        }
        troubles.sort_by_key(|trouble| trouble.at);
        let careful = rng.random_bool(0.5);
        let crossed = rng.random_bool(0.5);
        Self {
            seed,
            lans,
            careful,
            crossed,
            targets,
            troubles,
        }
    }

    /// When nothing goes wrong any more.
    pub(super) fn calm(&self) -> Now {
        let ends = self.troubles.iter().map(|trouble| match trouble.lasts {
            Now::MAX => trouble.at,
            lasts => trouble.at + lasts,
        });
        ends.max().unwrap_or(0).max(FIRST)
    }
}

fn standby(rng: &mut SmallRng, lans: usize, octet: u8) -> Standby {
    let mut source = source("web1", lans as u8);
    source.interval = Duration::from_millis(*[10, 20, 50, 100].choose(rng).unwrap_or(&10));
    source.misses = *[1, 2, 3, 3, 3, 5].choose(rng).unwrap_or(&3);
    let choice = rng.random_range(0..10);
    source.on_failure = if choice < 7 {
        OnFailure::Automatic
    } else {
        OnFailure::Ask
    };
    source.trigger = *[Trigger::All, Trigger::Any, Trigger::Path]
        .choose(rng)
        .unwrap_or(&Trigger::All);
    source.failback = *[Failback::Manual, Failback::Automatic]
        .choose(rng)
        .unwrap_or(&Failback::Manual);
    source.failback_after = Duration::from_millis(rng.random_range(0..5000));
    source.l2_alive = *[L2Alive::Ask, L2Alive::Refuse, L2Alive::Ignore]
        .choose(rng)
        .unwrap_or(&L2Alive::Ask);
    source.on_conflict = *[
        OnConflict::Defend,
        OnConflict::Defend,
        OnConflict::Release,
        OnConflict::Ask,
    ]
    .choose(rng)
    .unwrap_or(&OnConflict::Defend);
    source.announce_every = Duration::from_secs(*[1, 5, 15, 3600].choose(rng).unwrap_or(&5));
    let mut hook = |often: f64| rng.random_bool(often).then(|| vec!["/bin/true".to_owned()]);
    source.hooks.before_takeover = hook(0.2);
    source.hooks.after_takeover = hook(0.1);
    source.hooks.before_failback = hook(0.2);
    source.hooks.after_failback = hook(0.1);
    source.hooks.notify = hook(0.3);
    source.hooks.on_error = *[OnError::Abort, OnError::Continue]
        .choose(rng)
        .unwrap_or(&OnError::Abort);
    let hook_takes = match rng.random_range(0..3) {
        0 => rng.random_range(0..20 * MS),
        1 => rng.random_range(0..SECOND),
        _ => rng.random_range(0..4 * SECOND),
    };
    Standby {
        source,
        octet,
        witness: rng.random_bool(0.3),
        long: rng.random_bool(0.2),
        hook_takes,
        hooks_fail: if rng.random_bool(0.3) { 40 } else { 0 },
    }
}

/// Most troubles are short, some are not.
fn lasts(rng: &mut SmallRng) -> Now {
    match rng.random_range(0..3) {
        0 => rng.random_range(MS..100 * MS),
        1 => rng.random_range(100 * MS..2 * SECOND),
        _ => rng.random_range(2 * SECOND..12 * SECOND),
    }
}

fn trouble(rng: &mut SmallRng, lans: usize, targets: usize) -> Trouble {
    let lan = rng.random_range(0..lans);
    let target = rng.random_range(0..targets);
    let way = rng.random_range(0..2);
    let hosts = [
        Host::Source,
        Host::Target(target),
        Host::Target(target),
        Host::Client,
    ];
    let host = *hosts.choose(rng).unwrap_or(&Host::Source);
    let mut long = lasts(rng);
    let what = match rng.random_range(0..100) {
        0..14 => What::Dies,
        14..19 => What::Freezes,
        19..25 => What::Mute,
        25..32 => What::Unplugged { lan, host },
        32..37 => What::Flaps {
            lan,
            host,
            times: rng.random_range(2..6),
        },
        37..42 => What::Cut { lan, host, way },
        42..50 => {
            let mut sides = [false; HOSTS.len()];
            for side in &mut sides {
                *side = rng.random_bool(0.5);
            }
            What::Split { lan, sides }
        }
        50..56 => {
            long = long.min(3 * SECOND);
            let loss = rng.random_range(1..90);
            What::Lossy {
                lan,
                host,
                way,
                loss,
            }
        }
        56..60 => {
            long = long.min(3 * SECOND);
            let delay = rng.random_range(MS..200 * MS);
            What::Late {
                lan,
                host,
                way,
                delay,
            }
        }
        60..65 => What::Killed {
            target,
            gently: rng.random_bool(0.4),
        },
        65..71 => {
            let points = [
                Point::Decided,
                Point::Taken,
                Point::Drained,
                Point::Removed,
                Point::Forgotten,
            ];
            let point = *points.choose(rng).unwrap_or(&Point::Decided);
            What::KilledAt { target, point }
        }
        71..75 => {
            long = long.min(500 * MS);
            What::Stalled { target }
        }
        75..79 => What::Busy { target },
        79..84 => What::OnHold,
        _ => {
            let commands = [
                Command::Takeover,
                Command::Takeover,
                Command::Failback,
                Command::Failback,
                Command::Approve,
                Command::Decline,
                Command::Hold,
                Command::Resume,
                Command::Resume,
                Command::Release,
            ];
            let command = *commands.choose(rng).unwrap_or(&Command::Takeover);
            // What is said lasts only where the daemon ends by it: until it is started again.
            if command != Command::Release {
                long = 0;
            }
            What::Says { target, command }
        }
    };
    Trouble {
        at: rng.random_range(FIRST..LAST),
        lasts: long,
        what,
    }
}
