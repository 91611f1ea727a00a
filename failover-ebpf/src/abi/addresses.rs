//! Addresses that are held, and those that are listened for.

use super::{Ip, Tags};

/// Modes of [`Held::mode`].
pub mod held {
    /// The kernel of this host has the address.
    pub const LOCAL: u32 = 1;
    /// Packets are sent on to another host.
    pub const FORWARD: u32 = 2;
    /// The address goes back: packets are turned round to the source.
    pub const DRAIN: u32 = 3;
}

/// Flags of [`Held::flags`].
pub mod held_flag {
    /// The source is about to take it back: its probes are not answered any more, so that it finds the address free. Nothing
    /// else changes.
    pub const YIELDING: u32 = 1;
}

/// A taken-over address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// One of [`held`].
    pub mode: u32,
    /// The chosen NIC (ifindex): ARP and neighbour solicitations are answered here and nowhere else.
    pub nic: u32,
    /// The NIC that `forward` and `drain` send frames out of (ifindex).
    pub out: u32,
    /// Largest IP packet that `out` sends, octets.
    pub out_mtu: u32,
    /// Index into the traffic counters.
    pub slot: u32,
    /// Prefix length of the address as the configuration has it.
    pub prefix: u32,
    /// MAC of the chosen NIC: the answer to ARP and neighbour solicitations.
    pub nic_mac: [u8; 6],
    /// MAC of `out`: the Ethernet source of frames sent out.
    pub out_mac: [u8; 6],
    /// Ethernet destination of frames sent out: the standby server's (`forward`) or the source's (`drain`).
    pub next_hop: [u8; 6],
    /// The source's MAC, for failback.
    pub source_mac: [u8; 6],
    /// VLANs that the address is held in; in others it is another host's.
    ///
    /// Answers keep the tags of what they answer, and so do packets that are turned round to the source (`drain`), which is
    /// in the same VLAN. `forward` sends untagged frames, as `out` is in a network of its own.
    pub tags: Tags,
    /// [`held_flag`]s.
    pub flags: u32,
    /// When the address was taken over, `CLOCK_REALTIME`.
    pub taken_at_unix_ns: u64,
}

/// Traffic of one held address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets for the address.
    pub packets: u64,
    /// Octets of them, from the Ethernet header on.
    pub bytes: u64,
}

/// An address that is listened for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listened {
    /// Index into what was heard.
    pub slot: u32,
    /// VLANs in which it is listened for.
    pub tags: Tags,
}

/// What was heard by ARP or neighbour discovery of an address that is listened for, on any NIC that has the program, except
/// from the MAC addresses in [`map::MACS`].
///
/// Each MAC is written before its time, by plain stores of any CPU. On x86-64, where stores are seen in their order, a time that
/// is seen comes with that MAC or a later one. A CPU that reorders stores may show a time before its MAC, beside the MAC of
/// whoever spoke before. Whoever reads while two hosts speak may find octets of both MACs. In each case the next read has
/// what was heard last.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// When a host last claimed the address: it was the sender protocol address of an ARP packet, be it a request, a
    /// reply or an announcement, the target of a neighbour advertisement, or the source of a solicitation. 0: never.
    pub claimed_ns: u64,
    /// When a host last probed for it: it was the target protocol address of an ARP request whose sender protocol address
    /// is 0 (RFC 5227 1.1, ARP Probe), or the target of a neighbour solicitation from the unspecified address (RFC 4862
    /// 5.4.2). 0: never.
    pub probed_ns: u64,
    /// When the latest [`Claim`] of it was written; 0: never, as long as it is not held.
    pub told_ns: u64,
    /// Who claimed it last: the sender hardware address of that packet, or its link-layer address option, and without one
    /// the source of the frame.
    pub claimed_by: [u8; 6],
    /// Who probed for it last, likewise.
    pub probed_by: [u8; 6],
    /// Who claimed it last but [`Self::claimed_by`]: where the source and another host answer one question, the answer of
    /// neither hides the other's.
    pub other_by: [u8; 6],
    /// Explicit padding.
    pub reserved: [u8; 6],
    /// When that was. 0: never.
    pub other_ns: u64,
}

/// Another host claims a held address (RFC 5227 2.4, RFC 4862 5.4.4), except while it goes back ([`held::DRAIN`]). That the
/// source or a standby server has answered a question for it is no claim.
///
/// Written at most once in [`CLAIM_INTERVAL_NS`] per address that is listened for, and for all others together with the
/// message in the log, at most once a second. Two CPUs at the same instant may write one each. A full ring takes no more,
/// until user space reads.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// When it was heard.
    pub at_ns: u64,
    /// The held address.
    pub ip: Ip,
    /// Who claims it, as in [`Heard::claimed_by`].
    pub mac: [u8; 6],
    /// Explicit padding.
    pub reserved: [u8; 2],
    /// The NIC on which it was heard (ifindex).
    pub nic: u32,
    /// Explicit padding.
    pub reserved2: u32,
}

/// Time between two claims of one address that is listened for, at least.
pub const CLAIM_INTERVAL_NS: u64 = 100_000_000;
