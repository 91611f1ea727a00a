//! Headers as they stand on the wire: byte arrays with accessors, read and rewritten where they lie.
//!
//! They are our own rather than a crate's because the same code has to run in the kernel, where the verifier refuses a
//! panic path, octets copied one by one do not fit on the stack, and a header keeps every octet that we do not name.
//! Their alignment is 2, which the headers of an Ethernet frame have, so that the kernel moves them by halfwords.

pub mod arp;
pub mod bfd;
pub mod eth;
pub mod icmp;
pub mod icmpv6;
pub mod ip;
pub mod ipv4;
pub mod ipv6;
pub mod tcp;
pub mod udp;
pub mod vlan;

/// Something that can lie at an even offset of a frame.
///
/// # Safety
///
/// Made of octets only, so that any octets are a value of it; alignment 2.
pub unsafe trait Header: Copy {}

/// A frame of which single octets are looked at: a packet in the kernel, a slice on the host.
pub trait Frame {
    /// `N` octets at `offset`, or `None` where the frame is too short. `N` is even, and so is `offset`.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
}

impl Frame for [u8] {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..)?.first_chunk().copied()
    }
}

/// The two octets at `$at` of a header, as a number.
macro_rules! be16 {
    ($bytes:expr, $at:literal) => {
        u16::from_be_bytes([$bytes[$at], $bytes[$at + 1]])
    };
}

/// The four octets at `$at` of a header, as a number.
macro_rules! be32 {
    ($bytes:expr, $at:literal) => {
        u32::from_be_bytes([
            $bytes[$at],
            $bytes[$at + 1],
            $bytes[$at + 2],
            $bytes[$at + 3],
        ])
    };
}

/// The eight octets at `$at` of a header, as a number.
macro_rules! be64 {
    ($bytes:expr, $at:expr) => {
        u64::from_be_bytes([
            $bytes[$at],
            $bytes[$at + 1],
            $bytes[$at + 2],
            $bytes[$at + 3],
            $bytes[$at + 4],
            $bytes[$at + 5],
            $bytes[$at + 6],
            $bytes[$at + 7],
        ])
    };
}

/// `$n` octets at `$at` of a header, as an array.
macro_rules! octets {
    ($bytes:expr, $at:literal, 4) => {
        [
            $bytes[$at],
            $bytes[$at + 1],
            $bytes[$at + 2],
            $bytes[$at + 3],
        ]
    };
    ($bytes:expr, $at:literal, 16) => {{
        // As two numbers, which the kernel's compiler moves without a loop over octets.
        let (high, low) = (
            $crate::wire::be64!($bytes, $at),
            $crate::wire::be64!($bytes, $at + 8),
        );
        (((high as u128) << 64) | low as u128).to_be_bytes()
    }};
    ($bytes:expr, $at:literal, 6) => {
        [
            $bytes[$at],
            $bytes[$at + 1],
            $bytes[$at + 2],
            $bytes[$at + 3],
            $bytes[$at + 4],
            $bytes[$at + 5],
        ]
    };
}

/// Defines a header of `$len` octets.
macro_rules! header {
    ($(#[doc = $doc:literal])+ $name:ident, $len:literal) => {
        $(#[doc = $doc])+
        #[repr(C, align(2))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Its length, octets.
            pub const LEN: usize = $len;
        }

        // SAFETY: an array of octets with alignment 2.
        unsafe impl $crate::wire::Header for $name {}
    };
}

/// Writes an array at a constant offset of a header.
macro_rules! put {
    ($bytes:expr, $at:literal, $value:expr) => {{
        let value = $value;
        let mut i = 0;
        while i < value.len() {
            $bytes[$at + i] = value[i];
            i += 1;
        }
    }};
}

pub(crate) use {be16, be32, be64, header, octets, put};
