#![no_std]
#![no_main]
#[aya_ebpf::macros::xdp(frags)]
pub fn xdp_pass(_ctx: aya_ebpf::programs::XdpContext) -> u32 { aya_ebpf::bindings::xdp_action::XDP_PASS }

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! { loop {} }

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
