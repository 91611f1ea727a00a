//! The program on the far end of every cable, and with it the cable's switch.
//!
//! A frame that XDP transmits or redirects into a veth vanishes unless the peer has a NAPI, and only a native XDP
//! program gives it one. So each far end carries one that passes everything.
//!
//! The same program gives the cable an off switch: it drops instead of passing when a word in a memory-mapped map is
//! not zero, and a tcx program on the same end does so for the other direction. Setting the word is one store to memory,
//! so the cable is cut at an instant that is known to well below a microsecond, for both directions, and no frame passes
//! afterwards. Taking the link down by netlink has no such instant (see [`super::Nic::pull`]).

use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::{
    bpf::{self, Hook, Instruction},
    clock::now_ns,
};

const PAGE: usize = 4096;

const XDP_DROP: i32 = 1;
const XDP_PASS: i32 = 2;
const XDP_TX: i32 = 3;
const TCX_NEXT: i32 = -1;
const TCX_DROP: i32 = 2;

/// The programs on a far end, and the word that they look at.
#[derive(Debug)]
pub struct Gate {
    word: NonNull<AtomicU64>,
    _links: [OwnedFd; 2],
}

// SAFETY: `word` points to memory that is mapped until the value is dropped, and it is only accessed atomically.
unsafe impl Send for Gate {}
// SAFETY: as above.
unsafe impl Sync for Gate {}

impl Gate {
    /// Puts the programs on a link in the calling thread's namespace. The gate is open.
    pub fn attach(index: u32) -> Result<Self> {
        let map = bpf::create_word()?;
        let xdp = bpf::load(Hook::Xdp, "lab_pass", &program(&map, XDP_PASS, XDP_DROP))?;
        let tcx = bpf::load(
            Hook::TcxEgress,
            "lab_pass_out",
            &program(&map, TCX_NEXT, TCX_DROP),
        )?;
        let links = [
            bpf::attach(Hook::Xdp, xdp.as_fd(), index)?,
            bpf::attach(Hook::TcxEgress, tcx.as_fd(), index)?,
        ];

        // SAFETY: a new mapping at a place of the kernel's choice touches nothing that exists.
        let memory = unsafe {
            mmap(
                std::ptr::null_mut(),
                PAGE,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &map,
                0,
            )
        }
        .context("mapping the gate's word")?;
        let word = NonNull::new(memory.cast()).context("mmap at address zero")?;

        Ok(Self {
            word,
            _links: links,
        })
    }

    /// Drops every frame from now on, in both directions. Returns the instant just before, `CLOCK_MONOTONIC`.
    pub fn close(&self) -> u64 {
        let at = now_ns();

        self.word().store(1, Ordering::SeqCst);

        at
    }

    /// Lets frames pass again. Returns the instant just before, `CLOCK_MONOTONIC`.
    pub fn open(&self) -> u64 {
        let at = now_ns();

        self.word().store(0, Ordering::SeqCst);

        at
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: the mapping lives as long as `self`, is page-aligned, and eight octets of it are the map's value.
        unsafe { self.word.as_ref() }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `attach`, and no reference to it outlives `self`.
        let unmapped = unsafe { munmap(self.word.as_ptr().cast(), PAGE) };

        debug_assert!(unmapped.is_ok(), "munmap: {unmapped:?}");
    }
}

/// Puts a program on a link in the calling thread's namespace that sends every frame back unchanged (`XDP_TX`), as long as
/// the descriptor that is returned is open. For trying whether a cable carries such frames.
pub fn attach_mirror(index: u32) -> Result<OwnedFd> {
    let map = bpf::create_word()?;
    let program = bpf::load(Hook::Xdp, "lab_mirror", &program(&map, XDP_TX, XDP_DROP))?;

    bpf::attach(Hook::Xdp, program.as_fd(), index)
}

/// `if word == 0 { open } else { closed }`
fn program(map: &OwnedFd, open: i32, closed: i32) -> [Instruction; 7] {
    const R0: u8 = 0;
    const R1: u8 = 1;
    const MAP_VALUE: u8 = 2;

    let instruction = |opcode, destination: u8, source: u8, offset, immediate| Instruction {
        opcode,
        registers: destination | source << 4,
        offset,
        immediate,
    };

    [
        // r1 = address of the map's value (two slots)
        instruction(0x18, R1, MAP_VALUE, 0, map.as_raw_fd()),
        instruction(0, 0, 0, 0, 0),
        // r0 = open
        instruction(0xb7, R0, 0, 0, open),
        // r1 = *(u32 *)r1
        instruction(0x61, R1, R1, 0, 0),
        // if r1 == 0, skip one
        instruction(0x15, R1, 0, 1, 0),
        // r0 = closed
        instruction(0xb7, R0, 0, 0, closed),
        // return r0
        instruction(0x95, 0, 0, 0, 0),
    ]
}
