//! What can happen: the names of events, in one place.
//!
//! The daemon records nothing else, and the README's table of events is this one. Whoever reads events has to pass over
//! names that it does not know: a newer daemon may have more.

/// Makes the enum and everything that has to agree with it.
macro_rules! kinds {
    ($($kind:ident, $name:literal, [$($field:literal),*], $meaning:literal;)+) => {
        /// What happened, the `event` of an [`Event`](super::protocol::Event).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $(#[doc = $meaning] $kind,)+
        }

        impl EventKind {
            /// Every one, in the order of the README.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// As it is written.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// When it happens, in a few words.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$kind => $meaning,)+
                }
            }

            /// Its own fields. What does not apply is left out; with `trigger = "path"` there is `path` besides, from 1.
            pub const fn fields(self) -> &'static [&'static str] {
                match self {
                    $(Self::$kind => &[$($field),*],)+
                }
            }
        }
    };
}

kinds! {
    Started, "started", ["version", "pid", "scheduling", "held"],
        "the daemon runs; what it found held";
    Stopping, "stopping", ["release"],
        "the daemon ends";
    Reloaded, "reloaded", ["by", "changed"],
        "another configuration is in force";
    Nic, "nic", ["nic", "xdp_mode", "carrier"],
        "a managed NIC came, went, or its link changed";
    Witness, "witness", ["nic", "address", "answers"],
        "a witness answers, or does not any more";
    Path, "path", ["monitor", "state", "missed", "refused", "at_ns", "left_out"],
        "the heartbeats of a path fare differently";
    Pace, "pace", ["monitor", "pace_ns", "interval_ns"],
        "a reflector takes heartbeats at another pace";
    Verdict, "verdict", ["monitor", "missed", "refused", "detect_ns", "at_ns"],
        "a path has failed";
    Heard, "heard", ["finding", "ip", "mac", "first"],
        "what an ARP probe for the addresses found";
    Transition, "transition", ["from", "to", "cause", "left_out"],
        "a unit changed its state";
    Takeover, "takeover", ["cause", "addresses", "held", "detect_ns", "decided_ns", "addresses_ns", "entries_ns",
        "announced_ns", "takeover_ns", "error"],
        "a takeover was carried out";
    Failback, "failback", ["step", "addresses", "at_ns", "error"],
        "a step of a failback was carried out";
    Announced, "announced", ["addresses"],
        "held addresses were announced again";
    SourceAnnounced, "source-announced", ["addresses", "at_ns"],
        "the source was announced for its addresses";
    PutBack, "put-back", ["address", "nic"],
        "a held address that somebody had removed is there again";
    Claim, "claim", ["address", "mac", "by", "nic", "at_ns"],
        "another host claims a held address";
    Defended, "defended", ["address", "at_ns"],
        "a claimed address was announced in its defence";
    RemoteHold, "remote-hold", ["monitor", "on"],
        "a source's own administrator has put it on hold, or has ended that";
    Reflector, "reflector", ["answers", "fenced", "cause", "at_ns"],
        "this host answers heartbeats differently, or keeps off its identity as a whole, or does so no more";
    Check, "check", ["check", "good", "error"],
        "a health check of this host fails, or succeeds again";
    Custody, "custody", ["address", "standing", "by", "at_ns"],
        "who has an address of this host: ours, asking, elsewhere";
    OwnAnnounced, "own-announced", ["address", "at_ns"],
        "this host has announced an address of its own that it uses again";
    OwnHold, "own-hold", ["on"],
        "the administrator of this host has put it on hold, or has ended that";
    StoodStill, "stood-still", ["at_ns"],
        "this daemon stood still for longer than dead_man";
    Hook, "hook", ["hook", "program", "begins", "state", "took_ns", "error", "output"],
        "a hook begins, or has ended";
    Drill, "drill", ["result", "total_ns"],
        "a drill has ended";
    Error, "error", ["error", "nic", "what", "by", "problems"],
        "something went wrong that a person should know";
    Skipped, "skipped", ["events"],
        "so many events were too fast for this follower";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_kinds_have_one_name() {
        let names: BTreeSet<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();

        assert_eq!(names.len(), EventKind::ALL.len());
    }

    #[test]
    fn no_field_hides_what_every_event_has() {
        for kind in EventKind::ALL {
            for reserved in ["seq", "at", "source", "event", "path"] {
                assert!(!kind.fields().contains(&reserved), "{kind:?} {reserved}");
            }
        }
    }
}
