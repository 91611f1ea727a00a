//! The data plane: one XDP program for every role. Read `failover`, then `prog::process`, then the stage that it names.
#![no_std]
#![no_main]

mod prog;

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use failover_ebpf::verdict::Action;

/// Answers and measures heartbeats, answers ARP for held addresses and steers their packets.
#[xdp(frags)]
fn failover(ctx: XdpContext) -> u32 {
    let verdict = prog::process(&ctx);
    prog::count(verdict);
    match verdict.action() {
        Action::Pass => xdp_action::XDP_PASS,
        Action::Drop => xdp_action::XDP_DROP,
        Action::Transmit => xdp_action::XDP_TX,
        Action::Redirect => xdp_action::XDP_REDIRECT,
    }
}

/// Keeps frames in that speak for an identity which is fenced. Whatever else is attached behind it sees all others.
#[classifier]
fn failover_egress(ctx: TcContext) -> i32 {
    match prog::egress::refuse(&ctx) {
        Some(verdict) => {
            prog::count(verdict);
            TC_ACT_SHOT
        }
        None => TC_ACT_UNSPEC,
    }
}

/// Does nothing: the far ends of veth pairs need a program before they take redirected frames, and costs are compared
/// with it.
#[xdp(frags)]
fn xdp_pass(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program that could get here.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
