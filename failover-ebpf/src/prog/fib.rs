//! The kernel's routing tables, for return traffic.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_FIB_LKUP_RET_SUCCESS, bpf_fib_lookup as Lookup},
    helpers::generated::bpf_fib_lookup,
    programs::XdpContext,
};
use failover_ebpf::{
    steer::{Hop, Routed},
    verdict::Verdict,
};

const AF_INET: u8 = 2;

/// Where the kernel would send this packet, if it knows route and neighbour; otherwise it passes, and the kernel
/// forwards it by itself.
#[inline(always)]
pub(super) fn route(ctx: &XdpContext, headers: &Routed, ingress: u32) -> Result<Hop, Verdict> {
    let ip = &headers.ip;
    if ip.ttl() <= 1 {
        return Err(Verdict::PassForwardTtl);
    }
    // SAFETY: the structure consists of integers and unions of integers, for which zero is a value.
    let mut lookup: Lookup = unsafe { core::mem::zeroed() };
    lookup.family = AF_INET;
    lookup.l4_protocol = ip.protocol();
    lookup.__bindgen_anon_1.tot_len = ip.total_len();
    lookup.ifindex = ingress;
    lookup.__bindgen_anon_3.ipv4_src = u32::from_ne_bytes(ip.src());
    lookup.__bindgen_anon_4.ipv4_dst = u32::from_ne_bytes(ip.dst());
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
