//! The kernel's routing tables, for return traffic.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_FIB_LKUP_RET_SUCCESS, bpf_fib_lookup as Lookup},
    helpers::generated::bpf_fib_lookup,
    programs::XdpContext,
};
use failover_ebpf::{
    steer::Hop,
    verdict::Verdict,
    wire::{ip::IpHeader, ipv4::Ipv4, ipv6::Ipv6},
};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// An IP header that can be asked for in the kernel's tables.
pub(super) trait Destined: IpHeader {
    /// Fills in what the lookup needs to know of the packet.
    fn ask(&self, lookup: &mut Lookup);
}

impl Destined for Ipv4 {
    #[inline(always)]
    fn ask(&self, lookup: &mut Lookup) {
        lookup.family = AF_INET;
        lookup.l4_protocol = self.protocol();
        lookup.__bindgen_anon_1.tot_len = self.total_len();
        lookup.__bindgen_anon_3.ipv4_src = u32::from_ne_bytes(self.src());
        lookup.__bindgen_anon_4.ipv4_dst = u32::from_ne_bytes(self.dst());
    }
}

impl Destined for Ipv6 {
    #[inline(always)]
    fn ask(&self, lookup: &mut Lookup) {
        /// The flow label of the first word, without version and traffic class, as the kernel wants it.
        const FLOW_LABEL: u32 = 0x000f_ffff_u32.to_be();
        lookup.family = AF_INET6;
        lookup.l4_protocol = self.next_header();
        lookup.__bindgen_anon_1.tot_len = self.packet_len() as u16;
        lookup.__bindgen_anon_2.flowinfo = u32::from_ne_bytes(self.first_word()) & FLOW_LABEL;
        lookup.__bindgen_anon_3.ipv6_src = words(self.src);
        lookup.__bindgen_anon_4.ipv6_dst = words(self.dst);
    }
}

/// An address as the kernel's structure has it.
#[inline(always)]
fn words(address: [u8; 16]) -> [u32; 4] {
    // SAFETY: octets of one size are octets of the other; the order in memory is what counts.
    unsafe { core::mem::transmute(address) }
}

/// Where the kernel would send this packet, if it knows route and neighbour; otherwise it passes, and the kernel
/// forwards it by itself.
#[inline(always)]
pub(super) fn route<I: Destined>(ctx: &XdpContext, ip: &I, ingress: u32) -> Result<Hop, Verdict> {
    if ip.hops() <= 1 {
        return Err(Verdict::PassForwardTtl);
    }
    // SAFETY: the structure consists of integers and unions of integers, for which zero is a value.
    let mut lookup: Lookup = unsafe { core::mem::zeroed() };
    lookup.ifindex = ingress;
    ip.ask(&mut lookup);
    // SAFETY: context and structure are valid for the call, and the size is the structure's.
    let found =
        unsafe { bpf_fib_lookup(ctx.as_ptr(), &raw mut lookup, size_of::<Lookup>() as i32, 0) };
    if found != BPF_FIB_LKUP_RET_SUCCESS as i64 {
        return Err(Verdict::PassReturn);
    }
    Ok(Hop {
        out: lookup.ifindex,
        dst: lookup.dmac,
        src: lookup.smac,
        routed: true,
        verdict: Verdict::Returned,
    })
}
