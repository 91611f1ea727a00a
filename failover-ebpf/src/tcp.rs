//! TCP sessions: a request is a SYN from a port on which nobody listens, the answer a SYN-ACK, which is reset at once
//! (RFC 9293 3.5.2, 3.10.7.3), so that no half-open connection stays and the service never sees one. A closed port
//! answers by a reset of its own.
//!
//! The initial sequence number names session and request; whatever acknowledges it is about them.

use core::borrow::Borrow as _;

use crate::{
    abi::{Session, Tags, same, session, split_initial_sequence},
    checksum,
    wire::{
        Frame, Header,
        eth::Eth,
        ip::IpHeader,
        ipv4::Ipv4,
        ipv6::Ipv6,
        tcp::{MAX_HEADER, PROTOCOL, Tcp, flag},
        vlan::Vlan,
    },
};

/// What a segment says that acknowledges one of our requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The host would open the connection.
    Accepted,
    /// It would not: nobody listens.
    Refused,
    /// It believes in a connection that we have not: an earlier reset was lost.
    Stray,
}

impl Answer {
    /// The order is that of RFC 9293 3.10.7.3: RST counts more than SYN.
    #[inline(always)]
    pub const fn of(segment: &Tcp) -> Self {
        if segment.flags() & flag::RST != 0 {
            Self::Refused
        } else if segment.flags() & flag::SYN != 0 {
            Self::Accepted
        } else {
            Self::Stray
        }
    }
}

/// Session number and sequence of the request that a segment acknowledges, if it acknowledges any. A segment without ACK
/// answers nothing: the kernel, which has the port and does not listen either, deals with it.
#[inline(always)]
pub const fn acknowledged(segment: &Tcp, cookie: u32) -> Option<(u16, u16)> {
    if segment.flags() & flag::ACK == 0 {
        return None;
    }
    let initial = segment.acknowledgment().wrapping_sub(1);
    Some(split_initial_sequence(cookie as u16, initial))
}

/// Whether a segment that came in by the VLANs `tags` belongs to the session whose number it acknowledges.
#[inline(always)]
pub fn is_ours<I: IpHeader>(segment: &Segment<I>, tags: Tags, own: &Session) -> bool {
    own.kind == session::TCP
        && own.remote_port == segment.tcp.src() as u32
        && tags == own.tags
        && same(segment.ip.source().borrow(), &own.remote)
        && same(segment.ip.destination().borrow(), &own.local)
}

/// One's complement sum of a header of `length` octets at `at`, options included; `None` where it is cut off or longer than
/// a TCP header can be.
#[inline(always)]
pub fn header_sum<F: Frame + ?Sized>(frame: &F, at: usize, length: usize) -> Option<u32> {
    let mut sum = 0;
    let mut done = 0;
    while done < MAX_HEADER {
        if done >= length {
            return Some(sum);
        }
        sum = checksum::sum(sum, &frame.read::<4>(at + done)?);
        done += 4;
    }
    (done >= length).then_some(sum)
}

/// Whether a segment is intact: `header` is the sum of its header, `pseudo_header` that of the addresses, the protocol and
/// the length (RFC 9293 3.1).
///
/// A host behind a virtual wire (veth, a hypervisor's NIC) leaves the checksum to hardware that is not there: then the
/// field holds the sum of the pseudo-header and no more, which says that nothing can have happened to the segment. The
/// kernel accepts it as well.
#[inline(always)]
pub const fn intact(segment: &Tcp, header: u32, pseudo_header: u32) -> bool {
    checksum::valid(header + pseudo_header) || segment.checksum() == checksum::fold(pseudo_header)
}

/// Sum of the pseudo-header of a segment of `length` octets, of IPv4 (RFC 9293 3.1) and IPv6 (RFC 8200 8.1) alike.
#[inline(always)]
pub const fn pseudo_header(addresses: u32, length: usize) -> u32 {
    addresses + PROTOCOL as u32 + length as u32
}

/// A segment without data as far as its options.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<I> {
    /// IP header.
    pub ip: I,
    /// TCP header.
    pub tcp: Tcp,
}

/// The same with so many octets that may have to stay behind it; see [`SHORTEST`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padded<I, const N: usize> {
    /// Headers.
    pub segment: Segment<I>,
    /// What is left of options, or of the padding of the frame that is answered.
    pub padding: [u8; N],
}

// SAFETY: headers in a row, each of them octets with alignment 2 and an even length: no padding of the compiler's.
unsafe impl<I: IpHeader> Header for Segment<I> {}
// SAFETY: as above.
unsafe impl<I: IpHeader> Header for Padded<I, PADDING> {}
// SAFETY: as above.
unsafe impl<I: IpHeader> Header for Padded<I, TAGGED_PADDING> {}

const _: () = assert!(size_of::<Segment<Ipv4>>() == Ipv4::LEN + Tcp::LEN);
const _: () = assert!(size_of::<Segment<Ipv6>>() == Ipv6::LEN + Tcp::LEN);
const _: () = assert!(size_of::<Padded<Ipv4, PADDING>>() == size_of::<Segment<Ipv4>>() + PADDING);

/// The shortest frame on a real wire, octets, without its checksum.
pub const SHORTEST: usize = 60;
/// The shortest reset lacks so many,
pub const PADDING: usize = SHORTEST - (Eth::LEN + Ipv4::LEN + Tcp::LEN);
/// and in one VLAN so many. In two it is long enough.
pub const TAGGED_PADDING: usize = PADDING - Vlan::LEN;

impl<I: IpHeader> Segment<I> {
    /// Length of the segment with its options, if the headers are all that the packet has: no answer to a request without
    /// data carries any.
    #[inline(always)]
    pub fn length(&self) -> Option<usize> {
        let length = self.tcp.header_len();
        (length >= Tcp::LEN && self.ip.packet_len() as usize == I::LEN + length).then_some(length)
    }

    /// Becomes the reset that answers this segment.
    #[inline(always)]
    pub fn reset(&mut self) {
        self.ip.answer(PROTOCOL, Tcp::LEN as u16);
        self.tcp = self.tcp.reset();
        let pseudo_header = pseudo_header(self.ip.addresses_sum(), Tcp::LEN);
        let sum = checksum::sum(pseudo_header, &self.tcp.0);
        self.tcp.set_checksum(!checksum::fold(sum));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{initial_sequence, ipv4_key};

    const COOKIE: u32 = 0xa5c3;
    const SESSION: u16 = 0x0102;
    const SEQUENCE: u16 = 0xffff;
    /// Sum of 10.0.0.10 and 10.0.0.2.
    const ADDRESSES: u32 = 0x0a00 + 0x000a + 0x0a00 + 0x0002;
    const ACCEPTED: u8 = flag::SYN | flag::ACK;

    const SOURCE: [u8; 4] = [10, 0, 0, 10];
    const HOST: [u8; 4] = [10, 0, 0, 2];

    /// From the source to us.
    fn over_ipv4(flags: u8) -> Segment<Ipv4> {
        let mut ip = [0; Ipv4::LEN];
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&40_u16.to_be_bytes());
        ip[8] = 64;
        ip[9] = PROTOCOL;
        ip[12..16].copy_from_slice(&SOURCE);
        ip[16..].copy_from_slice(&HOST);
        Segment {
            ip: Ipv4(ip),
            tcp: segment(flags),
        }
    }

    /// From port 443 to port 50000, an answer to the request, with these control bits.
    fn segment(flags: u8) -> Tcp {
        let mut octets = [0; Tcp::LEN];
        let acknowledgment = initial_sequence(COOKIE as u16, SESSION, SEQUENCE).wrapping_add(1);
        octets[0..2].copy_from_slice(&443_u16.to_be_bytes());
        octets[2..4].copy_from_slice(&50_000_u16.to_be_bytes());
        octets[4..8].copy_from_slice(&[1, 2, 3, 4]);
        octets[8..12].copy_from_slice(&acknowledgment.to_be_bytes());
        octets[12] = 5 << 4;
        octets[13] = flags;
        octets[14..16].copy_from_slice(&[0xfa, 0xf0]);
        Tcp(octets)
    }

    #[test]
    fn an_acknowledgment_names_session_and_sequence_also_where_it_carries() {
        assert_eq!(
            acknowledged(&segment(ACCEPTED), COOKIE),
            Some((SESSION, SEQUENCE))
        );
    }

    #[test]
    fn an_acknowledgment_wraps() {
        let number = initial_sequence(COOKIE as u16, 0xffff ^ COOKIE as u16, 0xffff);
        let mut answer = segment(ACCEPTED);
        answer.0[8..12].copy_from_slice(&number.wrapping_add(1).to_be_bytes());

        assert_eq!(number, u32::MAX);
        assert_eq!(
            acknowledged(&answer, COOKIE),
            Some((0xffff ^ COOKIE as u16, 0xffff))
        );
    }

    #[test]
    fn without_ack_nothing_is_acknowledged() {
        for flags in [0, flag::SYN, flag::RST, flag::FIN] {
            assert_eq!(acknowledged(&segment(flags), COOKIE), None);
        }
    }

    #[test]
    fn a_reset_counts_more_than_a_synchronisation() {
        for (flags, answer) in [
            (flag::ACK | flag::SYN, Answer::Accepted),
            (flag::ACK | flag::RST, Answer::Refused),
            (flag::ACK | flag::RST | flag::SYN, Answer::Refused),
            (flag::ACK, Answer::Stray),
            (flag::ACK | flag::FIN, Answer::Stray),
        ] {
            assert_eq!(Answer::of(&segment(flags)), answer, "{flags:#x}");
        }
    }

    #[test]
    fn only_what_comes_from_the_asked_port_of_the_asked_host_is_ours() {
        let answer = over_ipv4(ACCEPTED);
        let own = Session {
            kind: session::TCP,
            remote: ipv4_key(SOURCE),
            local: ipv4_key(HOST),
            remote_port: 443,
            ..Session::default()
        };
        let others = [
            Session {
                kind: session::ICMP,
                ..own
            },
            Session {
                remote_port: 444,
                ..own
            },
            Session {
                remote: ipv4_key(HOST),
                ..own
            },
            Session {
                local: ipv4_key(SOURCE),
                ..own
            },
            Session {
                tags: [5, 0],
                ..own
            },
        ];

        assert!(is_ours(&answer, [0; 2], &own));
        for other in others {
            assert!(!is_ours(&answer, [0; 2], &other), "{other:?}");
        }
    }

    #[test]
    fn a_segment_is_as_long_as_its_header_and_no_longer() {
        let with = |data_offset: u8, total_len: u16| {
            let mut segment = over_ipv4(ACCEPTED);
            segment.tcp.0[12] = data_offset << 4;
            segment.ip.0[2..4].copy_from_slice(&total_len.to_be_bytes());
            segment.length()
        };

        assert_eq!(with(5, 40), Some(20));
        assert_eq!(with(15, 80), Some(60));
        for (data_offset, total_len) in [(5, 41), (6, 40), (4, 36), (0, 20), (5, 20)] {
            assert_eq!(with(data_offset, total_len), None);
        }
    }

    #[test]
    fn a_header_is_summed_with_its_options_and_no_farther() {
        let frame = [0xff, 0xff, 0, 1, 0, 2, 0, 3, 0, 4, 0x7f, 0xff];

        assert_eq!(header_sum(&frame[..], 2, 8), Some(10));
        assert_eq!(header_sum(&frame[..], 2, 12), None);
    }

    #[test]
    fn the_longest_header_is_summed_and_none_that_is_longer() {
        let frame = [1; 80];

        assert_eq!(
            header_sum(&frame[..], 0, MAX_HEADER),
            Some(0x0101 * MAX_HEADER as u32 / 2)
        );
        assert_eq!(header_sum(&frame[..], 0, MAX_HEADER + 4), None);
    }

    #[test]
    fn a_checksum_is_right_or_left_to_hardware_that_is_not_there_or_wrong() {
        let pseudo = pseudo_header(ADDRESSES, Tcp::LEN);
        let sum = |segment: &Tcp| checksum::sum(0, &segment.0);
        let mut right = segment(ACCEPTED);
        let whole = !checksum::fold(pseudo + sum(&right));
        right.set_checksum(whole);
        let mut left = segment(ACCEPTED);
        left.set_checksum(checksum::fold(pseudo));
        let mut wrong = right;
        wrong.set_checksum(whole ^ 1);

        assert!(intact(&right, sum(&right), pseudo));
        assert!(intact(&left, sum(&left), pseudo));
        assert!(!intact(&wrong, sum(&wrong), pseudo));
    }

    #[test]
    fn a_reset_is_what_rfc_9293_says() {
        let mut segment = over_ipv4(ACCEPTED);

        segment.reset();

        // 3.10.7.3: <SEQ=SEG.ACK><CTL=RST>; 3.5.2: the acknowledgment is not used.
        #[rustfmt::skip]
        let wanted = [
            0xc3, 0x50, 0x01, 0xbb, // ports, swapped
            0xa4, 0xc2, 0x00, 0x00, // 0xa4c1ffff, our initial sequence number, and one
            0, 0, 0, 0,
            0x50, 0x04, 0, 0, // five words, RST, no window
        ];
        assert_eq!(segment.tcp.0[..16], wanted);
        assert_eq!(segment.tcp.0[18..], [0, 0]);
        let sum = checksum::sum(pseudo_header(ADDRESSES, Tcp::LEN), &segment.tcp.0);
        assert!(checksum::valid(sum));
        assert!(segment.ip.intact());
        assert_eq!((segment.ip.src(), segment.ip.dst()), (HOST, SOURCE));
        assert_eq!((segment.ip.total_len(), segment.ip.ttl()), (40, 255));
    }

    #[test]
    fn over_ipv6_a_reset_has_the_other_pseudo_header() {
        let mut segment = Segment {
            ip: Ipv6 {
                head: [0x60, 1, 2, 3, 0, 28, PROTOCOL, 64],
                src: [0xfd; 16],
                dst: [0x1f; 16],
            },
            tcp: segment(ACCEPTED),
        };

        segment.reset();

        assert_eq!(segment.ip.head, [0x6c, 0, 0, 0, 0, 20, PROTOCOL, 255]);
        assert_eq!((segment.ip.src, segment.ip.dst), ([0x1f; 16], [0xfd; 16]));
        let addresses = 8 * (0xfdfd + 0x1f1f);
        let sum = checksum::sum(addresses + 6 + 20, &segment.tcp.0);
        assert!(checksum::valid(sum));
    }
}
