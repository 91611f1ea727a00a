//! A flood: prepared frames that arrive at a NIC as fast as a wire would bring them, each of them counted.
//!
//! A program of a few instructions takes the next frame of a table and redirects it onto the far end of the NIC's cable;
//! `BPF_PROG_TEST_RUN` with live frames runs it some hundred times for each system call. No socket buffer is made
//! on the way, so a frame costs the sender about as much as the program that it is meant for, and no switch has to
//! carry it. A capture on the cable does not see it either: what a capture sees is everything else.
//!
//! The thread that sends goes behind everything else (`SCHED_IDLE`), as the frames of another machine would: as an ordinary
//! one it kept the kernel's own thread for received frames from running for a time slice of 4 ms, and with it the heartbeats among
//! them. Two things are not as with another machine: the sender's work is done by the processors of this one, and [`Nic::cut`]
//! does not stop a flood.

use std::{
    fs::File,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::FileExt as _,
    },
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{
    Must, Namespace, Nic,
    bpf::{self, Hook, Instruction},
    clock::{self, now_ns, sleep_until, wait_until},
    word::Word,
};

/// Octets of the longest frame.
pub const LONGEST: usize = 252;
/// Octets of the shortest: an Ethernet header.
pub const SHORTEST: usize = 14;

/// Octets of the table's values: a length and a frame.
const VALUE: usize = 4 + LONGEST;
/// Frames that are sent without a look at anything else. A veth's ring holds 256, and each batch is taken from it before the
/// next one is made, unless another processor is at it.
const BATCH: u32 = 64;
/// Frames of one system call, and in the ring at any time: what others send to the NIC has to find room in it, too. On a wire it
/// would: a sender is no faster than its wire, and the ring is emptied by a machine that has nothing to do with the sender's.
const MOST_AT_ONCE: u64 = 192;
/// How often the sender looks whether frames are due.
const TICK_NS: u64 = 500_000;
/// A sender that was kept from sending makes up for this much of it and forgets the rest.
const MOST_OWED_NS: u64 = 100_000_000;
/// How often it is looked whether the ring is empty again.
const LOOK_NS: u64 = 20_000;
/// How long frames may take to be received.
const ARRIVAL: Duration = Duration::from_secs(5);

/// When a flood ends by itself.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After so many frames.
    Sent(u64),
}

/// A running flood.
#[derive(Debug)]
pub struct Flood {
    sender: JoinHandle<Result<Sent>>,
}

/// What a flood has sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// How often each of the frames was sent, in the order they were given.
    pub frames: Vec<u64>,
    /// Frames that the NIC did not take while this went on, anybody's: its ring was full.
    pub lost: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// How much of that was spent on sending and, as a veth's receiver works in the sender's time, on receiving.
    pub busy: Duration,
}

impl Sent {
    /// All frames.
    pub fn total(&self) -> u64 {
        self.frames.iter().sum()
    }

    /// Frames a second.
    pub fn rate(&self) -> f64 {
        self.total() as f64 / self.elapsed.as_secs_f64()
    }
}

impl Flood {
    /// Lets `frames` arrive at a NIC that has a native XDP program, one after the other and again from the first,
    /// `per_second` of them a second.
    #[track_caller]
    pub fn start(nic: &Nic, frames: &[Vec<u8>], per_second: u64, until: Until) -> Self {
        let generator = Generator::new(nic.far_index(), frames).must("a generator of frames");
        let nic = nic.clone();
        let far = Arc::clone(nic.far());
        let sender = far.spawn("flood", move || {
            clock::run_last();

            let before = nic.wire_traffic();
            let ring = Ring::open(nic.far_name())?;
            let mut sent = generator.send(per_second, until, &ring)?;
            let total = sent.total();
            let mut since = before;
            let arrived = wait_until(ARRIVAL, || {
                since = nic.wire_traffic().since(&before);

                since.sent + since.lost >= total
            });

            ensure!(
                arrived,
                "of {total} frames only {} arrived, and {} were lost on the way",
                since.sent,
                since.lost
            );
            sent.lost = since.lost;

            Ok(sent)
        });

        Self { sender }
    }

    /// Whether it still sends.
    pub fn goes_on(&self) -> bool {
        !self.sender.is_finished()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(self) -> Sent {
        match self.sender.join() {
            Ok(sent) => sent.must("a flood"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Index of a loopback.
const LOOPBACK: u32 = 1;

/// The program, its table and the number of frames that it has sent.
struct Generator {
    program: OwnedFd,
    _table: OwnedFd,
    _installed: Installed,
    sent: Word,
    kinds: u64,
    longest: Vec<u8>,
}

/// The program on the loopback of an empty namespace, where it never runs.
///
/// The kernel calls XDP programs by a dispatcher, rewritten for each program that comes or goes, at the price of an RCU grace
/// period. For a program that is nowhere else that is twice in every system call of ours: 58 ms each were measured, with
/// 0.4 ms of frames. One that is on some link stays in the dispatcher.
struct Installed {
    _link: OwnedFd,
    _nowhere: Namespace,
}

impl Installed {
    fn new(program: &OwnedFd) -> Result<Self> {
        let nowhere = Namespace::new("nowhere");
        let link = nowhere.run(|| bpf::attach(Hook::GenericXdp, program.as_fd(), LOOPBACK))?;

        Ok(Self {
            _link: link,
            _nowhere: nowhere,
        })
    }
}

impl Generator {
    fn new(onto: u32, frames: &[Vec<u8>]) -> Result<Self> {
        ensure!(!frames.is_empty(), "no frames");

        let mut values = Vec::with_capacity(frames.len());

        for frame in frames {
            ensure!(
                (SHORTEST..=LONGEST).contains(&frame.len()),
                "a frame of {} octets",
                frame.len()
            );

            let mut value = u32::try_from(frame.len())?.to_ne_bytes().to_vec();

            value.extend(frame);
            values.push(value);
        }

        let table = bpf::create_table(&values, VALUE)?;
        let sent = Word::create()?;
        let program = program(
            &sent,
            &table,
            i32::try_from(frames.len())?,
            onto.cast_signed(),
        );
        let program = bpf::load(Hook::Xdp, "lab_flood", &program)?;
        let installed = Installed::new(&program)?;

        Ok(Self {
            program,
            _table: table,
            _installed: installed,
            sent,
            kinds: u64::try_from(frames.len())?,
            longest: vec![0; LONGEST],
        })
    }

    fn send(&self, per_second: u64, until: Until, ring: &Ring) -> Result<Sent> {
        let start = now_ns();
        let mut busy = Duration::ZERO;
        let mut owed_from = start;
        let mut owed_sent = 0;
        let mut total = 0;
        let tick = frames_in(TICK_NS, per_second).max(1);
        let most_owed = frames_in(MOST_OWED_NS, per_second);

        loop {
            let now = now_ns();
            let left = match until {
                Until::Elapsed(time) if u128::from(now - start) >= time.as_nanos() => 0,
                Until::Elapsed(_) => u64::MAX,
                Until::Sent(frames) => frames - total,
            };

            if left == 0 {
                return Ok(Sent {
                    frames: self.shares(total),
                    lost: 0,
                    elapsed: Duration::from_nanos(now - start),
                    busy,
                });
            }

            if now - owed_from > MOST_OWED_NS
                && frames_in(now - owed_from, per_second) - owed_sent > most_owed
            {
                (owed_from, owed_sent) = (now - MOST_OWED_NS, 0);
            }

            let due = frames_in(now - owed_from, per_second) - owed_sent;
            let burst = due.min(left).min(MOST_AT_ONCE);

            // A system call has a price of its own.
            if due < tick {
                sleep_until(now + TICK_NS);
                continue;
            }

            let left_before = ring.left()?;

            self.burst(burst)?;
            ring.wait_for(left_before + burst)?;
            total += burst;
            owed_sent += burst;
            busy += Duration::from_nanos(now_ns() - now);
        }
    }

    fn burst(&self, frames: u64) -> Result<()> {
        let before = self.sent.load();
        let runs = u32::try_from(frames)?;

        bpf::run_live(self.program.as_fd(), &self.longest, runs, BATCH)
            .context("sending frames")?;

        let sent = self.sent.load() - before;

        ensure!(
            sent == frames,
            "{sent} frames were sent instead of {frames}"
        );

        Ok(())
    }

    /// How often each frame is among the first `total`.
    fn shares(&self, total: u64) -> Vec<u64> {
        (0..self.kinds)
            .map(|kind| total / self.kinds + u64::from(kind < total % self.kinds))
            .collect()
    }
}

/// The ring behind the far end of a cable, as the counters of that link tell of it.
struct Ring {
    counters: File,
    name: String,
}

impl Ring {
    /// In the namespace of the calling thread.
    fn open(name: &str) -> Result<Self> {
        Ok(Self {
            counters: File::open("/proc/thread-self/net/dev").context("counters of links")?,
            name: format!("{name}:"),
        })
    }

    /// How many frames, anybody's, have left the ring: taken from it by the receiver, or lost in front of it.
    fn left(&self) -> Result<u64> {
        /// Where `/proc/net/dev` has the frames sent, and those dropped instead.
        const SENT: usize = 9;
        const DROPPED: usize = 11;

        let mut text = [0; 8192];
        let length = self.counters.read_at(&mut text, 0)?;
        let text = std::str::from_utf8(&text[..length])?;
        let line = text
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(&self.name))
            .with_context(|| format!("no counters of {}", self.name))?;
        let number = |field| -> Result<u64> {
            let text = line.split_whitespace().nth(field).context("a counter")?;

            Ok(text.parse()?)
        };

        Ok(number(SENT)? + number(DROPPED)?)
    }

    /// Waits until so many have. The receiver's work is mostly done by then, in the sender's system call: this waits for another
    /// processor that is at it, or for the kernel's own thread, if that has been left the rest.
    fn wait_for(&self, frames: u64) -> Result<()> {
        let end = now_ns() + u64::try_from(ARRIVAL.as_nanos())?;

        while self.left()? < frames {
            ensure!(now_ns() < end, "frames stay in the ring for {ARRIVAL:?}");
            sleep_until(now_ns() + LOOK_NS);
        }

        Ok(())
    }
}

/// How many frames are due within a time.
fn frames_in(ns: u64, per_second: u64) -> u64 {
    let frames = u128::from(ns) * u128::from(per_second) / 1_000_000_000;

    u64::try_from(frames).unwrap_or(u64::MAX)
}

/// Makes the frame that it is run for the next one of the table, counts it and redirects it.
fn program(sent: &Word, table: &OwnedFd, kinds: i32, onto: i32) -> Vec<Instruction> {
    const R0: u8 = 0;
    const R1: u8 = 1;
    const R2: u8 = 2;
    const R3: u8 = 3;
    const R4: u8 = 4;
    const CONTEXT: u8 = 6;
    const SENT: u8 = 7;
    const VALUE_AT: u8 = 8;
    const LENGTH: u8 = 9;
    const STACK: u8 = 10;

    const MAP: u8 = 1;
    const MAP_VALUE: u8 = 2;

    const MAP_LOOKUP_ELEM: i32 = 1;
    const REDIRECT: i32 = 23;
    const XDP_ADJUST_TAIL: i32 = 65;
    const XDP_STORE_BYTES: i32 = 190;

    /// Of a jump to the last two instructions, which are filled in at the end.
    const GIVE_UP: i16 = i16::MAX;

    let op = Instruction::new;
    let longest = i32::from(u16::try_from(LONGEST).unwrap_or(u16::MAX));
    let shortest = i32::from(u16::try_from(SHORTEST).unwrap_or(u16::MAX));
    let mut program = vec![
        op(0xbf, CONTEXT, R1, 0, 0),
        // SENT = address of the number of frames sent; key = that number % kinds
        op(0x18, SENT, MAP_VALUE, 0, sent.as_fd().as_raw_fd()),
        op(0, 0, 0, 0, 0),
        op(0x79, R1, SENT, 0, 0),
        op(0x97, R1, 0, 0, kinds),
        op(0x63, STACK, R1, -4, 0),
        // VALUE_AT = table[key]
        op(0x18, R1, MAP, 0, table.as_raw_fd()),
        op(0, 0, 0, 0, 0),
        op(0xbf, R2, STACK, 0, 0),
        op(0x07, R2, 0, 0, -4),
        op(0x85, 0, 0, 0, MAP_LOOKUP_ELEM),
        op(0x15, R0, 0, GIVE_UP, 0),
        op(0xbf, VALUE_AT, R0, 0, 0),
        // LENGTH = its first four octets, within bounds that the verifier wants to see
        op(0x61, LENGTH, VALUE_AT, 0, 0),
        op(0x25, LENGTH, 0, GIVE_UP, longest),
        op(0xa5, LENGTH, 0, GIVE_UP, shortest),
        // The frame is as long as the longest: adjust_tail(LENGTH - longest)
        op(0xbf, R1, CONTEXT, 0, 0),
        op(0xbf, R2, LENGTH, 0, 0),
        op(0x07, R2, 0, 0, -longest),
        op(0x85, 0, 0, 0, XDP_ADJUST_TAIL),
        op(0x55, R0, 0, GIVE_UP, 0),
        // store_bytes(0, VALUE_AT + 4, LENGTH)
        op(0xbf, R1, CONTEXT, 0, 0),
        op(0xb7, R2, 0, 0, 0),
        op(0xbf, R3, VALUE_AT, 0, 0),
        op(0x07, R3, 0, 0, 4),
        op(0xbf, R4, LENGTH, 0, 0),
        op(0x85, 0, 0, 0, XDP_STORE_BYTES),
        op(0x55, R0, 0, GIVE_UP, 0),
        // One more: nobody else writes the number.
        op(0x79, R1, SENT, 0, 0),
        op(0x07, R1, 0, 0, 1),
        op(0x7b, SENT, R1, 0, 0),
        // return redirect(onto, 0)
        op(0xb7, R1, 0, 0, onto),
        op(0xb7, R2, 0, 0, 0),
        op(0x85, 0, 0, 0, REDIRECT),
        op(0x95, 0, 0, 0, 0),
        // return XDP_ABORTED
        op(0xb7, R0, 0, 0, 0),
        op(0x95, 0, 0, 0, 0),
    ];
    let give_up = program.len() - 2;

    for (at, instruction) in program.iter_mut().enumerate() {
        if instruction.offset == GIVE_UP {
            instruction.offset = i16::try_from(give_up - at - 1).unwrap_or(GIVE_UP);
        }
    }

    program
}
