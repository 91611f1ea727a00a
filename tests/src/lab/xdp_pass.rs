//! The program on the far end of every cable, and with it the cable's switch.
//!
//! A frame that XDP transmits or redirects into a veth vanishes unless the peer has a NAPI, and only a native XDP
//! program gives it one. So each far end carries one that passes everything.
//!
//! The same program gives the cable an off switch: it drops instead of passing when a word in a memory-mapped map is
//! not zero, and a tcx program on the same end does so for the other direction. Setting the word is one store to memory,
//! so the cable is cut at an instant that is known to well below a microsecond, for both directions, and no frame passes
//! afterwards. Taking the link down by netlink has no such instant (see [`super::Nic::pull`]).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::Result;

use super::{
    bpf::{self, Hook, Instruction},
    clock::now_ns,
    word::Word,
};

const XDP_DROP: i32 = 1;
const XDP_PASS: i32 = 2;
const XDP_TX: i32 = 3;
const TCX_NEXT: i32 = -1;
const TCX_DROP: i32 = 2;

/// The programs on a far end, and the word that they look at.
#[derive(Debug)]
pub struct Gate {
    word: Word,
    _links: [OwnedFd; 2],
}

impl Gate {
    /// Puts the programs on a link in the calling thread's namespace. The gate is open.
    pub fn attach(index: u32) -> Result<Self> {
        let word = Word::create()?;
        let xdp = bpf::load(
            Hook::Xdp,
            "lab_pass",
            &program(word.as_fd(), XDP_PASS, XDP_DROP),
        )?;
        let tcx = bpf::load(
            Hook::TcxEgress,
            "lab_pass_out",
            &program(word.as_fd(), TCX_NEXT, TCX_DROP),
        )?;
        let links = [
            bpf::attach(Hook::Xdp, xdp.as_fd(), index)?,
            bpf::attach(Hook::TcxEgress, tcx.as_fd(), index)?,
        ];

        Ok(Self {
            word,
            _links: links,
        })
    }

    /// Drops every frame from now on, in both directions. Returns the instant just before, `CLOCK_MONOTONIC`.
    pub fn close(&self) -> u64 {
        let at = now_ns();

        self.word.store(1);

        at
    }

    /// Lets frames pass again. Returns the instant just before, `CLOCK_MONOTONIC`.
    pub fn open(&self) -> u64 {
        let at = now_ns();

        self.word.store(0);

        at
    }
}

/// Puts a program on a link in the calling thread's namespace that sends every frame back unchanged (`XDP_TX`), as long as
/// the descriptor that is returned is open. For trying whether a cable carries such frames.
pub fn attach_mirror(index: u32) -> Result<OwnedFd> {
    let word = Word::create()?;
    let program = bpf::load(
        Hook::Xdp,
        "lab_mirror",
        &program(word.as_fd(), XDP_TX, XDP_DROP),
    )?;

    bpf::attach(Hook::Xdp, program.as_fd(), index)
}

/// `if word == 0 { open } else { closed }`
fn program(map: BorrowedFd<'_>, open: i32, closed: i32) -> [Instruction; 7] {
    const R0: u8 = 0;
    const R1: u8 = 1;
    const MAP_VALUE: u8 = 2;

    [
        // r1 = address of the map's value (two slots)
        Instruction::new(0x18, R1, MAP_VALUE, 0, map.as_raw_fd()),
        Instruction::new(0, 0, 0, 0, 0),
        // r0 = open
        Instruction::new(0xb7, R0, 0, 0, open),
        // r1 = *(u32 *)r1
        Instruction::new(0x61, R1, R1, 0, 0),
        // if r1 == 0, skip one
        Instruction::new(0x15, R1, 0, 1, 0),
        // r0 = closed
        Instruction::new(0xb7, R0, 0, 0, closed),
        // return r0
        Instruction::new(0x95, 0, 0, 0, 0),
    ]
}
