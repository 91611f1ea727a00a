//! The ways in which a signed packet can be wrong in itself.

use failover_tests::{
    frames::Bfd,
    signatures::{AUTHENTICATION, HASH, LENGTH, SECTION, Signature},
};

use super::{NEW, OLD, UNKNOWN, signature};

/// All of them, whoever the packet is for.
pub(super) fn wrong(packet: Bfd, sequence: u32) -> Vec<(Wrong, &'static str, Vec<u8>)> {
    let good = signature(NEW, sequence);
    let other_section = |kind, length: u8| {
        let whole = Signature {
            kind,
            length,
            ..good
        };
        let stated = Bfd {
            flags: packet.flags | AUTHENTICATION,
            length: 24 + length,
            ..packet
        };
        let mut octets = whole.sign_as_it_is(stated);

        octets.truncate(24 + usize::from(length));

        octets
    };
    let stating = |length| {
        good.sign_as_it_is(Bfd {
            flags: packet.flags | AUTHENTICATION,
            length,
            ..packet
        })
    };
    let changed = |at: usize| {
        let mut octets = good.sign(packet);

        octets[at] ^= 1;

        octets
    };
    let of_kind = |kind| Signature { kind, ..good }.sign(packet);
    let stated = |length| Signature { length, ..good }.sign(packet);

    vec![
        (Wrong::Unsigned, "no signature", packet.octets().to_vec()),
        (Wrong::Form, "Keyed SHA1, not meticulous", of_kind(4)),
        (Wrong::Form, "type 0", of_kind(0)),
        (Wrong::Form, "a type that nobody has", of_kind(255)),
        (Wrong::Form, "Keyed MD5", other_section(2, 24)),
        (Wrong::Form, "Meticulous Keyed MD5", other_section(3, 24)),
        (Wrong::Form, "a simple password", other_section(1, 4)),
        (Wrong::Form, "a section that is one octet short", stated(27)),
        (Wrong::Form, "a section that is one octet long", stated(29)),
        (Wrong::Form, "the A bit and no section", stating(24)),
        (Wrong::Form, "a packet that is one octet short", stating(51)),
        (
            Wrong::Key,
            "a key that is not configured",
            signature((UNKNOWN, NEW.1), sequence).sign(packet),
        ),
        (
            Wrong::Digest,
            "another secret",
            signature((NEW.0, b"12345678901234567891"), sequence).sign(packet),
        ),
        (
            Wrong::Digest,
            "the secret of the other key",
            signature((OLD.0, NEW.1), sequence).sign(packet),
        ),
        (
            Wrong::Digest,
            "a secret that is longer than the key",
            signature((OLD.0, b"s\x01"), sequence).sign(packet),
        ),
        (Wrong::Digest, "the first octet of the hash", changed(HASH)),
        (
            Wrong::Digest,
            "the last octet of the hash",
            changed(usize::from(LENGTH) - 1),
        ),
        (
            Wrong::Digest,
            "an interval that was changed on the way",
            changed(15),
        ),
        (
            Wrong::Digest,
            "a reserved octet that was changed on the way",
            changed(SECTION + 3),
        ),
        (
            Wrong::Truncated,
            "octets behind the packet",
            [good.sign(packet), vec![0, 0]].concat(),
        ),
        (Wrong::Truncated, "octets that are missing", {
            let mut octets = good.sign(packet);

            octets.truncate(50);

            octets
        }),
    ]
}

/// What is wrong.
#[derive(Clone, Copy)]
pub(super) enum Wrong {
    Unsigned,
    Form,
    Key,
    Digest,
    Truncated,
}
