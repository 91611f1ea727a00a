//! Counters of every processor, read as a whole by one system call.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, anyhow, ensure};
use aya::maps::MapData;
use failover_user::bpf::pins::Pins;

use crate::lab::bpf;

/// The first entries of a per-CPU array of which each is so many numbers of 64 bits.
pub struct Counts<const WORDS: usize> {
    map: MapData,
    cpus: usize,
    keys: Vec<u32>,
    values: Vec<u64>,
    sums: Vec<[u64; WORDS]>,
}

impl<const WORDS: usize> Counts<WORDS> {
    /// Opens so many entries of a pinned map.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or has fewer.
    pub fn open(pins: &Pins, name: &str, entries: usize) -> Result<Self> {
        let map = MapData::from_pin(pins.map(name)).with_context(|| format!("opening {name}"))?;
        let info = map.info().with_context(|| format!("looking at {name}"))?;

        ensure!(
            info.value_size() as usize == WORDS * size_of::<u64>()
                && info.max_entries() as usize >= entries,
            "{name} has another shape"
        );

        let cpus = aya::util::nr_cpus().map_err(|(what, error)| anyhow!("{what}: {error}"))?;
        let mut counts = Self {
            map,
            cpus,
            keys: vec![0; entries],
            values: vec![0; entries * cpus * WORDS],
            sums: vec![[0; WORDS]; entries],
        };

        counts.read().with_context(|| format!("reading {name}"))?;

        Ok(counts)
    }

    /// What all processors have counted so far, by entry.
    ///
    /// # Errors
    ///
    /// The map cannot be read.
    pub fn read(&mut self) -> Result<&[[u64; WORDS]]> {
        // SAFETY: the entries have `WORDS` words each, as `open` has seen, and there is room for those of every processor.
        unsafe { bpf::read_words(self.map.fd().as_fd(), &mut self.keys, &mut self.values) }?;

        for (sum, cpus) in self
            .sums
            .iter_mut()
            .zip(self.values.chunks_exact(self.cpus * WORDS))
        {
            *sum = [0; WORDS];

            for cpu in cpus.chunks_exact(WORDS) {
                for (sum, word) in sum.iter_mut().zip(cpu) {
                    *sum += word;
                }
            }
        }

        Ok(&self.sums)
    }
}
