use std::collections::BTreeMap;

use anstream::adapter::strip_str;
use serde_json::json;

use super::*;
use crate::{
    control::protocol::{
        AddressStatus, CheckStatus, Event, IdentityStatus, NicStatus, PathStatus, ReflectorStatus,
        RttStatus, SourceStatus, Status, StrayStatus, TakeoverStatus, VERSION, WatcherStatus,
    },
    policy::{Cause, PathState, State},
};

pub(crate) fn clock() -> Clock {
    Clock {
        now: "2026-05-01T03:12:45.5Z".parse().unwrap(),
        zone: TimeZone::UTC,
    }
}

pub(crate) fn path(number: u8, heartbeat: PathState, state: State) -> PathStatus {
    PathStatus {
        monitor: format!("10.0.{number}.10"),
        nic: format!("ens{number}"),
        target_nic: format!("ens{number}"),
        state,
        heartbeat,
        mac: Some("02:00:00:00:00:01".to_owned()),
        key_id: None,
        sent: 123_456,
        received: 123_450,
        late: 1,
        missed: 6,
        refused: 0,
        consecutive_missed: 0,
        rtt_ns: RttStatus {
            min: 1_500,
            p50: 2_100,
            p99: 11_800,
            max: 402_000,
        },
        rtt_histogram: vec![],
        max_gap_ns: 10_300_000,
        near_misses: 0,
        addresses: vec![address(number, state)],
    }
}

pub(crate) fn address(number: u8, state: State) -> AddressStatus {
    let held = state == State::TakenOver;
    AddressStatus {
        ip: format!("10.0.{number}.10/24"),
        nic: format!("ens{number}"),
        deliver: "local".to_owned(),
        held,
        packets: if held { 98_765 } else { 0 },
        bytes: 0,
    }
}

pub(crate) fn source(
    name: &str,
    state: State,
    cause: &str,
    paths: Vec<PathStatus>,
) -> SourceStatus {
    SourceStatus {
        name: name.to_owned(),
        state,
        since: "2026-05-01T03:10:40.123456789Z".to_owned(),
        cause: cause.to_owned(),
        monitored: true,
        hold: false,
        asks: state == State::AwaitingApproval,
        on_failure: "ask".to_owned(),
        probe: "sbfd".to_owned(),
        interval_ns: 10_000_000,
        misses: 3,
        paths,
        last_takeover: None,
    }
}

pub(crate) fn host(sources: Vec<SourceStatus>) -> Status {
    let nic = |name: &str| NicStatus {
        name: name.to_owned(),
        xdp_mode: "native".to_owned(),
        carrier: true,
    };
    Status {
        version: VERSION,
        seq: 0,
        daemon: "0.1.0".to_owned(),
        pid: 4242,
        started: "2026-04-30T00:00:00Z".to_owned(),
        scheduling: "deadline".to_owned(),
        nics: vec![nic("ens1"), nic("ens2")],
        sources,
        reflector: None,
        strays: Vec::new(),
        counters: BTreeMap::from([("pass".to_owned(), 1)]),
    }
}

fn shown(of: &Status) -> String {
    let text = strip_str(&status(of, &clock())).to_string();
    assert!(
        text.lines().all(|line| line.chars().count() <= WIDTH),
        "too wide:\n{text}"
    );
    text
}

#[test]
fn a_source_that_is_not_watched_is_not_said_to_be_waited_for() {
    let path = path(1, PathState::Unknown, State::Unknown);
    let mut web1 = source(
        "web1",
        State::Unknown,
        "waiting for the first answer",
        vec![path],
    );
    web1.monitored = false;
    let healthy = source("db1", State::Healthy, "source answers", vec![]);

    let text = shown(&host(vec![web1, healthy]));

    assert!(
        text.starts_with("2 sources: 1 NOT MONITORED, 1 healthy\n"),
        "{text}"
    );
    assert!(
        !text.contains("waiting") && text.contains("`failover resume web1`"),
        "{text}"
    );
}

#[test]
fn what_is_held_and_in_no_configuration_is_shown() {
    let mut status = host(vec![source("db1", State::Healthy, "", vec![])]);
    let without = shown(&status);

    status.strays = vec![StrayStatus {
        ip: "10.0.0.11".to_owned(),
        nic: "ens2".to_owned(),
    }];
    let with = shown(&status);

    assert!(!without.contains("Warning"), "{without}");
    assert!(
        with.contains("Warning: held, and not in the configuration any more: 10.0.0.11 on ens2."),
        "{with}"
    );
}

#[test]
fn every_state_is_counted() {
    let states = [
        State::Conflict,
        State::HeldElsewhere,
        State::Held,
        State::Healthy,
    ];
    let of = |state: State| source("web1", state, "", vec![]);

    let text = shown(&host(states.map(of).into()));

    let first = text.lines().next().unwrap();
    assert_eq!(
        first,
        "4 sources: 1 CONFLICT, 1 HELD ELSEWHERE, 1 ON HOLD, 1 healthy"
    );
}

#[test]
fn healthy() {
    let path = path(1, PathState::Up, State::Healthy);

    let text = shown(&host(vec![source(
        "web1",
        State::Healthy,
        "it answers",
        vec![path],
    )]));

    assert_eq!(text, include_str!("expected/healthy.txt"));
}

#[test]
fn awaiting_approval() {
    let mut down = path(1, PathState::Down, State::AwaitingApproval);
    down.consecutive_missed = 3;
    let waiting = source(
        "web1",
        State::AwaitingApproval,
        "3 heartbeats in a row unanswered on every path",
        vec![down],
    );
    let mut missing = path(2, PathState::Missing, State::Suspect);
    missing.consecutive_missed = 2;
    missing.near_misses = 4;
    let suspect = source(
        "db1",
        State::Suspect,
        "2 heartbeats unanswered",
        vec![missing],
    );

    let text = shown(&host(vec![waiting, suspect]));

    assert_eq!(text, include_str!("expected/awaiting_approval.txt"));
}

#[test]
fn taken_over() {
    let mut first = path(1, PathState::Down, State::TakenOver);
    first.addresses.push(AddressStatus {
        deliver: "forward 10.0.5.20".to_owned(),
        ..address(3, State::TakenOver)
    });
    let second = path(2, PathState::Up, State::Healthy);
    let mut web1 = source(
        "web1",
        State::TakenOver,
        "3 heartbeats in a row unanswered",
        vec![first, second],
    );
    web1.on_failure = "automatic".to_owned();
    web1.last_takeover = Some(TakeoverStatus {
        at: "2026-05-01T03:10:40.123456789Z".to_owned(),
        detect_ns: 30_100_000,
        takeover_ns: 412_345,
        cause: Cause::Verdict,
    });

    let text = shown(&host(vec![web1]));

    assert_eq!(text, include_str!("expected/taken_over.txt"));
}

#[test]
fn isolated() {
    let path = path(1, PathState::Isolated, State::Isolated);
    let mut host = host(vec![source(
        "web1",
        State::Isolated,
        "ens1 of this host has no carrier",
        vec![path],
    )]);
    host.nics[0].carrier = false;
    host.nics[1].xdp_mode = "none".to_owned();
    host.scheduling = "normal".to_owned();

    let text = shown(&host);

    assert_eq!(text, include_str!("expected/isolated.txt"));
}

#[test]
fn no_source_but_a_reflector() {
    let mut host = host(vec![]);
    let watcher = |initiator: &str, ago| WatcherStatus {
        initiator: initiator.to_owned(),
        asked: "10.0.1.10".to_owned(),
        answered_ago_ns: ago,
        asked_ago_ns: ago,
        answered: 123_456,
        refused: 0,
    };
    host.reflector = Some(ReflectorStatus {
        discriminators: vec!["10.0.1.10".to_owned(), "10.0.2.10".to_owned()],
        min_rx_us: 50,
        key_ids: vec![],
        answers: "up".to_owned(),
        cause: None,
        dead_man_ns: 500_000_000,
        self_fence: false,
        identity: vec![],
        checks: vec![],
        watchers: vec![
            watcher("10.0.1.2", 4_200_000),
            watcher("10.0.1.3", 7_260_000_000_000),
        ],
    });

    let text = shown(&host);

    assert_eq!(text, include_str!("expected/no_source.txt"));
}

#[test]
fn a_source_that_keeps_off_its_addresses_says_why() {
    let mut host = host(vec![]);
    let address = |ip: &str, cause: Option<&str>| IdentityStatus {
        ip: ip.to_owned(),
        fenced: cause.is_some(),
        standing: "elsewhere".to_owned(),
        cause: cause.map(str::to_owned),
    };
    let check = |name: &str, state: &str, against, error: Option<&str>| CheckStatus {
        name: name.to_owned(),
        state: state.to_owned(),
        against,
        error: error.map(str::to_owned),
    };
    host.reflector = Some(ReflectorStatus {
        discriminators: vec!["10.0.1.10".to_owned()],
        min_rx_us: 50,
        key_ids: vec![],
        answers: "silent".to_owned(),
        cause: Some("tcp 127.0.0.1:80 failed: no connection: Connection refused".to_owned()),
        dead_man_ns: 500_000_000,
        self_fence: true,
        identity: vec![
            address("10.0.1.10", Some("another host has it, 02:00:00:00:00:09")),
            address("10.0.1.11", None),
        ],
        checks: vec![
            check(
                "tcp 127.0.0.1:80",
                "bad",
                0,
                Some("no connection: Connection refused"),
            ),
            check(
                "http://127.0.0.1:81/",
                "good",
                2,
                Some("answered with status 503"),
            ),
            check("command /bin/healthy", "unknown", 0, None),
        ],
        watchers: vec![WatcherStatus {
            initiator: "10.0.1.2".to_owned(),
            asked: "10.0.1.10".to_owned(),
            answered_ago_ns: 7_260_000_000_000,
            asked_ago_ns: 4_200_000,
            answered: 0,
            refused: 0,
        }],
    });

    let text = shown(&host);

    assert_eq!(text, include_str!("expected/keeps_off.txt"));
}

#[test]
fn whether_heartbeats_are_signed_is_said_on_both_sides() {
    let signed = PathStatus {
        key_id: Some(7),
        ..path(1, PathState::Up, State::Healthy)
    };
    let mut host = host(vec![source("web1", State::Healthy, "", vec![signed])]);
    host.reflector = Some(ReflectorStatus {
        discriminators: vec!["10.0.1.10".to_owned()],
        min_rx_us: 50,
        key_ids: vec![1, 2],
        answers: "up".to_owned(),
        cause: None,
        dead_man_ns: 500_000_000,
        self_fence: false,
        identity: vec![],
        checks: vec![],
        watchers: vec![],
    });

    let text = shown(&host);

    let words: Vec<_> = text.split_whitespace().collect();
    let words = words.join(" ");
    assert!(words.contains("; signed with key 7 "), "{text}");
    assert!(
        words.contains("at most once every 50 us; requests have to be signed with key 1 or 2 "),
        "{text}"
    );
}

#[test]
fn refused_signatures_are_told_with_what_to_do() {
    let mut host = host(vec![source(
        "web1",
        State::Unknown,
        "",
        vec![path(1, PathState::Unknown, State::Unknown)],
    )]);
    host.counters = [
        ("request_bad_digest".to_owned(), 12),
        ("reply_unauthenticated".to_owned(), 1),
        ("pass_unrelated".to_owned(), 7),
    ]
    .into();

    let text = shown(&host);

    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains(
            "Refused: 12 requests signed with another secret than ours (request_bad_digest): compare the key files of \
             both hosts"
        ) && words.contains(
            "Refused: 1 reply that was not signed (reply_unauthenticated): configure the key in [reflector] of the source"
        ),
        "{text}"
    );
    assert!(!text.contains("pass_unrelated"), "{text}");
}

#[test]
fn a_source_that_was_never_seen_says_so_and_nothing_is_measured() {
    let mut path = path(1, PathState::Unknown, State::Unknown);
    path.rtt_ns = RttStatus::default();
    path.max_gap_ns = 0;

    let text = shown(&host(vec![source("web1", State::Unknown, "", vec![path])]));

    assert!(text.starts_with("1 source: 1 NO ANSWER YET\n"), "{text}");
    assert!(
        text.contains("-> web1 has never answered")
            && text.contains("10.0.1.10  ens1  no answer yet  -\n"),
        "{text}"
    );
}

#[test]
fn a_source_that_answers_again_is_offered_failback() {
    let paths = vec![path(1, PathState::Up, State::TakenOver)];

    let text = shown(&host(vec![source(
        "web1",
        State::TakenOver,
        "approved",
        paths,
    )]));

    assert!(
        text.contains("-> web1 answers again: `failover failback web1` gives its addresses back\n"),
        "{text}"
    );
}

#[test]
fn a_source_that_is_no_longer_monitored_says_so() {
    let mut web1 = source(
        "web1",
        State::Healthy,
        "failback",
        vec![path(1, PathState::Up, State::Healthy)],
    );
    web1.monitored = false;

    let text = shown(&host(vec![web1]));

    assert!(
        text.contains("  not monitored since `failback --stop-monitoring`\n"),
        "{text}"
    );
    assert!(text.contains("10.0.1.10  ens1  off"), "{text}");
}

#[test]
fn the_widest_values_fit() {
    let mut wide = path(1, PathState::Missing, State::Suspect);
    wide.monitor = "192.168.100.200".to_owned();
    wide.nic = "enp130s0f0np0v1".to_owned();
    wide.consecutive_missed = 99;
    wide.rtt_ns = RttStatus {
        min: 1,
        p50: 11_100,
        p99: 111_000_000,
        max: 1_110_000_000,
    };
    wide.sent = 99_999_999_999;
    wide.received = wide.sent;
    wide.missed = 9_999_999_999;
    wide.addresses[0].ip = "192.168.100.200/32".to_owned();
    wide.addresses[0].deliver = "forward 192.168.100.201".to_owned();
    let mut web1 = source(
        &"w".repeat(30),
        State::Suspect,
        &"because ".repeat(40),
        vec![wide],
    );
    web1.misses = 255;

    let text = shown(&host(vec![web1]));

    assert!(text.contains("99 of 255 missed"), "{text}");
}

#[test]
fn urgency_has_a_colour() {
    let path = path(1, PathState::Down, State::Failed);

    let text = status(
        &host(vec![source("web1", State::Failed, "declined", vec![path])]),
        &clock(),
    );

    assert!(
        text.contains('\u{1b}') && strip_str(&text).to_string().contains("FAILED"),
        "{text:?}"
    );
}

#[test]
fn an_event_is_one_line_with_its_fields_in_order() {
    let line = r#"{"at":"2026-05-01T03:12:45.123456789Z","source":"web1","event":"transition","to":"failed",
        "from":"suspect","cause":"3 heartbeats\nunanswered","detect_ns":30100000,"addresses":["10.0.0.10/24"]}"#;
    let transition: Event = serde_json::from_str(line).unwrap();

    let text = strip_str(&event(&transition, &TimeZone::UTC)).to_string();

    let expected = "2026-05-01 03:12:45.123456  web1      transition  addresses=[\"10.0.0.10/24\"] \
                    cause=\"3 heartbeats\\nunanswered\" detect_ns=30100000 from=suspect to=failed";
    assert_eq!(text, expected);
}

#[test]
fn no_event_can_send_control_characters_to_a_terminal() {
    let hostile = json!({"at": "\u{1b}[2J", "source": "\u{1b}]0;x", "event": "\u{7}", "k\u{1b}": "\u{1b}[31m\u{9b}2J"});
    let hostile: Event = serde_json::from_value(hostile).unwrap();

    let text = strip_str(&event(&hostile, &TimeZone::UTC)).to_string();

    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[test]
fn a_source_without_our_software_is_told_by_its_probe() {
    let silent = |probe: &str| {
        let unknown = path(1, PathState::Unknown, State::Unknown);
        let mut source = source("web1", State::Unknown, "", vec![unknown]);
        source.probe = probe.to_owned();
        shown(&host(vec![source]))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };

    for (probe, to_do, rule) in [
        (
            "sbfd",
            "heartbeats: its reflector has to run",
            "heartbeat every 10 ms",
        ),
        (
            "icmp",
            "heartbeats: it has to answer ICMP echo",
            "heartbeat (icmp, no software on the source) every",
        ),
        (
            "arp",
            "heartbeats: it has to answer ARP",
            "heartbeat (arp, no software on the source) every",
        ),
        (
            "tcp:443",
            "heartbeats: something has to listen at its port 443",
            "heartbeat (tcp:443, no software on the source) every",
        ),
    ] {
        let text = silent(probe);

        assert!(text.contains(to_do) && text.contains(rule), "{text}");
    }
}
