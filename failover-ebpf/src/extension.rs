//! IPv6 extension headers (RFC 8200 4), followed up to a bound.

use crate::wire::{Frame, ipv6::next};

/// Extension headers that are followed. Whatever is behind more of them is a packet like any other.
pub const MOST: usize = 4;

/// Octets of a fragment header.
const FRAGMENT_LEN: usize = 8;

/// What is behind the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// Protocol of the transport header.
    pub protocol: u8,
    /// Where it begins.
    pub l4: usize,
}

/// Follows extension headers from `l4` on, of which the first is a `protocol`. `None` where there is no transport header: in
/// a fragment that is not the first, in a frame that ends before, behind too many headers.
#[inline(always)]
pub fn follow<F: Frame + ?Sized>(frame: &F, mut protocol: u8, mut l4: usize) -> Option<Upper> {
    for _ in 0..MOST {
        let length = match protocol {
            next::HOP_BY_HOP | next::ROUTING | next::DESTINATION => {
                let [_, units] = frame.read(l4)?;
                8 + 8 * units as usize
            }
            // RFC 4302 2.2: in units of four octets, less two.
            next::AUTHENTICATION => {
                let [_, units] = frame.read(l4)?;
                8 + 4 * units as usize
            }
            next::FRAGMENT => {
                let [_, _, high, low] = frame.read(l4)?;
                if u16::from_be_bytes([high, low]) >> 3 != 0 {
                    return None;
                }
                FRAGMENT_LEN
            }
            _ => return Some(Upper { protocol, l4 }),
        };
        let [following, _] = frame.read(l4)?;
        protocol = following;
        l4 += length;
    }
    match protocol {
        next::HOP_BY_HOP
        | next::ROUTING
        | next::DESTINATION
        | next::AUTHENTICATION
        | next::FRAGMENT => None,
        _ => Some(Upper { protocol, l4 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Headers in a row, each its successor's protocol, its length field and its octets.
    fn chain(headers: &[(u8, u8, usize)]) -> Vec<u8> {
        let mut octets = Vec::new();
        for (following, field, length) in headers {
            let end = octets.len() + length;
            octets.extend([*following, *field]);
            octets.resize(end, 0);
        }
        octets
    }

    #[test]
    fn each_kind_has_its_own_length() {
        let upper = |l4| {
            Some(Upper {
                protocol: next::UDP,
                l4,
            })
        };
        let one = |kind, field| {
            let octets = chain(&[(next::UDP, field, 64)]);
            follow(&octets[..], kind, 0)
        };

        assert_eq!(one(next::UDP, 9), upper(0));
        assert_eq!(one(next::HOP_BY_HOP, 0), upper(8));
        assert_eq!(one(next::ROUTING, 2), upper(24));
        assert_eq!(one(next::DESTINATION, 1), upper(16));
        assert_eq!(one(next::AUTHENTICATION, 4), upper(24));
        assert_eq!(one(next::FRAGMENT, 7), upper(8));
    }

    #[test]
    fn as_many_as_the_bound_are_followed_and_no_more() {
        let most = chain(&[
            (next::ROUTING, 0, 8),
            (next::DESTINATION, 0, 8),
            (next::AUTHENTICATION, 0, 8),
            (next::UDP, 0, 8),
        ]);
        let more = chain(&[
            (next::DESTINATION, 0, 8),
            (next::DESTINATION, 0, 8),
            (next::DESTINATION, 0, 8),
            (next::DESTINATION, 0, 8),
            (next::UDP, 0, 8),
        ]);

        let found = follow(&most[..], next::HOP_BY_HOP, 0);

        assert_eq!(found.map(|upper| upper.l4), Some(8 * MOST));
        assert_eq!(follow(&more[..], next::DESTINATION, 0), None);
    }

    #[test]
    fn only_the_first_fragment_has_a_transport_header() {
        let mut first = chain(&[(next::UDP, 0, 8)]);
        first[3] = 1;
        let mut later = first.clone();
        later[3] = 8;

        assert!(follow(&first[..], next::FRAGMENT, 0).is_some());
        assert_eq!(follow(&later[..], next::FRAGMENT, 0), None);
    }

    #[test]
    fn a_frame_that_ends_in_the_headers_has_no_transport_header() {
        let octets = chain(&[(next::DESTINATION, 0, 8), (next::UDP, 0, 8)]);

        for length in 0..10 {
            assert_eq!(follow(&octets[..length], next::HOP_BY_HOP, 0), None);
        }
        assert!(follow(&octets[..10], next::HOP_BY_HOP, 0).is_some());
    }
}
