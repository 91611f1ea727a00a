//! Frames as a file that other tools read.

use std::{fs, io, path::Path};

use crate::lab::Frame;

/// Writes frames of Ethernet as a pcap file with nanoseconds (draft-ietf-opsawg-pcap, magic number 0xA1B23C4D).
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, frames: &[Frame]) -> io::Result<()> {
    const NANOSECONDS: u32 = 0xa1b2_3c4d;
    const VERSION: [u16; 2] = [2, 4];
    const LONGEST: u32 = 65_535;
    const ETHERNET: u32 = 1;
    const SECOND: u64 = 1_000_000_000;

    let mut file = Vec::new();

    file.extend(NANOSECONDS.to_le_bytes());
    file.extend(VERSION.map(u16::to_le_bytes).concat());
    file.extend([0; 8]);
    file.extend(LONGEST.to_le_bytes());
    file.extend(ETHERNET.to_le_bytes());

    for frame in frames {
        let length = u32::try_from(frame.octets.len()).map_err(io::Error::other)?;
        let seconds = u32::try_from(frame.at_ns / SECOND).map_err(io::Error::other)?;
        let rest = (frame.at_ns % SECOND) as u32;

        for number in [seconds, rest, length, length] {
            file.extend(number.to_le_bytes());
        }

        file.extend(&frame.octets);
    }

    fs::write(path, file)
}
