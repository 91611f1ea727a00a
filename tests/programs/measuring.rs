//! What the program makes of replies in time: the whole of `SESSION_RX`, and what the daemon reads of it.

use failover_ebpf::{
    abi::{BUCKETS, RING, SessionRx, answered_mark, remote},
    measure::{bucket, slot},
};
use failover_tests::{frames::Bfd, lab::clock::now_ns};

use crate::{
    harness::{Bench, bench},
    initiator::{SEQUENCE, bfd, echo, reply},
    scene::{ICMP, MIN_RX_US, Port, SBFD, TIMEOUT_NS, icmp_session, sbfd_session},
};

const MS: u64 = 1_000_000;

const NOTHING: SessionRx = SessionRx {
    received: 0,
    late: 0,
    last_ns: 0,
    rtt_min_ns: 0,
    rtt_max_ns: 0,
    max_gap_ns: 0,
    last_sequence: 0,
    required_min_rx_us: 0,
    remote_state: remote::UNSET,
    reserved: 0,
    refused: 0,
    refused_mark: 0,
    answered: [0; RING],
    histogram: [0; BUCKETS],
};

/// A request was sent so long ago, and its reply comes now. Returns when the request was sent.
fn exchange(bench: &mut Bench, sequence: u16, ago_ns: u64) -> u64 {
    let sent_ns = now_ns() - ago_ns;

    bench.sessions.sending(SBFD, sequence, sent_ns);
    bench.run(Port::Chosen, &reply(bfd(SBFD, sequence)));

    sent_ns
}

#[test]
fn a_reply_gives_its_round_trip_and_nothing_else() {
    bench(|bench| {
        let sent_ns = exchange(bench, SEQUENCE, 5 * MS);
        let now = now_ns();

        let rx = bench.measured(SBFD);

        let rtt_ns = rx.last_ns - sent_ns;
        let mut wanted = SessionRx {
            received: 1,
            last_ns: rx.last_ns,
            rtt_min_ns: rtt_ns,
            rtt_max_ns: rtt_ns,
            last_sequence: u32::from(SEQUENCE),
            required_min_rx_us: MIN_RX_US,
            remote_state: remote::UP,
            ..NOTHING
        };
        wanted.answered[slot(SEQUENCE)] = answered_mark(SEQUENCE);
        wanted.histogram[bucket(rtt_ns)] = 1;
        assert_eq!(rx, wanted);
        assert!(
            rtt_ns >= 5 * MS && rx.last_ns <= now,
            "the clocks are the same"
        );
        assert_eq!(bench.measured(ICMP), NOTHING);
        assert!(bench.sessions.answered(SBFD, SEQUENCE));
        assert!(!bench.sessions.answered(SBFD, SEQUENCE + 1));
    });
}

#[test]
fn the_interval_that_the_latest_valid_reply_requires_is_kept() {
    let stating = |sequence, required_min_rx_us| Bfd {
        required_min_rx_us,
        ..bfd(SBFD, sequence)
    };

    bench(|bench| {
        for (sequence, required) in [(1, 0x0102_0304), (2, 9), (3, u32::MAX), (4, 0)] {
            bench.sent(SBFD, sequence);

            bench.run(Port::Chosen, &reply(stating(sequence, required)));

            assert_eq!(bench.measured(SBFD).required_min_rx_us, required);
        }

        bench.sent(SBFD, 5);
        bench.run(Port::Chosen, &reply(stating(5, 70)));
        // A duplicate and a stale one: nobody believes what they state.
        bench.run(Port::Chosen, &reply(stating(5, 80)));
        bench.run(Port::Chosen, &reply(stating(6, 90)));

        assert_eq!(bench.measured(SBFD).required_min_rx_us, 70);
    });
}

#[test]
fn an_echo_is_measured_in_its_own_session() {
    bench(|bench| {
        bench.sent(ICMP, SEQUENCE);

        bench.run(Port::Chosen, &echo(SEQUENCE));

        assert_eq!(bench.measured(ICMP).received, 1);
        assert_eq!(bench.measured(ICMP).required_min_rx_us, 0);
        assert!(bench.sessions.answered(ICMP, SEQUENCE));
        assert_eq!(bench.measured(SBFD), NOTHING);
    });
}

#[test]
fn the_daemon_reads_what_the_program_wrote() {
    bench(|bench| {
        exchange(bench, 1, 5 * MS);
        exchange(bench, 2, 80 * MS);

        let (rx, read) = (bench.measured(SBFD), bench.sessions.measured(SBFD));

        assert_eq!((read.received, read.late), (rx.received, rx.late));
        assert_eq!(read.rtt_min_ns, rx.rtt_min_ns);
        assert_eq!(read.rtt_max_ns, rx.rtt_max_ns);
        assert_eq!(read.max_gap_ns, rx.max_gap_ns);
        assert_eq!(read.histogram, rx.histogram);
        assert_eq!(bench.sessions.last_reply(SBFD), rx.last_ns);
        assert!(read.quantile(1.0) >= 80 * MS && read.quantile(0.5) < 80 * MS);
    });
}

#[test]
fn shortest_and_longest_round_trip_and_the_histogram_add_up() {
    bench(|bench| {
        for (sequence, ago_ns) in [(1, 20 * MS), (2, 5 * MS), (3, 90 * MS), (4, 40 * MS)] {
            exchange(bench, sequence, ago_ns);
        }

        let rx = bench.measured(SBFD);

        assert_eq!((rx.received, rx.late, rx.last_sequence), (4, 0, 4));
        assert!((5 * MS..20 * MS).contains(&rx.rtt_min_ns), "{rx:?}");
        assert!(rx.rtt_max_ns >= 90 * MS, "{rx:?}");
        assert_eq!(rx.histogram.iter().sum::<u64>(), 4);
    });
}

#[test]
fn a_reply_after_the_timeout_is_late_and_still_measured() {
    bench(|bench| {
        exchange(bench, 1, TIMEOUT_NS + MS);

        let rx = bench.measured(SBFD);

        assert_eq!((rx.received, rx.late), (1, 1));
        assert!(rx.rtt_max_ns > TIMEOUT_NS);
    });
}

#[test]
fn the_longest_time_between_two_replies_is_kept() {
    bench(|bench| {
        let mut arrivals = Vec::new();
        for sequence in 1..=5 {
            exchange(bench, sequence, MS);
            arrivals.push(bench.measured(SBFD).last_ns);
        }

        let longest = arrivals.windows(2).map(|pair| pair[1] - pair[0]).max();

        assert_eq!(Some(bench.measured(SBFD).max_gap_ns), longest);
    });
}

#[test]
fn a_gap_that_began_before_measuring_did_is_an_outage() {
    bench(|bench| {
        exchange(bench, 1, MS);
        bench.sessions.measure_from(SBFD, now_ns());

        exchange(bench, 2, MS);

        let rx = bench.measured(SBFD);
        assert_eq!((rx.received, rx.max_gap_ns), (2, 0));
    });
}

#[test]
fn what_is_refused_changes_no_measurement() {
    bench(|bench| {
        exchange(bench, SEQUENCE, MS);
        let before = bench.measured(SBFD);

        // A duplicate, a stale one, one for another session and one that was routed.
        bench.run(Port::Chosen, &reply(bfd(SBFD, SEQUENCE)));
        bench.run(Port::Chosen, &reply(bfd(SBFD, SEQUENCE + 1)));
        bench.run(Port::Chosen, &reply(bfd(ICMP, SEQUENCE)));
        bench.run(
            Port::Chosen,
            &failover_tests::edits::meant(
                reply(bfd(SBFD, SEQUENCE)),
                failover_tests::edits::at::IP_TTL,
                &[64],
            ),
        );

        assert_eq!(bench.measured(SBFD), before);
    });
}

#[test]
fn replies_may_overtake_each_other() {
    bench(|bench| {
        for sequence in [1, 2, 3] {
            bench.sent(SBFD, sequence);
        }

        for sequence in [3, 1, 2] {
            bench.run(Port::Chosen, &reply(bfd(SBFD, sequence)));
        }

        assert_eq!(bench.measured(SBFD).received, 3);
        assert!([1, 2, 3].iter().all(|n| bench.sessions.answered(SBFD, *n)));
    });
}

#[test]
fn sequences_go_on_behind_65_535() {
    bench(|bench| {
        for sequence in [65_534, 65_535, 0, 1] {
            exchange(bench, sequence, MS);
        }

        assert_eq!(bench.measured(SBFD).received, 4);
        assert_eq!(bench.sessions.last_sequence(SBFD), Some(1));
    });
}

#[test]
fn a_slot_that_comes_round_again_takes_its_new_request() {
    bench(|bench| {
        for round in 0..3 {
            exchange(bench, SEQUENCE + round * RING as u16, MS);
        }

        let rx = bench.measured(SBFD);
        assert_eq!(rx.received, 3);
        assert_eq!(
            rx.answered[slot(SEQUENCE)],
            answered_mark(SEQUENCE + 2 * RING as u16)
        );
    });
}

#[test]
fn a_cleared_session_has_no_history() {
    bench(|bench| {
        exchange(bench, SEQUENCE, MS);

        bench.sessions.clear(SBFD);

        assert_eq!(bench.measured(SBFD), NOTHING);
        assert_eq!(
            (bench.told(SBFD).started, bench.told(SBFD).last_sequence),
            (0, 0)
        );
    });
}

#[test]
fn the_program_writes_nothing_that_user_space_wrote() {
    bench(|bench| {
        bench.sent(SBFD, SEQUENCE);
        bench.sent(ICMP, SEQUENCE);
        let before = (bench.told(SBFD), bench.told(ICMP));

        bench.run(Port::Chosen, &reply(bfd(SBFD, SEQUENCE)));
        bench.run(Port::Chosen, &echo(SEQUENCE));

        assert_eq!((bench.told(SBFD), bench.told(ICMP)), before);
        assert_eq!(bench.maps.session(SBFD).unwrap(), sbfd_session());
        assert_eq!(bench.maps.session(ICMP).unwrap(), icmp_session());
    });
}

#[test]
fn what_the_reflector_says_of_itself_is_kept_until_it_says_something_else() {
    bench(|bench| {
        let mut said = Vec::new();

        for (sequence, state) in [(1, 3), (2, 0), (3, 3)] {
            bench.sent(SBFD, sequence);
            bench.run(
                Port::Chosen,
                &reply(Bfd {
                    state,
                    ..bfd(SBFD, sequence)
                }),
            );
            said.push(bench.sessions.remote_state(SBFD));
        }

        assert_eq!(said, [remote::UP, remote::ADMIN_DOWN, remote::UP]);
    });
}
