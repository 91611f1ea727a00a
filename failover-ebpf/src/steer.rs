//! Packets for held addresses: to this host's kernel, onto another NIC, or back to the source.

use crate::{
    abi::{Held, held},
    link::Link,
    verdict::Verdict,
    wire::{
        eth::{Eth, Mac},
        ip::IpHeader,
    },
};

/// Whether a frame of `length` octets holds all of the packet at `l3`; it may hold more, as Ethernet pads short ones.
#[inline(always)]
pub fn complete<I: IpHeader>(ip: &I, l3: usize, length: u64) -> bool {
    l3 as u64 + ip.packet_len() as u64 <= length
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
    /// Whether it is routed, which costs one of its hops and its VLAN tags, or only turned round on the link.
    pub routed: bool,
    /// Its verdict, if it can leave.
    pub verdict: Verdict,
}

/// Where a packet for the held address `target` goes, received on `ingress`, whose MAC is `nic`.
#[inline(always)]
pub fn next_hop<I: IpHeader>(
    eth: &Eth,
    ip: &I,
    target: &Held,
    ingress: u32,
    nic: Mac,
) -> Result<Hop, Verdict> {
    // A switch floods what it does not know, and XDP sees what the NIC's stack would ignore.
    if eth.dst() != nic {
        return Err(Verdict::PassOtherHost);
    }
    let (routed, verdict) = match target.mode {
        held::FORWARD => (true, forward(ip, target)?),
        // What the source itself sends to its address is left alone, or it would go round for ever.
        held::DRAIN if eth.src() != target.next_hop => (
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
fn forward<I: IpHeader>(ip: &I, target: &Held) -> Result<Verdict, Verdict> {
    if ip.hops() <= 1 {
        return Err(Verdict::PassForwardTtl);
    }
    if ip.packet_len() > target.out_mtu {
        return Err(Verdict::PassForwardTooBig);
    }
    Ok(Verdict::Forwarded)
}

/// Whether a packet from a forwarded address came from the standby server, so that it is return traffic. It has no tags, as
/// what is forwarded has none.
#[inline(always)]
pub fn is_return(eth: &Eth, link: &Link, source: &Held, ingress: u32, nic: Mac) -> bool {
    source.mode == held::FORWARD
        && ingress == source.out
        && eth.dst() == nic
        && link.l3 == Link::UNTAGGED.l3
}
