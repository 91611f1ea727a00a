//! What went over the two wires, and what the two programs say about it.

use std::time::Duration;

use failover_ebpf::verdict::Verdict;
use failover_tests::{
    frames::SBFD_PORT,
    lab::{Capture, Daemon, Direction, Frame, Nic, clock::wait_until},
};
use failover_user::bpf::{maps::Maps, pins::Pins};

use crate::pair::Pair;

/// How long a frame may be on its way to a capture.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

/// What heartbeats of the session are counted as. A reply of its own that comes far too late, on a machine that stood still, is
/// as stale as a replayed one.
const OF_THE_SESSION: [Verdict; 3] = [
    Verdict::RequestAnswered,
    Verdict::ReplyMeasured,
    Verdict::ReplyStale,
];

/// Captures of everything that leaves or reaches the two hosts, except the floods.
pub(super) struct Wires {
    pub(super) source: Capture,
    target: [Capture; 2],
}

impl Wires {
    /// Before anything is sent.
    pub(super) fn tap(pair: &Pair) -> Self {
        Self {
            source: Capture::on_wire(&pair.source_nic),
            target: [0, 1].map(|nic| Capture::on_wire(&pair.target_nics[nic])),
        }
    }
}

/// Everything, after the end.
pub(super) struct Accounts {
    pub(super) source: Host,
    pub(super) target: Host,
    /// What the target sent out of its other NIC.
    elsewhere: Vec<Frame>,
}

/// One of the two hosts.
pub(super) struct Host {
    name: &'static str,
    /// Frames that left it.
    sent: Vec<Frame>,
    /// Heartbeats that reached it, other than the flood's.
    heartbeats: u64,
    counters: Vec<(Verdict, u64)>,
}

impl Accounts {
    /// Closes the accounts, when nothing is sent any more.
    pub(super) fn close(pair: &Pair, wires: Wires, source: &Daemon, target: &Daemon) -> Self {
        let [target_wire, other_wire] = &wires.target;
        Self {
            source: Host::settle("source", &pair.source_nic, &wires.source, source),
            target: Host::settle("target", &pair.target_nics[0], target_wire, target),
            elsewhere: sent(&pair.target_nics[1], other_wire),
        }
    }

    /// Everything that the two hosts have sent is explained by the session and by address resolution.
    pub(super) fn assert_nothing_was_answered(&self) {
        let requests = heartbeats(&self.target.sent);
        let replies = heartbeats(&self.source.sent);
        for host in [&self.source, &self.target] {
            let other = host.sent.iter().filter(|frame| heartbeat(frame).is_none());
            assert_only_arp(host.name, other);
        }
        assert_only_arp("target, other NIC", self.elsewhere.iter());
        // A request is one of the session's own: each of them has its sequence, one more than the one before.
        for pair in requests.windows(2) {
            let [earlier, later] = [pair[0].my_discriminator, pair[1].my_discriminator];
            assert_eq!(earlier >> 16, later >> 16, "one session");
            assert_eq!((earlier as u16).wrapping_add(1), later as u16, "in a row");
        }
        // A reply answers one request, in their order, and no request is answered twice.
        let mut asked = requests.iter();
        for reply in &replies {
            let answers =
                |request: &&Heartbeat| request.my_discriminator == reply.your_discriminator;
            assert!(
                asked.any(|request| answers(&request)),
                "no answer to a request: {reply:?}"
            );
        }
        assert_eq!(
            self.source.counter(Verdict::RequestAnswered),
            replies.len() as u64
        );
        eprintln!(
            "on the wire: {} requests, {} replies, {} other frames, all of them ARP",
            requests.len(),
            replies.len(),
            self.source.sent.len() - replies.len() + self.target.sent.len() - requests.len(),
        );
    }
}

impl Host {
    fn settle(name: &'static str, nic: &Nic, wire: &Capture, daemon: &Daemon) -> Self {
        let sent = sent(nic, wire);
        let received = wire.frames();
        let received = received
            .iter()
            .filter(|frame| frame.direction == Direction::In);
        let maps = Maps::open(&Pins::new(daemon.pins())).expect("the maps");
        Self {
            name,
            sent,
            heartbeats: received.filter(|frame| heartbeat(frame).is_some()).count() as u64,
            counters: maps.counters().expect("the counters"),
        }
    }

    fn counter(&self, verdict: Verdict) -> u64 {
        let found = self.counters.iter().find(|(other, _)| *other == verdict);
        found.map_or(0, |(_, count)| *count)
    }

    /// Every frame of the flood is counted under its reason, and every heartbeat under one of the session's, except `lost`
    /// frames that did not come so far.
    pub(super) fn assert_refused(&self, flood: &[(Verdict, u64)], lost: u64) {
        let mut session = 0;
        let mut missing = 0;
        for (verdict, counted) in &self.counters {
            let sent = flood.iter().find(|(reason, _)| reason == verdict);
            let sent = sent.map_or(0, |(_, sent)| *sent);
            eprintln!(
                "{}: {} sent {sent}, counted {counted}",
                self.name,
                verdict.name()
            );
            if OF_THE_SESSION.contains(verdict) {
                session += counted.saturating_sub(sent);
                missing += sent.saturating_sub(*counted);
            } else if is_heartbeat(*verdict) {
                assert!(*counted <= sent, "{}: more than sent", verdict.name());
                missing += sent - counted;
            }
        }
        for (reason, sent) in flood {
            assert!(*sent == 0 || self.counter(*reason) > 0, "{}", reason.name());
        }
        missing += self.heartbeats - session;
        assert!(missing <= lost, "{missing} missing, {lost} lost");
    }
}

/// Whether this verdict is about heartbeats of S-BFD.
fn is_heartbeat(verdict: Verdict) -> bool {
    ["request_", "reply_"]
        .iter()
        .any(|kind| verdict.name().starts_with(kind))
}

/// All frames that a NIC has sent. The capture has seen as many as the wire has counted.
fn sent(nic: &Nic, wire: &Capture) -> Vec<Frame> {
    let out = |frame: &&Frame| frame.direction == Direction::Out;
    let complete = wait_until(ON_ITS_WAY, || {
        nic.wire_traffic().received == wire.count(out) as u64
    });
    assert!(
        complete,
        "{} frames left {}, and the capture saw {}",
        nic.wire_traffic().received,
        nic.name(),
        wire.count(out)
    );
    wire.frames()
        .into_iter()
        .filter(|frame| frame.direction == Direction::Out)
        .collect()
}

#[derive(Clone, Copy, Debug)]
struct Heartbeat {
    my_discriminator: u32,
    your_discriminator: u32,
}

fn heartbeats(frames: &[Frame]) -> Vec<Heartbeat> {
    frames.iter().filter_map(heartbeat).collect()
}

fn heartbeat(frame: &Frame) -> Option<Heartbeat> {
    let (from, to, bfd) = frame.udp()?;
    let word = |at: usize| Some(u32::from_be_bytes(bfd.get(at..at + 4)?.try_into().ok()?));
    if from != SBFD_PORT && to != SBFD_PORT {
        return None;
    }
    Some(Heartbeat {
        my_discriminator: word(4)?,
        your_discriminator: word(8)?,
    })
}

fn assert_only_arp<'a>(who: &str, frames: impl Iterator<Item = &'a Frame>) {
    let strange: Vec<_> = frames
        .filter(|frame| frame.arp().is_none())
        .take(5)
        .collect();
    assert!(strange.is_empty(), "{who} sent {strange:02x?}");
}
