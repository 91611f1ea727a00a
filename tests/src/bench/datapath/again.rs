//! Programs of a few instructions, assembled by hand, that others are timed with.

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use anyhow::{Result, ensure};

use crate::lab::bpf::{self, Hook, Instruction, Timed};

const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;
const R3: u8 = 3;
const R4: u8 = 4;
const CONTEXT: u8 = 6;
const DATA: u8 = 7;
const STACK: u8 = 10;

const MAP: u8 = 1;
const MAP_VALUE: u8 = 2;

const MAP_LOOKUP_ELEM: i32 = 1;
const TAIL_CALL: i32 = 12;
const REDIRECT_MAP: i32 = 51;
const XDP_STORE_BYTES: i32 = 190;

/// Octets of the longest frame.
const LONGEST: usize = 256;

/// A program that writes a frame as it is to be, and then goes on as another one. `BPF_PROG_TEST_RUN` hands a program what it
/// has left of the frame: without this only programs that change nothing could be run twice.
#[derive(Debug)]
pub(super) struct Again {
    program: OwnedFd,
    frame: Vec<u8>,
    _maps: [OwnedFd; 2],
}

impl Again {
    /// Hands `frame` to `program`.
    pub(super) fn new(program: BorrowedFd<'_>, frame: &[u8]) -> Result<Self> {
        ensure!(frame.len() <= LONGEST, "a frame of {} octets", frame.len());

        let table = bpf::create_table(&[frame.to_vec()], LONGEST)?;
        let call = bpf::create_call(program)?;
        let op = Instruction::new;
        let instructions = [
            op(0xbf, CONTEXT, R1, 0, 0),
            // store_bytes(context, 0, table[0], length)
            op(0xb7, R2, 0, 0, 0),
            op(0x18, R3, MAP_VALUE, 0, table.as_raw_fd()),
            op(0, 0, 0, 0, 0),
            op(0xb7, R4, 0, 0, i32::try_from(frame.len())?),
            op(0x85, 0, 0, 0, XDP_STORE_BYTES),
            // tail_call(context, call, 0)
            op(0xbf, R1, CONTEXT, 0, 0),
            op(0x18, R2, MAP, 0, call.as_raw_fd()),
            op(0, 0, 0, 0, 0),
            op(0xb7, R3, 0, 0, 0),
            op(0x85, 0, 0, 0, TAIL_CALL),
            // return XDP_ABORTED
            op(0xb7, R0, 0, 0, 0),
            op(0x95, 0, 0, 0, 0),
        ];

        Ok(Self {
            program: bpf::load(Hook::Xdp, "bench_again", &instructions)?,
            frame: frame.to_vec(),
            _maps: [table, call],
        })
    }

    /// Times it on a frame that comes in by this link.
    pub(super) fn run(&self, ingress: u32, runs: u32) -> Result<Timed> {
        bpf::run_timed(self.program.as_fd(), &self.frame, ingress, runs)
    }
}

/// A program that looks the IPv4 destination up in a hash map and redirects by a devmap, and nothing else: the least that a
/// redirect by address costs.
#[derive(Debug)]
pub(super) struct BareRedirect {
    program: OwnedFd,
    _maps: [OwnedFd; 2],
}

impl BareRedirect {
    /// Frames for `destination` go to the link `onto`.
    pub(super) fn new(destination: [u8; 4], onto: u32, room: u32) -> Result<Self> {
        const ETHERTYPE: i16 = 12;
        const DESTINATION: i16 = 14 + 16;
        const NEEDED: i32 = 14 + 20;
        /// ETH_P_IP as it is read by a little-endian load.
        const IPV4: i32 = 0x0008;
        /// Of a jump to the last two instructions, which are filled in at the end.
        const PASS: i16 = i16::MAX;

        let entry = (destination.to_vec(), onto.to_ne_bytes().to_vec());
        let table = bpf::create_hash(&[entry], room)?;
        let way_out = bpf::create_way_out(onto)?;
        let op = Instruction::new;
        let mut instructions = [
            // DATA = data; if data + NEEDED > data_end, pass
            op(0x61, DATA, R1, 0, 0),
            op(0x61, R2, R1, 4, 0),
            op(0xbf, R3, DATA, 0, 0),
            op(0x07, R3, 0, 0, NEEDED),
            op(0x2d, R3, R2, PASS, 0),
            op(0x69, R2, DATA, ETHERTYPE, 0),
            op(0x55, R2, 0, PASS, IPV4),
            // key = destination
            op(0x61, R2, DATA, DESTINATION, 0),
            op(0x63, STACK, R2, -4, 0),
            // r0 = table[key]
            op(0x18, R1, MAP, 0, table.as_raw_fd()),
            op(0, 0, 0, 0, 0),
            op(0xbf, R2, STACK, 0, 0),
            op(0x07, R2, 0, 0, -4),
            op(0x85, 0, 0, 0, MAP_LOOKUP_ELEM),
            op(0x15, R0, 0, PASS, 0),
            // return redirect_map(way_out, *r0, 0)
            op(0x61, R2, R0, 0, 0),
            op(0x18, R1, MAP, 0, way_out.as_raw_fd()),
            op(0, 0, 0, 0, 0),
            op(0xb7, R3, 0, 0, 0),
            op(0x85, 0, 0, 0, REDIRECT_MAP),
            op(0x95, 0, 0, 0, 0),
            // return XDP_PASS
            op(0xb7, R0, 0, 0, 2),
            op(0x95, 0, 0, 0, 0),
        ];
        let pass = instructions.len() - 2;

        for (at, instruction) in instructions.iter_mut().enumerate() {
            if instruction.offset == PASS {
                instruction.offset = i16::try_from(pass - at - 1)?;
            }
        }

        Ok(Self {
            program: bpf::load(Hook::Xdp, "bench_bare", &instructions)?,
            _maps: [table, way_out],
        })
    }

    /// The program.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}
