//! Neighbour discovery (RFC 4861): what it says of addresses, and its answers for held ones.

use core::hint::black_box;

use crate::{
    abi::{Held, Ip, same},
    checksum,
    resolve::{Said, Treatment, treat, yields},
    verdict::Verdict,
    wire::{
        Frame, Header,
        eth::{Eth, Mac},
        icmpv6::{Advertisement, Discovery, UNIT, Unit, flag, kind, option},
        ip::IpHeader as _,
        ipv6::{
            ALL_NODES, Ipv6, UNSPECIFIED, is_ipv4_mapped, is_multicast, is_solicited_node, next,
        },
    },
};

/// Units of options that are looked through: a link-layer address and a nonce (RFC 7527), and as much again.
pub const MOST_UNITS: usize = 4;

/// The MAC of the group of all nodes (RFC 2464 7).
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];

/// A valid solicitation or advertisement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Whether it is a solicitation.
    pub asks: bool,
    /// IP source.
    pub source: Ip,
    /// IP destination.
    pub destination: Ip,
    /// The address that is solicited or advertised.
    pub target: Ip,
    /// Who sent it: the link-layer address option, and without one the source of the frame.
    pub by: Mac,
}

/// A solicitation or an advertisement as it arrives, up to its options.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// IP header.
    pub ip: Ipv6,
    /// Fixed part of the message.
    pub discovery: Discovery,
}

// SAFETY: headers in a row, each of them octets with alignment 2 and an even length: no padding.
unsafe impl Header for Question {}

const _: () = assert!(size_of::<Question>() == Ipv6::LEN + Discovery::LEN);

/// Checks hop limit, length and checksum of the message whose IP header `ip` is at `l3`.
///
/// # Errors
///
/// What RFC 4861 7.1.1 and 7.1.2 say to discard is left to the kernel, which discards it.
#[inline(always)]
pub fn check<F: Frame + ?Sized>(ip: &Ipv6, frame: &F, l3: usize) -> Result<(), Verdict> {
    const FIXED_UNITS: usize = Discovery::LEN / UNIT;
    let length = ip.payload_len() as usize;
    // A hop limit of 255 says that no router has passed it on: nobody off the link can say anything of its addresses.
    if ip.hops() != 255 || length < Discovery::LEN {
        return Err(Verdict::PassBadNd);
    }
    if length >= Discovery::LEN + (MOST_UNITS + 1) * UNIT {
        return Err(Verdict::PassNdOptions);
    }
    let mut sum = black_box(ip.pseudo_header_sum(next::ICMPV6, length as u16));
    for n in 0..FIXED_UNITS + MOST_UNITS {
        if length >= (n + 1) * UNIT {
            let unit = frame.read::<UNIT>(l3 + Ipv6::LEN + n * UNIT);
            // Unit by unit, or the compiler reads all of them first and has no place for them but the stack.
            sum = black_box(checksum::sum(sum, &unit.ok_or(Verdict::PassTruncated)?));
        }
    }
    // Options come in whole units, so nothing is left over.
    if !length.is_multiple_of(UNIT) || !checksum::valid(sum) {
        return Err(Verdict::PassBadNd);
    }
    Ok(())
}

/// A walk through options, unit by unit.
struct Options {
    /// The option that is looked for.
    wanted: u8,
    /// Units that still belong to the option before.
    rest: u8,
    /// Whether it was found, whatever it holds.
    found: bool,
    /// The link-layer address in it, if it is one of Ethernet's.
    mac: Option<Mac>,
}

impl Options {
    #[inline(always)]
    const fn new(wanted: u8) -> Self {
        Self {
            wanted,
            rest: 0,
            found: false,
            mac: None,
        }
    }

    #[inline(always)]
    fn take(&mut self, unit: &Unit) -> Result<(), Verdict> {
        if self.rest > 0 {
            self.rest -= 1;
            return Ok(());
        }
        // RFC 4861 7.1.1: an option of length 0 would go on for ever.
        if unit.units() == 0 {
            return Err(Verdict::PassBadNd);
        }
        if unit.kind() == self.wanted {
            self.found = true;
            if unit.units() == 1 && self.mac.is_none() {
                self.mac = Some(unit.mac());
            }
        }
        self.rest = unit.units() - 1;
        Ok(())
    }
}

impl Message {
    /// Reads a packet at `l3` that is intact, in a frame that was sent by `sender`. In place, as two of these would be much
    /// on one stack.
    ///
    /// # Errors
    ///
    /// As for [`check`].
    #[inline(always)]
    pub fn read<F: Frame + ?Sized>(
        &mut self,
        packet: &Question,
        frame: &F,
        l3: usize,
        sender: Mac,
    ) -> Result<(), Verdict> {
        let Question { ip, discovery } = packet;
        self.asks = discovery.kind() == kind::SOLICITATION;
        self.source = ip.src;
        self.destination = ip.dst;
        self.target = discovery.target();
        let wanted = if self.asks {
            option::SOURCE_LINK_LAYER
        } else {
            option::TARGET_LINK_LAYER
        };
        let mut options = Options::new(wanted);
        for n in 0..MOST_UNITS {
            let at = Discovery::LEN + n * UNIT;
            if ip.payload_len() as usize >= at + UNIT {
                let unit = frame.read(l3 + Ipv6::LEN + at);
                options.take(&Unit(unit.ok_or(Verdict::PassTruncated)?))?;
            }
        }
        let unspecified = same(&self.source, &UNSPECIFIED);
        let right = if self.asks {
            // RFC 4861 7.1.1: who has no address yet asks the target's group, and has no place to be answered at.
            !unspecified || (is_solicited_node(&self.destination) && !options.found)
        } else {
            !is_multicast(&self.destination) || discovery.flags() & flag::SOLICITED == 0
        };
        if !right
            || options.rest != 0
            || discovery.code() != 0
            || is_multicast(&self.target)
            || is_ipv4_mapped(&self.target)
        {
            return Err(Verdict::PassBadNd);
        }
        self.by = options.mac.unwrap_or(sender);
        Ok(())
    }

    /// What it says of an address. A solicitation says that its sender has the address that it asks from.
    #[inline(always)]
    pub const fn said(&self) -> Said {
        if !self.asks {
            Said::Has(self.target)
        } else if same(&self.source, &UNSPECIFIED) {
            Said::Wants(self.target)
        } else {
            Said::Has(self.source)
        }
    }

    /// Whether a host that has the target, or is about to, would do something about it: answer a question, or take from what all
    /// nodes are told that another one has it. A kernel that is just checking an address gives it up then, for good
    /// (RFC 4862 5.4.5), and could not take it up again when the other one lets go.
    #[inline(always)]
    pub fn is_about_whoever_has_it(&self) -> bool {
        !self.answers()
    }

    /// Whether it answers a question, and so tells the asker alone (RFC 4861 7.2.4).
    #[inline(always)]
    pub const fn answers(&self) -> bool {
        !self.asks && !is_multicast(&self.destination)
    }

    /// The address on whose account it came: the one that is asked for, or the one that an answer is for.
    #[inline(always)]
    pub const fn subject(&self) -> &Ip {
        if self.asks {
            &self.target
        } else {
            &self.destination
        }
    }

    /// How it is dealt with where its subject is held: received on `ingress`, whose MAC is `nic`, by a frame to `to`. On success
    /// it is answered, or sent on to the source.
    #[inline(always)]
    pub fn treat(
        &self,
        to: Mac,
        target: &Held,
        ingress: u32,
        nic: Mac,
    ) -> Result<Verdict, Verdict> {
        // RFC 4862 5.4.2: a probe comes from nobody.
        if self.asks && same(&self.source, &UNSPECIFIED) && yields(self.by, target) {
            return Err(Verdict::NdYielded);
        }
        match treat(self.asks, self.by, to, target, ingress, nic) {
            Treatment::Answer => Ok(Verdict::NdAnswered),
            Treatment::TurnRound => Ok(Verdict::NdDrained),
            Treatment::WrongNic => Err(Verdict::NdWrongNic),
            Treatment::Draining => Err(Verdict::NdDraining),
            Treatment::Unrelated => Err(Verdict::PassUnrelated),
        }
    }
}

/// An advertisement as it leaves.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// IP header.
    pub ip: Ipv6,
    /// The advertisement.
    pub advertisement: Advertisement,
}

// SAFETY: headers in a row, each of them octets with alignment 2 and an even length: no padding.
unsafe impl Header for Answer {}

impl Answer {
    /// Its length, octets.
    pub const LEN: usize = Ipv6::LEN + Advertisement::LEN;

    /// Answers a solicitation: its target is at `mac` (RFC 4861 7.2.4). Override is set, as caches may still have the source's
    /// MAC; Solicited is, unless the sender has no address, and the answer goes to all nodes.
    #[inline(always)]
    pub fn write(&mut self, eth: &mut Eth, solicitation: &Message, mac: Mac) {
        let length = Advertisement::LEN as u16;
        let (to_mac, to, flags) = if same(&solicitation.source, &UNSPECIFIED) {
            (ALL_NODES_MAC, &ALL_NODES, flag::OVERRIDE)
        } else {
            (
                solicitation.by,
                &solicitation.source,
                flag::SOLICITED | flag::OVERRIDE,
            )
        };
        eth.readdress(to_mac, mac);
        self.ip.write_discovery(&solicitation.target, to, length);
        self.advertisement.write(flags, &solicitation.target, mac);
        let sum = self.ip.pseudo_header_sum(next::ICMPV6, length);
        let sum = checksum::fold(checksum::sum(sum, &self.advertisement.0));
        self.advertisement.set_checksum(!sum);
    }
}

const _: () = assert!(size_of::<Answer>() == Answer::LEN);

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const MAC: Mac = [2, 0, 0, 0, 0, 7];
    const SENDER: Mac = [2, 0, 0, 0, 0, 8];
    const TARGET: Ip = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11];
    const HOST: Ip = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    const GROUP: Ip = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0x11];
    const NONCE: [u8; 8] = [14, 1, 1, 2, 3, 4, 5, 6];

    fn link_layer(kind: u8) -> Vec<u8> {
        [&[kind, 1][..], &MAC].concat()
    }

    /// A message from its IP header on, with the right checksum.
    fn message(kind: u8, source: Ip, destination: Ip, options: &[u8]) -> Vec<u8> {
        let length = (Discovery::LEN + options.len()) as u16;
        let mut octets = [&[0x60, 0, 0, 0][..], &length.to_be_bytes(), &[58, 255]].concat();
        octets.extend([source, destination].concat());
        octets.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
        octets.extend(TARGET);
        octets.extend(options);
        with_checksum(octets)
    }

    fn with_checksum(mut octets: Vec<u8>) -> Vec<u8> {
        octets[42..44].copy_from_slice(&[0, 0]);
        let mut covered = octets[8..].to_vec();
        covered.extend([0, 58, 0, (octets.len() - 40) as u8]);
        let sum = covered
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
            .sum();
        let checksum = !checksum::fold(sum);
        octets[42..44].copy_from_slice(&checksum.to_be_bytes());
        octets
    }

    fn read(octets: &[u8]) -> Result<Message, Verdict> {
        let ip = Ipv6 {
            head: octets[..8].try_into().expect("a header"),
            src: octets[8..24].try_into().expect("an address"),
            dst: octets[24..40].try_into().expect("an address"),
        };
        check(&ip, octets, 0)?;
        let discovery = Discovery(octets[40..64].try_into().expect("a message"));
        let mut message = Message::default();
        message.read(&Question { ip, discovery }, octets, 0, SENDER)?;
        Ok(message)
    }

    fn solicitation(options: &[u8]) -> Vec<u8> {
        message(135, HOST, GROUP, options)
    }

    #[test]
    fn the_sender_is_whom_the_option_names_and_otherwise_the_frame() {
        let by = |options: &[u8]| read(&solicitation(options)).map(|message| message.by);

        assert_eq!(by(&[]), Ok(SENDER));
        assert_eq!(by(&link_layer(1)), Ok(MAC));
        assert_eq!(by(&[&NONCE[..], &link_layer(1)].concat()), Ok(MAC));
        assert_eq!(by(&link_layer(2)), Ok(SENDER));
    }

    #[test]
    fn what_looks_like_an_option_inside_another_is_none() {
        let longer = [&[14, 2, 0, 0, 0, 0, 0, 0][..], &link_layer(1)].concat();

        let message = read(&solicitation(&longer)).expect("valid");

        assert_eq!(message.by, SENDER);
    }

    #[test]
    fn who_asks_from_an_address_has_it_and_who_asks_from_none_wants_the_target() {
        let said = |octets: &[u8]| read(octets).map(|message| message.said());

        assert_eq!(said(&solicitation(&[])), Ok(Said::Has(HOST)));
        assert_eq!(
            said(&message(135, UNSPECIFIED, GROUP, &NONCE)),
            Ok(Said::Wants(TARGET))
        );
        assert_eq!(
            said(&message(136, HOST, ALL_NODES, &link_layer(2))),
            Ok(Said::Has(TARGET))
        );
    }

    #[test]
    fn an_advertisement_to_one_host_is_an_answer_and_one_to_all_nodes_is_none() {
        let answers = |octets: &[u8]| read(octets).map(|message| message.answers());

        assert_eq!(
            answers(&message(136, TARGET, HOST, &link_layer(2))),
            Ok(true)
        );
        assert_eq!(
            answers(&message(136, TARGET, ALL_NODES, &link_layer(2))),
            Ok(false)
        );
        assert_eq!(answers(&solicitation(&[])), Ok(false));
    }

    #[test]
    fn what_rfc_4861_says_to_discard_is_no_message() {
        let changed = |at: usize, octet: u8| {
            let mut octets = solicitation(&link_layer(1));
            octets[at] = octet;
            with_checksum(octets)
        };
        let spoiled = {
            let mut octets = solicitation(&link_layer(1));
            octets[70] ^= 1;
            octets
        };
        let solicited = {
            let mut octets = message(136, HOST, ALL_NODES, &link_layer(2));
            octets[44] = flag::SOLICITED;
            with_checksum(octets)
        };

        for (what, octets) in [
            ("hop limit", changed(7, 254)),
            ("code", changed(41, 1)),
            ("a group as target", changed(48, 0xff)),
            ("an option of length 0", changed(65, 0)),
            ("an option beyond the end", changed(65, 2)),
            ("checksum", spoiled),
            ("half an option", solicitation(&[1, 1, 2, 0])),
            (
                "no address, not to the group",
                message(135, UNSPECIFIED, TARGET, &[]),
            ),
            (
                "no address, yet a MAC",
                message(135, UNSPECIFIED, GROUP, &link_layer(1)),
            ),
            ("solicited, to all", solicited),
        ] {
            assert_eq!(read(&octets), Err(Verdict::PassBadNd), "{what}");
        }
    }

    #[test]
    fn more_options_than_are_looked_through_are_left_to_the_kernel() {
        let most = [&[14, MOST_UNITS as u8][..], &[0; 30]].concat();
        let more = [&most[..], &link_layer(1)].concat();

        assert!(read(&solicitation(&most)).is_ok());
        assert_eq!(read(&solicitation(&more)), Err(Verdict::PassNdOptions));
    }

    #[test]
    fn a_message_that_is_cut_short_is_truncated() {
        let whole = solicitation(&link_layer(1));

        for length in 40..whole.len() {
            assert_eq!(
                read(&whole[..length]),
                Err(Verdict::PassTruncated),
                "{length}"
            );
        }
    }

    #[test]
    fn an_answer_is_a_valid_advertisement_of_the_target() {
        for source in [HOST, UNSPECIFIED] {
            let question = read(&message(135, source, GROUP, &[])).expect("valid");
            let mut eth = Eth([0; 14]);
            let mut answer = Answer {
                ip: Ipv6 {
                    head: [0xff; 8],
                    src: [0xff; 16],
                    dst: [0xff; 16],
                },
                advertisement: Advertisement([0xff; 32]),
            };

            answer.write(&mut eth, &question, MAC);

            let ip = answer.ip;
            let octets = [&ip.head[..], &ip.src, &ip.dst, &answer.advertisement.0].concat();
            let read = read(&octets).expect("valid");
            assert_eq!((read.asks, read.target, read.by), (false, TARGET, MAC));
            assert_eq!(read.source, TARGET);
        }
    }
}
