//! Where a frame's network header is: behind the Ethernet header and at most two VLAN tags.

use crate::{
    abi::Tags,
    verdict::Verdict,
    wire::{
        Frame,
        eth::Eth,
        vlan::{Vlan, is_tag},
    },
};

/// Where the EtherType of a frame is, that of its outermost tag if it has any.
pub const ETHERTYPE: usize = 12;

/// What is before a frame's network header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where the network header begins.
    pub l3: u16,
    /// VLANs that the frame is in.
    pub tags: Tags,
}

impl Link {
    /// No tags.
    pub const UNTAGGED: Self = Self {
        l3: Eth::LEN as u16,
        tags: [0; 2],
    };
}

/// What is before a frame's network header, and the EtherType that says what kind that is.
#[inline(always)]
pub fn read<F: Frame + ?Sized>(frame: &F) -> Result<(Link, u16), Verdict> {
    let ethertype = u16::from_be_bytes(frame.read(ETHERTYPE).ok_or(Verdict::PassTruncated)?);
    if !is_tag(ethertype) {
        return Ok((Link::UNTAGGED, ethertype));
    }
    let tag = |at| frame.read(at).map(Vlan).ok_or(Verdict::PassTruncated);
    let outer = tag(Eth::LEN)?;
    if !is_tag(outer.ethertype()) {
        let link = Link {
            l3: (Eth::LEN + Vlan::LEN) as u16,
            tags: [outer.identifier(), 0],
        };
        return Ok((link, outer.ethertype()));
    }
    let inner = tag(Eth::LEN + Vlan::LEN)?;
    if is_tag(inner.ethertype()) {
        return Err(Verdict::PassManyTags);
    }
    let link = Link {
        l3: (Eth::LEN + 2 * Vlan::LEN) as u16,
        tags: [outer.identifier(), inner.identifier()],
    };
    Ok((link, inner.ethertype()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// A frame with these tags, each a type and control information, in front of IPv6.
    fn tagged(them: &[(u16, u16)]) -> Vec<u8> {
        let mut frame = std::vec![0; 12];
        for (kind, control) in them {
            frame.extend([kind.to_be_bytes(), control.to_be_bytes()].concat());
        }
        frame.extend([0x86, 0xdd]);
        frame
    }

    #[test]
    fn without_a_tag_the_network_header_is_right_behind_the_ethernet_header() {
        assert_eq!(read(&tagged(&[])[..]), Ok((Link::UNTAGGED, 0x86dd)));
    }

    #[test]
    fn one_tag_or_two_are_read_without_their_priorities() {
        let one = read(&tagged(&[(0x8100, 0xa005)])[..]);
        let two = read(&tagged(&[(0x88a8, 0x5fff), (0x8100, 0x2006)])[..]);

        let link = |l3, tags| Link { l3, tags };
        assert_eq!(one, Ok((link(18, [5, 0]), 0x86dd)));
        assert_eq!(two, Ok((link(22, [0xfff, 6]), 0x86dd)));
    }

    #[test]
    fn a_tag_with_a_priority_only_is_no_vlan() {
        let (link, _) = read(&tagged(&[(0x8100, 0xe000)])[..]).expect("a tag");

        assert_eq!((link.l3, link.tags), (18, Link::UNTAGGED.tags));
    }

    #[test]
    fn a_third_tag_is_too_many() {
        let three = tagged(&[(0x88a8, 1), (0x8100, 2), (0x8100, 3)]);

        assert_eq!(read(&three[..]), Err(Verdict::PassManyTags));
    }

    #[test]
    fn a_frame_that_ends_in_its_tags_is_truncated() {
        let whole = tagged(&[(0x88a8, 1), (0x8100, 2)]);

        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), Err(Verdict::PassTruncated));
        }
    }
}
