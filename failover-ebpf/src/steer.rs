//! Packets for held addresses: to this host's kernel, onto another NIC, or back to the source.

use crate::{
    abi::{Held, held},
    verdict::Verdict,
    wire::{
        Header,
        eth::{Eth, Mac},
        ipv4::Ipv4,
    },
};

/// The headers of a packet that is steered.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed {
    /// Ethernet header.
    pub eth: Eth,
    /// IP header, options not included.
    pub ip: Ipv4,
}

// SAFETY: headers in a row, each of them octets with alignment 2 and an even length: no padding.
unsafe impl Header for Routed {}

const _: () = assert!(size_of::<Routed>() == Eth::LEN + Ipv4::LEN);

impl Routed {
    /// Whether a frame of `length` octets holds all of the packet; it may hold more, as Ethernet pads short ones.
    #[inline(always)]
    pub const fn complete(&self, length: u64) -> bool {
        Eth::LEN as u64 + self.ip.total_len() as u64 <= length
    }

    /// Makes the packet ready to leave.
    #[inline(always)]
    pub const fn rewrite(&mut self, hop: &Hop) {
        self.eth.readdress(hop.dst, hop.src);
        if hop.routed {
            self.ip.set_ttl(self.ip.ttl().wrapping_sub(1));
        }
    }
}

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The NIC that it leaves by (ifindex).
    pub out: u32,
    /// Ethernet destination.
    pub dst: Mac,
    /// Ethernet source.
    pub src: Mac,
    /// Whether it is routed, which costs one of its time to live, or only turned round on the link.
    pub routed: bool,
    /// Its verdict, if it can leave.
    pub verdict: Verdict,
}

/// Where a packet for the held address `target` goes, received on `ingress`, whose MAC is `nic`.
#[inline(always)]
pub fn next_hop(packet: &Routed, target: &Held, ingress: u32, nic: Mac) -> Result<Hop, Verdict> {
    // A switch floods what it does not know, and XDP sees what the NIC's stack would ignore.
    if packet.eth.dst() != nic {
        return Err(Verdict::PassOtherHost);
    }
    let (routed, verdict) = match target.mode {
        held::FORWARD => (true, forward(packet, target)?),
        // What the source itself sends to its address is left alone, or it would go round for ever.
        held::DRAIN if packet.eth.src() != target.next_hop => (
            false,
            if ingress == target.out {
                Verdict::Drained
            } else {
                Verdict::DrainedAcross
            },
        ),
        _ => return Err(Verdict::PassLocal),
    };
    if target.next_hop == [0; 6] {
        return Err(Verdict::PassNextHopUnknown);
    }
    Ok(Hop {
        out: target.out,
        dst: target.next_hop,
        src: target.out_mac,
        routed,
        verdict,
    })
}

#[inline(always)]
fn forward(packet: &Routed, target: &Held) -> Result<Verdict, Verdict> {
    if packet.ip.ttl() <= 1 {
        return Err(Verdict::PassForwardTtl);
    }
    if packet.ip.total_len() as u32 > target.out_mtu {
        return Err(Verdict::PassForwardTooBig);
    }
    Ok(Verdict::Forwarded)
}

/// Whether a packet from a forwarded address came from the standby server, so that it is return traffic.
#[inline(always)]
pub fn is_return(packet: &Routed, source: &Held, ingress: u32, nic: Mac) -> bool {
    source.mode == held::FORWARD && ingress == source.out && packet.eth.dst() == nic
}
