//! Eight octets that a program in the kernel and this process share.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::bpf;

const PAGE: usize = 4096;

/// The one entry of an array map, mapped into this process: reading and writing it is an access to memory.
#[derive(Debug)]
pub(crate) struct Word {
    map: OwnedFd,
    memory: NonNull<AtomicU64>,
}

// SAFETY: `memory` is mapped until the value is dropped, and it is only accessed atomically.
unsafe impl Send for Word {}
// SAFETY: as above.
unsafe impl Sync for Word {}

impl Word {
    /// A new one, zero.
    pub(crate) fn create() -> Result<Self> {
        let map = bpf::create_word()?;

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
        .context("mapping a word")?;
        let memory = NonNull::new(memory.cast()).context("mmap at address zero")?;

        Ok(Self { map, memory })
    }

    /// Its value.
    pub(crate) fn load(&self) -> u64 {
        self.atomic().load(Ordering::SeqCst)
    }

    /// Changes it.
    pub(crate) fn store(&self, value: u64) {
        self.atomic().store(value, Ordering::SeqCst);
    }

    fn atomic(&self) -> &AtomicU64 {
        // SAFETY: the mapping lives as long as `self`, is page-aligned, and eight octets of it are the map's value.
        unsafe { self.memory.as_ref() }
    }
}

impl AsFd for Word {
    /// The map, for the program.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `create`, and no reference to it outlives `self`.
        let unmapped = unsafe { munmap(self.memory.as_ptr().cast(), PAGE) };

        debug_assert!(unmapped.is_ok(), "munmap: {unmapped:?}");
    }
}
