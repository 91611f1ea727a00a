//! Arrays mapped into memory, so that they are read without a system call: of the sessions, whose send times the
//! heartbeat thread writes and which the program measures, and of what it heard by ARP.

use std::{
    os::fd::AsFd as _,
    ptr,
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use anyhow::Context as _;
use aya::maps::MapData;
use failover_ebpf::{
    abi::{
        BUCKETS, Heard, MAX_LISTENED, MAX_SESSIONS, SessionRx, SessionTx, answered_mark,
        is_refused, map,
    },
    measure,
};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::pins::Pins;

/// A reflector is asked at least this often, whatever it says: the slowest interval that can be configured.
const SLOWEST_US: u32 = 60_000_000;

/// One array, mapped.
pub(super) struct Mapping<T> {
    at: *mut T,
    elements: u32,
    // The kernel's map lives as long as its descriptor, its pin or this mapping.
    _map: MapData,
}

// SAFETY: the memory is shared with the kernel and with other mappings; every access is atomic or volatile.
unsafe impl<T> Send for Mapping<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Mapping<T> {}

impl<T> Mapping<T> {
    /// Maps the pinned array `name` of so many elements.
    pub(super) fn open(pins: &Pins, name: &str, elements: u32) -> anyhow::Result<Self> {
        let path = pins.map(name);
        let data = MapData::from_pin(&path)
            .with_context(|| format!("the map {} cannot be opened", path.display()))?;
        // SAFETY: a new mapping at an address of the kernel's choice; its length is that of the array, whose shape was
        // checked when the program was loaded.
        let at = unsafe {
            mmap(
                ptr::null_mut(),
                Self::length(elements),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                data.fd().as_fd(),
                0,
            )
        }
        .with_context(|| format!("the map {} cannot be mapped into memory", path.display()))?;
        Ok(Self {
            at: at.cast(),
            elements,
            _map: data,
        })
    }

    /// Octets of so many elements.
    const fn length(elements: u32) -> usize {
        size_of::<T>() * elements as usize
    }

    pub(super) fn element(&self, index: u32) -> *mut T {
        assert!(
            index < self.elements,
            "element {index} of an array of {}",
            self.elements
        );
        // SAFETY: inside the mapping, by the assertion.
        unsafe { self.at.add(index as usize) }
    }
}

impl<T> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: mapped in `open` with this length, and no reference into it is ever handed out.
        if let Err(error) = unsafe { munmap(self.at.cast(), Self::length(self.elements)) } {
            tracing::error!(%error, "a map cannot be unmapped");
        }
    }
}

/// The arrays of all sessions.
pub struct Sessions {
    tx: Mapping<SessionTx>,
    rx: Mapping<SessionRx>,
}

/// A field of a mapped element. Unsafe to use: the field has to lie inside the mapping; it is aligned, as the kernel aligns
/// elements to eight octets, and only ever accessed atomically or by the program.
macro_rules! atomic {
    ($kind:ident, $field:expr) => {{ $kind::from_ptr(&raw mut $field) }};
}

impl Sessions {
    /// Maps the pinned arrays.
    pub fn open(pins: &Pins) -> anyhow::Result<Self> {
        Ok(Self {
            tx: Mapping::open(pins, map::SESSION_TX, MAX_SESSIONS)?,
            rx: Mapping::open(pins, map::SESSION_RX, MAX_SESSIONS)?,
        })
    }

    /// Says that the request `sequence` is about to be sent; its low 16 bits are in its discriminator.
    pub fn sending(&self, session: u16, sequence: impl Into<u32>, now: u64) {
        let sequence = sequence.into();
        let tx = self.tx.element(session.into());
        // SAFETY: a pointer into the mapping, of which only field addresses are taken.
        unsafe {
            atomic!(AtomicU64, (*tx).sent_ns[measure::slot(sequence as u16)]).store(now, Relaxed);
            atomic!(AtomicU32, (*tx).last_sequence).store(sequence, Release);
            atomic!(AtomicU32, (*tx).started).store(1, Release);
        }
    }

    /// Says that the request `sequence` could not be sent after all.
    pub fn not_sent(&self, session: u16, sequence: u16) {
        let tx = self.tx.element(session.into());
        // SAFETY: as in `sending`.
        unsafe { atomic!(AtomicU64, (*tx).sent_ns[measure::slot(sequence)]).store(0, Release) };
    }

    /// Sequence of the latest request, if there was one.
    pub fn last_sequence(&self, session: u16) -> Option<u32> {
        let tx = self.tx.element(session.into());
        // SAFETY: as in `sending`.
        let (started, sequence) = unsafe {
            (
                atomic!(AtomicU32, (*tx).started).load(Acquire),
                atomic!(AtomicU32, (*tx).last_sequence).load(Acquire),
            )
        };
        (started != 0).then_some(sequence)
    }

    /// Says that gaps which began before `from` are outages and no measurement.
    pub fn measure_from(&self, session: u16, from: u64) {
        let tx = self.tx.element(session.into());
        // SAFETY: as in `sending`.
        unsafe { atomic!(AtomicU64, (*tx).measure_from_ns).store(from, Relaxed) };
    }

    /// Whether the request `sequence` has a valid reply.
    pub fn answered(&self, session: u16, sequence: u16) -> bool {
        let rx = self.rx.element(session.into());
        // SAFETY: as in `sending`.
        unsafe {
            atomic!(AtomicU32, (*rx).answered[measure::slot(sequence)]).load(Acquire)
                == answered_mark(sequence)
        }
    }

    /// Whether the request `sequence`, sent at `sent_ns`, was refused by the source.
    pub fn refused(&self, session: u16, sequence: u16, sent_ns: u64) -> bool {
        let rx = self.rx.element(session.into());
        // SAFETY: as in `sending`.
        let mark = unsafe { atomic!(AtomicU64, (*rx).refused_mark).load(Acquire) };
        is_refused(mark, sequence, sent_ns)
    }

    /// When the latest valid reply arrived; 0: never.
    pub fn last_reply(&self, session: u16) -> u64 {
        let rx = self.rx.element(session.into());
        // SAFETY: as in `sending`.
        unsafe { atomic!(AtomicU64, (*rx).last_ns).load(Acquire) }
    }

    /// How fast the reflector says that it can be asked, in its latest valid reply; 0: it has not said.
    pub fn required_min_rx_ns(&self, session: u16) -> u64 {
        let rx = self.rx.element(session.into());
        // SAFETY: as in `sending`.
        let microseconds = unsafe { atomic!(AtomicU32, (*rx).required_min_rx_us).load(Relaxed) };
        u64::from(microseconds.min(SLOWEST_US)) * 1000
    }

    /// Valid replies so far.
    pub fn received(&self, session: u16) -> u64 {
        let rx = self.rx.element(session.into());
        // SAFETY: as in `sending`.
        unsafe { atomic!(AtomicU64, (*rx).received).load(Relaxed) }
    }

    /// What the other end says of itself, in its latest valid reply: one of [`failover_ebpf::abi::remote`].
    pub fn remote_state(&self, session: u16) -> u32 {
        let rx = self.rx.element(session.into());
        // SAFETY: as in `sending`.
        unsafe { atomic!(AtomicU32, (*rx).remote_state).load(Relaxed) }
    }

    /// What was measured of a session so far.
    pub fn measured(&self, session: u16) -> Measured {
        let rx = self.rx.element(session.into());
        // SAFETY: as in `sending`. Fields change while they are read; each is right by itself.
        unsafe {
            let mut histogram = [0; BUCKETS];
            for (index, bucket) in histogram.iter_mut().enumerate() {
                *bucket = atomic!(AtomicU64, (*rx).histogram[index]).load(Relaxed);
            }
            Measured {
                received: self.received(session),
                late: atomic!(AtomicU64, (*rx).late).load(Relaxed),
                refused: atomic!(AtomicU64, (*rx).refused).load(Relaxed),
                rtt_min_ns: atomic!(AtomicU64, (*rx).rtt_min_ns).load(Relaxed),
                rtt_max_ns: atomic!(AtomicU64, (*rx).rtt_max_ns).load(Relaxed),
                max_gap_ns: atomic!(AtomicU64, (*rx).max_gap_ns).load(Relaxed),
                histogram,
            }
        }
    }

    /// Forgets everything about a session, before its number is given to another path. The program must not know the
    /// session at that time.
    pub fn clear(&self, session: u16) {
        // SAFETY: inside the mappings; zero is a value of both, and nobody else writes while the session is unset.
        unsafe {
            ptr::write_bytes(self.tx.element(session.into()), 0, 1);
            ptr::write_bytes(self.rx.element(session.into()), 0, 1);
        }
    }
}

/// What the program heard by ARP of the addresses that are listened for.
pub struct HeardBoard(Mapping<Heard>);

impl HeardBoard {
    /// Maps the pinned array.
    pub fn open(pins: &Pins) -> anyhow::Result<Self> {
        Ok(Self(Mapping::open(pins, map::HEARD, MAX_LISTENED)?))
    }

    /// What was heard of the address with this slot. Panics where no slot is, from [`MAX_LISTENED`] on.
    pub fn get(&self, slot: u32) -> Heard {
        let heard = self.0.element(slot);
        // SAFETY: a pointer into the mapping, of which only field addresses are taken. The program may write meanwhile, so
        // times are read atomically and the MACs, of which any octets are a value, volatile. A time is read before its
        // MAC, which is written before it.
        unsafe {
            let claimed_ns = atomic!(AtomicU64, (*heard).claimed_ns).load(Acquire);
            let claimed_by = (&raw const (*heard).claimed_by).read_volatile();
            let probed_ns = atomic!(AtomicU64, (*heard).probed_ns).load(Acquire);
            let probed_by = (&raw const (*heard).probed_by).read_volatile();
            let other_ns = atomic!(AtomicU64, (*heard).other_ns).load(Acquire);
            let other_by = (&raw const (*heard).other_by).read_volatile();
            Heard {
                claimed_ns,
                probed_ns,
                told_ns: atomic!(AtomicU64, (*heard).told_ns).load(Relaxed),
                claimed_by,
                probed_by,
                other_by,
                reserved: [0; 6],
                other_ns,
            }
        }
    }
}

/// What the program has measured of a session.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Valid replies.
    pub received: u64,
    /// Of them, after their timeout.
    pub late: u64,
    /// Requests that the source refused.
    pub refused: u64,
    /// Shortest round trip; 0: none.
    pub rtt_min_ns: u64,
    /// Longest round trip.
    pub rtt_max_ns: u64,
    /// Longest time between two replies.
    pub max_gap_ns: u64,
    /// Round trips by [`measure::bucket`].
    pub histogram: [u64; BUCKETS],
}

impl Measured {
    /// Round trips by their length: from so many nanoseconds up to the next bucket's, and how many; the empty ones are left
    /// out.
    pub fn histogram(&self) -> Vec<(u64, u64)> {
        let buckets = self.histogram.iter().enumerate();
        buckets
            .filter(|(_, count)| **count != 0)
            .map(|(index, count)| {
                let floor = if index == 0 {
                    0
                } else {
                    measure::bucket_floor(index)
                };
                (floor, *count)
            })
            .collect()
    }

    /// The round trip that a fraction of all did not exceed, up to the width of a bucket (an eighth); 0 without any.
    pub fn quantile(&self, fraction: f64) -> u64 {
        let total: u64 = self.histogram.iter().sum();
        let rank = (total as f64 * fraction).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.histogram.iter().enumerate() {
            seen += count;
            if seen >= rank && *count != 0 {
                let top = if index + 1 < BUCKETS {
                    measure::bucket_floor(index + 1) - 1
                } else {
                    u64::MAX
                };
                return top.clamp(self.rtt_min_ns, self.rtt_max_ns.max(self.rtt_min_ns));
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(rtts: &[u64]) -> Measured {
        let mut histogram = [0; BUCKETS];
        for rtt in rtts {
            histogram[measure::bucket(*rtt)] += 1;
        }
        Measured {
            received: rtts.len() as u64,
            late: 0,
            refused: 0,
            rtt_min_ns: rtts.iter().copied().min().unwrap_or(0),
            rtt_max_ns: rtts.iter().copied().max().unwrap_or(0),
            max_gap_ns: 0,
            histogram,
        }
    }

    #[test]
    fn quantiles_are_at_most_a_bucket_off() {
        let rtts: Vec<u64> = (1..=1000).map(|n| n * 1000).collect();
        let measured = measured(&rtts);

        for (fraction, exact) in [(0.5, 500_000), (0.99, 990_000), (1.0, 1_000_000)] {
            let found = measured.quantile(fraction);
            assert!(
                found >= exact && found <= exact + exact / 8,
                "{fraction}: {found}"
            );
        }
    }

    #[test]
    fn the_histogram_has_the_buckets_that_are_not_empty() {
        let measured = measured(&[7, 2_100, 2_101, 65_536]);

        assert_eq!(measured.histogram(), [(0, 1), (2_048, 2), (65_536, 1)]);
    }

    #[test]
    fn quantile_of_nothing_is_zero() {
        assert_eq!(measured(&[]).quantile(0.99), 0);
    }
}
