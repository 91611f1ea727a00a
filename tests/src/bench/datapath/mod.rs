//! What a frame costs in the XDP program, by `BPF_PROG_TEST_RUN`: nanoseconds a frame, all headers in the cache.
//!
//! Each program is called by [`Again`], which writes the frame anew each time. What that adds, which is known from the empty
//! program with and without it, is taken off, so that figures are those that a program would have by itself.

mod again;
mod host;

use anyhow::{Result, ensure};
use failover_ebpf::abi::Key;

use crate::{
    frames::{Bfd, Flow, SBFD_PORT, sbfd_request, tcp, udp},
    lab::bpf,
    live::{interrupt, spread::median},
    signatures::Signature,
};

use self::{
    again::{Again, BareRedirect},
    host::{Bench, DISCRIMINATOR, FROM_CLIENT, HELD, address},
};

use super::{
    Options,
    outcome::{Bound, Goal, Row, Section, Unit},
};

/// Runs of one call, which the kernel times together.
const RUNS: u32 = 200_000;

/// What `bpf(2)` calls them.
const DROP: u32 = 1;
const PASS: u32 = 2;
const TRANSMIT: u32 = 3;
const REDIRECT: u32 = 4;

/// Held addresses at once; the last is close to what the map has room for.
const MANY: [u32; 3] = [1, 1_000, 16_000];

const SECRET: &[u8] = b"a secret of 20 octet";

/// What the host does besides.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// It holds addresses that are forwarded, so that the source of what is not for one is looked at, too.
    forwards: bool,
    /// Requests have to be signed.
    signs: bool,
}

const PLAIN: Setting = Setting {
    forwards: false,
    signs: false,
};

/// A program with a frame.
struct Case {
    name: String,
    ours: bool,
    again: Again,
    setting: Setting,
    /// What the program has to return: a figure for another way would be worth nothing.
    returns: u32,
    values: Vec<f64>,
}

/// Measures all.
pub(super) fn measure(options: &Options) -> Result<Vec<Section>> {
    host::with(|bench| {
        bench.hold(MANY[0])?;

        Ok(vec![
            unrelated(bench, options.runs)?,
            redirected(bench, options.runs)?,
            reflected(bench, options.runs)?,
            held(bench, options.runs)?,
        ])
    })
}

/// What a host pays for traffic that has nothing to do with us.
fn unrelated(bench: &mut Bench, runs: u32) -> Result<Section> {
    let frames = [
        ("TCP, IPv4", tcp(&FROM_CLIENT, 4000, 80, &[0; 64])),
        ("UDP, IPv4", udp(&FROM_CLIENT, 4000, 53, &[0; 64])),
    ];
    let mut cases = vec![empty(bench, &frames[0].1)?];

    for (name, frame) in &frames {
        cases.push(ours(bench, name.to_string(), frame, PLAIN, PASS)?);
    }

    let forwards = Setting {
        forwards: true,
        ..PLAIN
    };
    let name = "TCP, IPv4, while addresses are forwarded".to_owned();

    cases.push(ours(bench, name, &frames[0].1, forwards, PASS)?);
    time(bench, &mut cases, runs)?;

    let goals = cases[1..]
        .iter()
        .map(|case| Goal {
            what: format!("{}, more than an empty program", case.name),
            unit: Unit::Nanoseconds,
            bound: Bound::AtMost(15.0),
            value: case.median() - cases[0].median(),
        })
        .collect();

    Ok(section(
        "datapath-unrelated",
        "An unrelated packet, cost of the XDP program",
        cases,
        goals,
    ))
}

/// What a packet for a forwarded address pays.
fn redirected(bench: &mut Bench, runs: u32) -> Result<Section> {
    let frame = tcp(&to_held(0), 4000, 80, &[]);
    let bare = BareRedirect::new(
        HELD.octets(),
        bench.out(),
        failover_ebpf::abi::MAX_ADDRESSES,
    )?;
    let mut cases = vec![
        Case {
            name: "bare lookup and devmap redirect".to_owned(),
            ours: false,
            again: Again::new(bare.fd(), &frame)?,
            setting: PLAIN,
            returns: REDIRECT,
            values: Vec::new(),
        },
        ours(bench, "failover".to_owned(), &frame, PLAIN, REDIRECT)?,
    ];

    time(bench, &mut cases, runs)?;

    let goals = vec![Goal {
        what: "redirected, as against bare lookup and redirect".to_owned(),
        unit: Unit::Times,
        bound: Bound::AtMost(1.5),
        value: cases[1].median() / cases[0].median(),
    }];

    Ok(section(
        "datapath-redirected",
        "A packet for a forwarded address, cost of the XDP program",
        cases,
        goals,
    ))
}

/// What a heartbeat pays on the source.
fn reflected(bench: &mut Bench, runs: u32) -> Result<Section> {
    let mut key = Key {
        len: u32::try_from(SECRET.len())?,
        ..Key::default()
    };

    key.secret[..SECRET.len()].copy_from_slice(SECRET);
    bench.maps.signing_keys.set_reflector(&[(1, key)])?;

    let plain = sbfd_request(&FROM_CLIENT, 7, DISCRIMINATOR);
    let signed = Signature::new(1, SECRET, 1).sign(Bfd::request(7, DISCRIMINATOR));
    let signed = udp(&FROM_CLIENT, 49_152, SBFD_PORT, &signed);
    let signs = Setting {
        signs: true,
        ..PLAIN
    };
    let mut cases = vec![
        ours(bench, "answered".to_owned(), &plain, PLAIN, TRANSMIT)?,
        ours(
            bench,
            "checked, answered and signed".to_owned(),
            &signed,
            signs,
            TRANSMIT,
        )?,
        ours(bench, "unsigned, refused".to_owned(), &plain, signs, DROP)?,
    ];

    time(bench, &mut cases, runs)?;

    Ok(section(
        "datapath-reflected",
        "A heartbeat on the source, cost of the XDP program",
        cases,
        Vec::new(),
    ))
}

/// Whether the number of held addresses matters.
fn held(bench: &mut Bench, runs: u32) -> Result<Section> {
    let mut cases = Vec::new();

    for count in MANY {
        bench.hold(count)?;

        let frame = tcp(&to_held(count / 2), 4000, 80, &[]);
        let mut case = [ours(
            bench,
            format!("{count} held"),
            &frame,
            PLAIN,
            REDIRECT,
        )?];

        time(bench, &mut case, runs)?;
        cases.extend(case);
    }

    let goals = cases[1..]
        .iter()
        .map(|case| Goal {
            what: format!("{}, as against {}", case.name, cases[0].name),
            unit: Unit::Times,
            bound: Bound::AtMost(1.2),
            value: case.median() / cases[0].median(),
        })
        .collect();

    Ok(section(
        "datapath-held",
        "A packet for a forwarded address, by the number of held addresses",
        cases,
        goals,
    ))
}

fn to_held(number: u32) -> Flow {
    Flow {
        to: address(number),
        ..FROM_CLIENT
    }
}

fn empty(bench: &mut Bench, frame: &[u8]) -> Result<Case> {
    Ok(Case {
        name: "an empty program".to_owned(),
        ours: false,
        again: Again::new(bench.empty()?, frame)?,
        setting: PLAIN,
        returns: PASS,
        values: Vec::new(),
    })
}

fn ours(
    bench: &mut Bench,
    name: String,
    frame: &[u8],
    setting: Setting,
    returns: u32,
) -> Result<Case> {
    Ok(Case {
        name,
        ours: true,
        again: Again::new(bench.failover()?, frame)?,
        setting,
        returns,
        values: Vec::new(),
    })
}

/// Times each in turn, `runs` times.
fn time(bench: &mut Bench, cases: &mut [Case], runs: u32) -> Result<()> {
    let frame = tcp(&FROM_CLIENT, 4000, 80, &[0; 64]);
    let ingress = bench.ingress();
    let again = Again::new(bench.empty()?, &frame)?;

    for _ in 0..runs {
        interrupt::check()?;

        let alone = bpf::run_timed(bench.empty()?, &frame, ingress, RUNS)?;
        let added = f64::from(again.run(ingress, RUNS)?.ns) - f64::from(alone.ns);

        for case in &mut *cases {
            bench.set(case.setting.forwards, case.setting.signs)?;

            let timed = case.again.run(ingress, RUNS)?;

            ensure!(
                timed.returned == case.returns,
                "{} returned {} instead of {}",
                case.name,
                timed.returned,
                case.returns
            );
            case.values.push(f64::from(timed.ns) - added);
        }
    }

    Ok(())
}

impl Case {
    fn median(&self) -> f64 {
        median(&self.values).unwrap_or(f64::INFINITY)
    }
}

fn section(name: &str, title: &str, cases: Vec<Case>, goals: Vec<Goal>) -> Section {
    Section {
        name: name.to_owned(),
        title: title.to_owned(),
        unit: Unit::Nanoseconds,
        rows: cases
            .into_iter()
            .map(|case| Row {
                name: case.name,
                ours: case.ours,
                values: case.values,
            })
            .collect(),
        goals,
    }
}
