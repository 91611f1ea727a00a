//! The few `bpf(2)` calls that the lab needs to put tiny hand-assembled programs on its own links. They are made directly
//! so that the lab works without the eBPF toolchain.

use std::{
    ffi::CStr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use anyhow::{Context, Result, ensure};

const BPF_MAP_CREATE: i64 = 0;
const BPF_MAP_UPDATE_ELEM: i64 = 2;
const BPF_PROG_LOAD: i64 = 5;
const BPF_PROG_TEST_RUN: i64 = 10;
const BPF_MAP_LOOKUP_BATCH: i64 = 24;
const BPF_LINK_CREATE: i64 = 28;

const BPF_MAP_TYPE_HASH: u32 = 1;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_MAP_TYPE_PROG_ARRAY: u32 = 3;
const BPF_MAP_TYPE_DEVMAP_HASH: u32 = 25;
const BPF_F_MMAPABLE: u32 = 1 << 10;
const BPF_F_TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;

/// One instruction of eBPF as the kernel reads it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instruction {
    pub(crate) opcode: u8,
    /// Destination in the low half, source in the high half.
    pub(crate) registers: u8,
    pub(crate) offset: i16,
    pub(crate) immediate: i32,
}

impl Instruction {
    pub(crate) const fn new(
        opcode: u8,
        destination: u8,
        source: u8,
        offset: i16,
        immediate: i32,
    ) -> Self {
        Self {
            opcode,
            registers: destination | source << 4,
            offset,
            immediate,
        }
    }
}

/// Program types with the attach point that the lab uses for each.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hook {
    /// XDP in the driver.
    Xdp,
    /// XDP behind the driver, which every link can have.
    GenericXdp,
    /// tc egress (tcx).
    TcxEgress,
}

impl Hook {
    fn program_type(self) -> u32 {
        match self {
            Self::Xdp | Self::GenericXdp => 6,
            Self::TcxEgress => 3,
        }
    }

    fn attach_type(self) -> u32 {
        match self {
            Self::Xdp | Self::GenericXdp => 37,
            Self::TcxEgress => 47,
        }
    }

    fn program_flags(self) -> u32 {
        match self {
            // BPF_F_XDP_HAS_FRAGS: without it a veth refuses large MTUs and segmentation offload.
            Self::Xdp | Self::GenericXdp => 1 << 5,
            Self::TcxEgress => 0,
        }
    }

    fn link_flags(self) -> u32 {
        match self {
            // XDP_FLAGS_DRV_MODE: only a native program gives the veth a NAPI.
            Self::Xdp => 1 << 2,
            // XDP_FLAGS_SKB_MODE
            Self::GenericXdp => 1 << 1,
            Self::TcxEgress => 0,
        }
    }
}

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct MapUpdate {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct MapBatch {
    from: u64,
    next: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    element_flags: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct TestRun {
    program_fd: u32,
    result: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

#[repr(C)]
#[derive(Default)]
struct ProgramLoad {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    expected_attach_type: u32,
}

#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    program_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// An array map of one eight-octet entry that user space can map into its memory.
pub(crate) fn create_word() -> Result<OwnedFd> {
    let attributes = MapCreate {
        map_type: BPF_MAP_TYPE_ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        map_flags: BPF_F_MMAPABLE,
    };

    // SAFETY: the attributes of this command hold no pointers.
    new_descriptor(unsafe { bpf(BPF_MAP_CREATE, &attributes) }).context("creating a map")
}

/// An array map of the octets in `values`, each padded with zeros to `value_size`.
pub(crate) fn create_table(values: &[Vec<u8>], value_size: usize) -> Result<OwnedFd> {
    let attributes = MapCreate {
        map_type: BPF_MAP_TYPE_ARRAY,
        key_size: 4,
        value_size: u32::try_from(value_size)?,
        max_entries: u32::try_from(values.len())?,
        map_flags: 0,
    };
    // SAFETY: the attributes of this command hold no pointers.
    let map = new_descriptor(unsafe { bpf(BPF_MAP_CREATE, &attributes) }).context("a map")?;

    for (index, value) in values.iter().enumerate() {
        ensure!(value.len() <= value_size, "value {index} is too long");

        let key = u32::try_from(index)?;
        let mut padded = value.clone();

        padded.resize(value_size, 0);

        let attributes = MapUpdate {
            map_fd: map.as_raw_fd().cast_unsigned(),
            key: (&raw const key) as u64,
            value: padded.as_ptr() as u64,
            ..MapUpdate::default()
        };

        // SAFETY: the pointers are to a key and a value of the map's sizes, which outlive the call.
        unsafe { bpf(BPF_MAP_UPDATE_ELEM, &attributes) }
            .with_context(|| format!("value {index} of a map"))?;
    }

    Ok(map)
}

/// A program array of one entry, for tail calls.
pub(crate) fn create_call(program: BorrowedFd<'_>) -> Result<OwnedFd> {
    let map = create_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 1).context("a program array")?;

    update(
        map.as_fd(),
        &0u32.to_ne_bytes(),
        &program.as_raw_fd().to_ne_bytes(),
    )
    .context("a program to call")?;

    Ok(map)
}

/// A hash map with these entries, all of the first one's sizes.
pub(crate) fn create_hash(entries: &[(Vec<u8>, Vec<u8>)], room: u32) -> Result<OwnedFd> {
    let (key, value) = entries.first().context("a hash map without entries")?;
    let map = create_map(BPF_MAP_TYPE_HASH, key.len(), value.len(), room).context("a hash map")?;

    for (key, value) in entries {
        update(map.as_fd(), key, value).context("an entry of a hash map")?;
    }

    Ok(map)
}

/// A devmap whose one entry is the link with this index, under it.
pub(crate) fn create_way_out(index: u32) -> Result<OwnedFd> {
    let map = create_map(BPF_MAP_TYPE_DEVMAP_HASH, 4, 4, 1).context("a devmap")?;
    let index = index.to_ne_bytes();

    update(map.as_fd(), &index, &index).context("an entry of a devmap")?;

    Ok(map)
}

fn create_map(kind: u32, key: usize, value: usize, room: u32) -> Result<OwnedFd> {
    let attributes = MapCreate {
        map_type: kind,
        key_size: u32::try_from(key)?,
        value_size: u32::try_from(value)?,
        max_entries: room,
        map_flags: 0,
    };

    // SAFETY: the attributes of this command hold no pointers.
    Ok(new_descriptor(unsafe { bpf(BPF_MAP_CREATE, &attributes) })?)
}

/// Key and value are of the map's sizes, as those are taken from them or fixed by the map's kind.
fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> std::io::Result<()> {
    let attributes = MapUpdate {
        map_fd: map.as_raw_fd().cast_unsigned(),
        key: key.as_ptr() as u64,
        value: value.as_ptr() as u64,
        ..MapUpdate::default()
    };

    // SAFETY: the pointers are to a key and a value of the map's sizes, which outlive the call.
    unsafe { bpf(BPF_MAP_UPDATE_ELEM, &attributes) }.map(|_| ())
}

/// What came of running a program again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed {
    /// What it returned the last time.
    pub(crate) returned: u32,
    /// How long one time took on average, nanoseconds.
    pub(crate) ns: u32,
}

/// Runs an XDP program `runs` times on a frame that comes in by the link with this index, one of the calling thread's
/// namespace. What the program leaves of the frame is what it gets the next time.
pub(crate) fn run_timed(
    program: BorrowedFd<'_>,
    frame: &[u8],
    ingress: u32,
    runs: u32,
) -> Result<Timed> {
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    let context = [0, u32::try_from(frame.len())?, 0, ingress, 0, 0];
    let mut attributes = TestRun {
        program_fd: program.as_raw_fd().cast_unsigned(),
        data_size_in: u32::try_from(frame.len())?,
        data_in: frame.as_ptr() as u64,
        context_in: context.as_ptr() as u64,
        context_size_in: u32::try_from(size_of_val(&context))?,
        repeat: runs,
        ..TestRun::default()
    };

    // SAFETY: the pointers are to a frame and a context as long as stated, which outlive the call; results are written into the
    // attributes, which nobody else refers to.
    unsafe { bpf_into(BPF_PROG_TEST_RUN, &mut attributes) }.context("BPF_PROG_TEST_RUN")?;

    Ok(Timed {
        returned: attributes.result,
        ns: attributes.duration,
    })
}

/// Reads the first entries of an array, as many as there are `keys`.
///
/// # Safety
///
/// `values` must have room for the values of so many entries, with those of every processor that there may be if the array is one
/// per processor.
pub(crate) unsafe fn read_words(
    map: impl AsFd,
    keys: &mut [u32],
    values: &mut [u64],
) -> Result<()> {
    let count = u32::try_from(keys.len())?;
    let mut next = 0_u32;
    let attributes = MapBatch {
        next: (&raw mut next) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count,
        map_fd: map.as_fd().as_raw_fd().cast_unsigned(),
        ..MapBatch::default()
    };

    // SAFETY: the pointers are to room for a key, for so many keys, and, by the caller's promise, for their values; all of it
    // outlives the call.
    match unsafe { bpf(BPF_MAP_LOOKUP_BATCH, &attributes) } {
        Ok(_) => Ok(()),
        // That there is nothing behind them.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        Err(error) => Err(error).context("reading an array as a whole (Linux 5.13)"),
    }
}

/// Runs an XDP program `runs` times, `batch` at a time, on frames that are really sent wherever it says. Each begins as
/// `frame` or as what the program left in the memory that it gets again.
pub(crate) fn run_live(
    program: BorrowedFd<'_>,
    frame: &[u8],
    runs: u32,
    batch: u32,
) -> std::io::Result<()> {
    let attributes = TestRun {
        program_fd: program.as_raw_fd().cast_unsigned(),
        data_size_in: u32::try_from(frame.len()).map_err(std::io::Error::other)?,
        data_in: frame.as_ptr() as u64,
        repeat: runs,
        flags: BPF_F_TEST_XDP_LIVE_FRAMES,
        batch_size: batch,
        ..TestRun::default()
    };

    // SAFETY: the one pointer is to a frame as long as stated, which outlives the call.
    unsafe { bpf(BPF_PROG_TEST_RUN, &attributes) }.map(|_| ())
}

/// Loads a program.
pub(crate) fn load(hook: Hook, name: &str, program: &[Instruction]) -> Result<OwnedFd> {
    const LICENSE: &CStr = c"GPL";

    let mut attributes = ProgramLoad {
        program_type: hook.program_type(),
        instruction_count: u32::try_from(program.len())?,
        instructions: program.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        flags: hook.program_flags(),
        expected_attach_type: hook.attach_type(),
        ..ProgramLoad::default()
    };

    for (to, from) in attributes.name[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }

    // SAFETY: the pointers are to the program, as long as stated, and to a terminated string; both outlive the call.
    new_descriptor(unsafe { bpf(BPF_PROG_LOAD, &attributes) })
        .with_context(|| format!("loading {name}"))
}

/// Attaches a program to the link with this index in the calling thread's namespace. It stays as long as the descriptor
/// that is returned, or the link.
pub(crate) fn attach(hook: Hook, program: BorrowedFd<'_>, index: u32) -> Result<OwnedFd> {
    let attributes = LinkCreate {
        program_fd: program.as_raw_fd().cast_unsigned(),
        target_ifindex: index,
        attach_type: hook.attach_type(),
        flags: hook.link_flags(),
    };

    // SAFETY: the attributes of this command hold no pointers.
    new_descriptor(unsafe { bpf(BPF_LINK_CREATE, &attributes) })
        .with_context(|| format!("attaching to link {index} ({hook:?})"))
}

/// What a command returned that makes something: its descriptor.
fn new_descriptor(returned: std::io::Result<i64>) -> std::io::Result<OwnedFd> {
    let fd = i32::try_from(returned?).map_err(std::io::Error::other)?;

    // SAFETY: such commands return a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The same for a command that writes results into its attributes.
///
/// # Safety
///
/// As of [`bpf`].
unsafe fn bpf_into<T>(command: i64, attributes: &mut T) -> std::io::Result<i64> {
    // SAFETY: the caller's promise; the size is that of the attributes, the kernel takes the rest as zero.
    let returned =
        unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };

    if returned < 0 {
        return Err(std::io::Error::last_os_error());
    }

    Ok(returned)
}

/// What the command returns, which is not negative.
///
/// # Safety
///
/// `attributes` must be what `command` expects, and pointers in it must be valid for the call.
unsafe fn bpf<T>(command: i64, attributes: &T) -> std::io::Result<i64> {
    // SAFETY: the caller's promise; the size is that of the attributes, the kernel takes the rest as zero.
    let returned = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };

    if returned < 0 {
        return Err(std::io::Error::last_os_error());
    }

    Ok(returned)
}
