//! The initiator: a reply, checked against its session and turned into a sample (RFC 7880 7.3).

use core::borrow::Borrow as _;

use crate::{
    abi::{
        BUCKETS, RING, Session, SessionRx, SessionTx, Tags, answered_mark, refused_mark, remote,
        same, session,
    },
    heartbeat::{Control, EchoPacket},
    verdict::Verdict,
    wire::{bfd::state, ip::IpHeader},
};

/// What a valid reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Sequence of the request.
    pub sequence: u16,
    /// Its round trip.
    pub rtt_ns: u64,
    /// The round trip took longer than the session's timeout.
    pub late: bool,
    /// Time since the previous reply, where it is to be measured.
    pub gap_ns: Option<u64>,
    /// Required Min RX Interval that the reply states; 0: none.
    pub required_min_rx_us: u32,
}

/// Why a sequence gives no sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSample {
    /// Never sent, or too long ago to be told apart.
    Stale,
    /// Answered already.
    Duplicate,
}

/// Checks an S-BFD reply in itself.
#[inline(always)]
pub fn check_control<I: IpHeader>(reply: &Control<I>) -> Result<(), Verdict> {
    // RFC 7881: the reflector sends with TTL or hop limit 255; less means that the reply was routed, and held addresses are
    // on link.
    if reply.ip.hops() != 255 {
        return Err(Verdict::ReplyRouted);
    }
    let bfd = &reply.bfd;
    // RFC 5880 6.8.6, and 7880 7.2.2: a reflector is Up or AdminDown.
    let in_service = bfd.state() == state::UP || bfd.state() == state::ADMIN_DOWN;
    if bfd.version() != 1 || bfd.detect_mult() == 0 || bfd.multipoint() || !in_service {
        return Err(Verdict::ReplyMalformed);
    }
    // RFC 7880 7.3.3: D set MUST be discarded.
    if bfd.demand() {
        return Err(Verdict::ReplyDemand);
    }
    Ok(())
}

/// Checks that an S-BFD reply that came in by the VLANs `tags` belongs to the session that its discriminator names.
#[inline(always)]
pub fn check_session<I: IpHeader>(
    reply: &Control<I>,
    tags: Tags,
    own: &Session,
) -> Result<(), Verdict> {
    if own.kind != session::SBFD {
        return Err(Verdict::ReplyUnknownSession);
    }
    if tags != own.tags {
        return Err(Verdict::ReplyOtherVlan);
    }
    if !same(reply.ip.source().borrow(), &own.remote)
        || !same(reply.ip.destination().borrow(), &own.local)
        || reply.bfd.my_discriminator() != own.remote_discriminator
    {
        return Err(Verdict::ReplyWrongHost);
    }
    Ok(())
}

/// What the state of a valid S-BFD reply says of the other end.
#[inline(always)]
pub const fn remote_state(bfd_state: u8) -> u32 {
    if bfd_state == state::ADMIN_DOWN {
        remote::ADMIN_DOWN
    } else {
        remote::UP
    }
}

/// Whether an echo reply that came in by the VLANs `tags` answers one of this session's requests. The identifier alone does
/// not say so: the cookie keeps this host's own pings apart.
#[inline(always)]
pub fn is_ours<I: IpHeader>(reply: &EchoPacket<I>, tags: Tags, own: &Session) -> bool {
    own.kind == session::ICMP
        && reply.echo.cookie() == own.cookie
        && tags == own.tags
        && same(reply.ip.source().borrow(), &own.remote)
        && same(reply.ip.destination().borrow(), &own.local)
}

/// The slot of a sequence.
#[inline(always)]
pub const fn slot(sequence: u16) -> usize {
    sequence as usize & (RING - 1)
}

/// Turns a valid reply that states `required_min_rx_us` into a sample.
#[inline(always)]
pub fn sample(
    own: &Session,
    tx: &SessionTx,
    rx: &SessionRx,
    sequence: u16,
    required_min_rx_us: u32,
    now: u64,
) -> Result<Sample, NoSample> {
    let age = (tx.last_sequence as u16).wrapping_sub(sequence);
    let sent_ns = tx.sent_ns[slot(sequence)];
    if tx.started == 0 || age as usize >= RING || sent_ns == 0 || now < sent_ns {
        return Err(NoSample::Stale);
    }
    // The latest reply says how old a mark may be: after 65,536 requests a slot's mark would name the same sequence.
    if rx.answered[slot(sequence)] == answered_mark(sequence) && rx.last_ns >= sent_ns {
        return Err(NoSample::Duplicate);
    }
    let rtt_ns = now - sent_ns;
    let measured = rx.last_ns != 0 && rx.last_ns >= tx.measure_from_ns && now > rx.last_ns;
    Ok(Sample {
        sequence,
        rtt_ns,
        late: rtt_ns > own.timeout_ns,
        gap_ns: if measured {
            Some(now - rx.last_ns)
        } else {
            None
        },
        required_min_rx_us,
    })
}

/// Adds a sample to what is known of its session.
///
/// Replies of one session come by one receive queue (they are one flow), so there is one writer at a time.
#[inline(always)]
pub fn record(rx: &mut SessionRx, sample: &Sample, now: u64) {
    rx.received += 1;
    rx.late += sample.late as u64;
    // The compiler can prove the bound and would leave the check out; the verifier cannot, and wants to see it.
    if let Some(count) = rx
        .histogram
        .get_mut(core::hint::black_box(bucket(sample.rtt_ns)))
    {
        *count += 1;
    }
    if rx.rtt_min_ns == 0 || sample.rtt_ns < rx.rtt_min_ns {
        rx.rtt_min_ns = sample.rtt_ns;
    }
    if sample.rtt_ns > rx.rtt_max_ns {
        rx.rtt_max_ns = sample.rtt_ns;
    }
    if let Some(gap_ns) = sample.gap_ns
        && gap_ns > rx.max_gap_ns
    {
        rx.max_gap_ns = gap_ns;
    }
    rx.last_ns = now;
    rx.last_sequence = sample.sequence as u32;
    rx.required_min_rx_us = sample.required_min_rx_us;
    rx.answered[slot(sample.sequence)] = answered_mark(sample.sequence);
}

/// Takes note that a request was refused: the host is there, and has nobody who answers.
#[inline(always)]
pub fn refuse(rx: &mut SessionRx, sequence: u16, now: u64) {
    rx.refused += 1;
    rx.refused_mark = refused_mark(sequence, now);
}

/// Exponent of the histogram's first octave: everything below 256 ns is in bucket 0.
const FIRST_OCTAVE: u32 = 8;
/// Buckets an octave, as a power of two: a bucket is at most an eighth wide.
const SUB_BITS: u32 = 3;

/// The histogram's bucket of a round trip. The last one takes everything from 4 s on.
#[inline(always)]
pub const fn bucket(rtt_ns: u64) -> usize {
    if rtt_ns < 1 << FIRST_OCTAVE {
        return 0;
    }
    let octave = 63 - rtt_ns.leading_zeros();
    let sub = rtt_ns >> (octave - SUB_BITS) & ((1 << SUB_BITS) - 1);
    let index = (((octave - FIRST_OCTAVE) << SUB_BITS) as u64 + sub) as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The shortest round trip that falls into a bucket, except the first, which begins at 0.
pub const fn bucket_floor(index: usize) -> u64 {
    let octave = (index as u32 >> SUB_BITS) + FIRST_OCTAVE;
    let sub = index as u64 & ((1 << SUB_BITS) - 1);
    (1 << octave) + (sub << (octave - SUB_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::is_refused;

    /// What replies state.
    const MIN_RX_US: u32 = 50;

    fn session() -> (Session, SessionTx, SessionRx) {
        let own = Session {
            kind: session::ICMP,
            timeout_ns: 1000,
            ..Session::default()
        };
        let tx = SessionTx {
            measure_from_ns: 0,
            last_sequence: 0,
            started: 0,
            sent_ns: [0; RING],
        };
        let rx = SessionRx {
            received: 0,
            late: 0,
            last_ns: 0,
            rtt_min_ns: 0,
            rtt_max_ns: 0,
            max_gap_ns: 0,
            last_sequence: 0,
            required_min_rx_us: 0,
            remote_state: 0,
            reserved: 0,
            refused: 0,
            refused_mark: 0,
            answered: [0; RING],
            histogram: [0; BUCKETS],
        };
        (own, tx, rx)
    }

    fn send(tx: &mut SessionTx, sequence: u16, at: u64) {
        tx.sent_ns[slot(sequence)] = at;
        tx.last_sequence = sequence as u32;
        tx.started = 1;
    }

    #[test]
    fn buckets_follow_their_floors() {
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(255), 0);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        for index in 1..BUCKETS {
            assert_eq!(bucket(bucket_floor(index)), index);
            assert_eq!(bucket(bucket_floor(index) - 1), index - 1);
        }
    }

    #[test]
    fn a_reply_in_time_gives_its_round_trip() {
        let (own, mut tx, mut rx) = session();
        send(&mut tx, 7, 10_000);

        let first = sample(&own, &tx, &rx, 7, MIN_RX_US, 10_600).expect("valid");
        record(&mut rx, &first, 10_600);
        send(&mut tx, 8, 20_000);
        let second = sample(&own, &tx, &rx, 8, MIN_RX_US, 22_000).expect("valid");
        record(&mut rx, &second, 22_000);

        assert_eq!((first.rtt_ns, first.late, first.gap_ns), (600, false, None));
        assert_eq!(
            (second.rtt_ns, second.late, second.gap_ns),
            (2000, true, Some(11_400))
        );
        assert_eq!(
            (rx.received, rx.late, rx.rtt_min_ns, rx.rtt_max_ns),
            (2, 1, 600, 2000)
        );
        assert_eq!((rx.max_gap_ns, rx.last_sequence), (11_400, 8));
    }

    #[test]
    fn the_interval_that_the_latest_reply_requires_is_kept() {
        let (own, mut tx, mut rx) = session();

        for (sequence, required) in [(1, 50_000), (2, 7), (3, 0)] {
            send(&mut tx, sequence, 10_000);
            let reply = sample(&own, &tx, &rx, sequence, required, 10_100).expect("valid");
            record(&mut rx, &reply, 10_100);

            assert_eq!(rx.required_min_rx_us, required);
        }
    }

    #[test]
    fn a_second_reply_is_a_duplicate() {
        let (own, mut tx, mut rx) = session();
        send(&mut tx, 7, 10_000);
        let first = sample(&own, &tx, &rx, 7, MIN_RX_US, 10_100).expect("valid");
        record(&mut rx, &first, 10_100);

        assert_eq!(
            sample(&own, &tx, &rx, 7, MIN_RX_US, 10_200),
            Err(NoSample::Duplicate)
        );
    }

    #[test]
    fn the_same_sequence_after_a_full_turn_is_no_duplicate() {
        let (own, mut tx, mut rx) = session();
        send(&mut tx, 7, 10_000);
        let first = sample(&own, &tx, &rx, 7, MIN_RX_US, 10_100).expect("valid");
        record(&mut rx, &first, 10_100);

        send(&mut tx, 7, 900_000);

        assert!(sample(&own, &tx, &rx, 7, MIN_RX_US, 900_100).is_ok());
    }

    #[test]
    fn what_was_never_sent_or_too_long_ago_is_stale() {
        let (own, mut tx, rx) = session();

        assert_eq!(
            sample(&own, &tx, &rx, 0, MIN_RX_US, 5),
            Err(NoSample::Stale)
        );

        send(&mut tx, 100, 10_000);
        assert_eq!(
            sample(&own, &tx, &rx, 101, MIN_RX_US, 10_100),
            Err(NoSample::Stale)
        );
        assert_eq!(
            sample(&own, &tx, &rx, 100 - RING as u16, MIN_RX_US, 10_100),
            Err(NoSample::Stale)
        );
        assert_eq!(
            sample(&own, &tx, &rx, 99, MIN_RX_US, 10_100),
            Err(NoSample::Stale)
        );
    }

    #[test]
    fn sequences_wrap() {
        let (own, mut tx, rx) = session();
        send(&mut tx, 65_535, 10_000);
        send(&mut tx, 0, 11_000);

        assert!(sample(&own, &tx, &rx, 65_535, MIN_RX_US, 11_100).is_ok());
        assert!(sample(&own, &tx, &rx, 0, MIN_RX_US, 11_100).is_ok());
    }

    #[test]
    fn a_refusal_is_one_of_the_request_that_was_refused() {
        let (_, _, mut rx) = session();
        const SENT: u64 = 7_000_000_000;

        let before = is_refused(rx.refused_mark, 0, SENT);
        refuse(&mut rx, 9, SENT + 100_000);

        assert!(!before);
        assert_eq!(rx.refused, 1);
        assert!(is_refused(rx.refused_mark, 9, SENT));
        assert!(!is_refused(rx.refused_mark, 8, SENT));
        assert!(!is_refused(rx.refused_mark, 9, SENT + 1_000_000));
    }

    #[test]
    fn a_refusal_within_the_resolution_of_its_mark_counts() {
        const SENT: u64 = 7_000_000_000;

        assert!(is_refused(refused_mark(u16::MAX, SENT + 1), u16::MAX, SENT));
    }

    #[test]
    fn a_gap_that_began_in_an_outage_is_not_measured() {
        let (own, mut tx, mut rx) = session();
        rx.last_ns = 5_000;
        tx.measure_from_ns = 8_000;
        send(&mut tx, 1, 10_000);

        let first = sample(&own, &tx, &rx, 1, MIN_RX_US, 10_100).expect("valid");

        assert_eq!(first.gap_ns, None);
    }
}
