//! A finding for a person: what is wrong, what should be, and the frame in words and in hexadecimal.

use std::{
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
};

use super::{FRAME_AT, scene::Scene};
use crate::{
    lab::Mac,
    oracle::{
        Fate, Outcome,
        dissect::{self, Packet, be16, be32, mac, v4, v6},
    },
};

/// Octets in a line.
const LINE: usize = 16;

/// All of it.
pub fn finding(wrong: &str, scene: Scene, frame: &[u8], outcome: Option<&Outcome>) -> String {
    let mut text = format!("wrong: {wrong}\n");

    if let Some(outcome) = outcome {
        let Outcome {
            about,
            fate,
            measured,
            traffic,
        } = outcome;
        let fate = match fate {
            Fate::Passed => "passed as it came".to_owned(),
            Fate::Dropped => "dropped".to_owned(),
            Fate::Kept => "passed as it came, or dropped".to_owned(),
            Fate::Answered(sent) => format!("answered by\n{}", hex(sent)),
            Fate::Redirected(sent) => format!("sent on as\n{}", hex(sent)),
        };

        put(&mut text, &format!("right: {about:?}: {fate}"));
        put(
            &mut text,
            &format!("       session and sequence {measured:x?}, traffic of slot {traffic:?}"),
        );
    }

    for line in told(scene, frame) {
        put(&mut text, &line);
    }

    text
}

/// An input in words and in hexadecimal, in lines.
pub fn input(input: &[u8]) -> Vec<String> {
    match input.split_at_checked(FRAME_AT) {
        Some((selector, frame)) => told(Scene::of(selector[0]), frame).collect(),
        None => vec!["no frame".to_owned()],
    }
}

fn told(scene: Scene, frame: &[u8]) -> impl Iterator<Item = String> {
    let words = words(frame).into_iter();

    std::iter::once(format!("host:  {scene:?}"))
        .chain(words.map(|line| format!("frame: {line}")))
        .chain([hex(frame)])
}

/// Keeps an input in a directory. Says how it is tried again.
pub fn keep(directory: &Path, input: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();

    input.hash(&mut hasher);

    let path = directory.join(format!("finding-{:016x}", hasher.finish()));

    match fs::write(&path, input) {
        Ok(()) => format!(
            "kept; to try it again: cargo xtask fuzz --replay {}",
            path.display()
        ),
        Err(error) => format!("{} cannot be written: {error}", path.display()),
    }
}

/// Where two frames differ.
pub fn difference(got: &[u8], wanted: &[u8]) -> String {
    let at = got
        .iter()
        .zip(wanted)
        .position(|(got, wanted)| got != wanted)
        .unwrap_or(got.len().min(wanted.len()));

    format!(
        "{} octets, not {}, and other ones from {at} (0x{at:x}) on:\n{}",
        got.len(),
        wanted.len(),
        hex(got)
    )
}

/// Octets in lines, each with the offset where it begins.
pub fn hex(octets: &[u8]) -> String {
    let mut text = String::new();

    for (line, octets) in octets.chunks(LINE).enumerate() {
        let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();

        put(
            &mut text,
            &format!("  {:04x}  {}", line * LINE, octets.join(" ")),
        );
    }

    text.trim_end_matches('\n').to_owned()
}

/// What the headers of a frame say, one line each.
pub fn words(frame: &[u8]) -> Vec<String> {
    let Some(link) = dissect::link(frame) else {
        return vec![format!(
            "{} octets, which end in the link header",
            frame.len()
        )];
    };
    let mut words = vec![format!(
        "{} octets from {} to {}, VLANs {:?}, type {:04x}",
        frame.len(),
        link.src,
        link.dst,
        link.vlans,
        link.ethertype
    )];

    if link.ethertype == 0x0806 {
        words.extend(arp(link.rest));
    }

    if let Some(packet) = dissect::packet(&link) {
        words.push(ip(&packet));
        words.extend(transport(&packet));
    }

    words
}

fn arp(octets: &[u8]) -> Option<String> {
    let (operation, sha, spa) = (be16(octets, 6)?, mac(octets, 8)?, v4(octets, 14)?);
    let (tha, tpa): (Mac, _) = (mac(octets, 18)?, v4(octets, 24)?);

    Some(format!(
        "ARP operation {operation}: {spa} at {sha}, to {tpa} at {tha}"
    ))
}

fn ip(packet: &Packet<'_>) -> String {
    let mut line = format!(
        "{} to {}, {} hops, protocol {}, {} octets",
        packet.src, packet.dst, packet.hops, packet.protocol, packet.length
    );

    for (said, word) in [
        (packet.extended, "options or extension headers"),
        (packet.fragment, "a fragment"),
        (!packet.intact, "wrong checksum"),
        (!packet.complete, "longer than the frame"),
    ] {
        if said {
            line.push_str(", ");
            line.push_str(word);
        }
    }

    line
}

fn transport(packet: &Packet<'_>) -> Vec<String> {
    let payload = packet.payload;
    let right = |sum: bool| if sum { "right" } else { "wrong" };
    let summed = right(packet.transport_sum() == 0xffff);
    let found = match packet.protocol {
        17 => udp(payload, summed),
        6 => tcp(payload, summed),
        1 => echo(payload, right(dissect::ones(&[payload]) == 0xffff)),
        58 => match payload.first() {
            Some(135 | 136) => discovery(payload, summed),
            _ => echo(payload, summed),
        },
        _ => None,
    };

    let mut words: Vec<String> = found.into_iter().collect();

    if packet.protocol == 17
        && payload.len() > 8
        && [be16(payload, 0), be16(payload, 2)].contains(&Some(7784))
    {
        words.extend(bfd(&payload[8..]));
    }

    words
}

fn udp(octets: &[u8], summed: &str) -> Option<String> {
    let (from, to, length) = (be16(octets, 0)?, be16(octets, 2)?, be16(octets, 4)?);

    Some(format!(
        "UDP {from} to {to}, length {length}, checksum {:04x} {summed}",
        be16(octets, 6)?
    ))
}

fn tcp(octets: &[u8], summed: &str) -> Option<String> {
    Some(format!(
        "TCP {} to {}, sequence {:08x}, acknowledgment {:08x}, header {} octets, bits {:02x}, checksum {summed}",
        be16(octets, 0)?,
        be16(octets, 2)?,
        be32(octets, 4)?,
        be32(octets, 8)?,
        (octets.get(12)? >> 4) * 4,
        octets.get(13)?
    ))
}

fn echo(octets: &[u8], summed: &str) -> Option<String> {
    Some(format!(
        "ICMP type {}, code {}, identifier {}, sequence {:04x}, checksum {summed}",
        octets.first()?,
        octets.get(1)?,
        be16(octets, 4)?,
        be16(octets, 6)?
    ))
}

fn discovery(octets: &[u8], summed: &str) -> Option<String> {
    Some(format!(
        "neighbour discovery type {}, code {}, flags {:02x}, target {}, checksum {summed}, options {:02x?}",
        octets.first()?,
        octets.get(1)?,
        octets.get(4)?,
        v6(octets, 8)?,
        octets.get(24..)?
    ))
}

fn bfd(octets: &[u8]) -> Option<String> {
    let [head, bits, multiplier, length] = *octets.first_chunk()?;
    let mut line = format!(
        "BFD version {}, diagnostic {}, state {}, bits {:02x}, multiplier {multiplier}, length {length}, my discriminator \
         {:08x}, your discriminator {:08x}",
        head >> 5,
        head & 0x1f,
        bits >> 6,
        bits & 0x3f,
        be32(octets, 4)?,
        be32(octets, 8)?
    );

    if let (Some(section), Some(sequence)) = (octets.get(24..28), be32(octets, 28)) {
        // Writing to a string cannot fail.
        let _written = write!(
            line,
            ", authentication type {}, length {}, key {}, sequence {sequence:08x}",
            section[0], section[1], section[2]
        );
    }

    Some(line)
}

fn put(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{self, Bfd, Flow};

    const FLOW: Flow = Flow {
        from_mac: Mac([2, 0, 0, 0, 0x0c, 1]),
        to_mac: Mac([2, 0, 0, 0, 0x0a, 1]),
        from: std::net::Ipv4Addr::new(10, 0, 0, 1),
        to: std::net::Ipv4Addr::new(10, 0, 0, 2),
        ttl: 255,
    };

    #[test]
    fn a_heartbeat_is_told_header_by_header() {
        let frame = Bfd::request(7, 0x0a00_0002).frame(&FLOW, 49_152, 7784);

        let words = words(&frames::with_vlans(&frame, &[100])).join("\n");

        for word in [
            "to 02:00:00:00:0a:01, VLANs [100], type 0800",
            "10.0.0.1 to 10.0.0.2, 255 hops, protocol 17, 52 octets\n",
            "UDP 49152 to 7784, length 32",
            "right\n",
            "BFD version 1, diagnostic 0, state 3, bits 02",
            "your discriminator 0a000002",
        ] {
            assert!(words.contains(word), "no \"{word}\" in {words}");
        }
    }

    #[test]
    fn no_length_of_a_frame_is_too_short_for_words() {
        let frame = Bfd::request(7, 0x0a00_0002).frame(&FLOW, 49_152, 7784);

        for length in 0..frame.len() {
            assert!(!words(&frame[..length]).is_empty());
        }
    }

    #[test]
    fn octets_are_in_lines_with_their_offset() {
        let text = hex(&[0xa5; 18]);

        let first = ["a5"; 16].join(" ");
        assert_eq!(text, format!("  0000  {first}\n  0010  a5 a5"));
    }
}
