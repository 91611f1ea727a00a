//! Where a frame's way through the program ends: an action and a counter with a name that an operator understands.

/// What the program returns to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To this host's network stack, as if the program were not there.
    Pass,
    /// Nowhere.
    Drop,
    /// Out of the NIC that it came in by.
    Transmit,
    /// Out of another NIC.
    Redirect,
}

macro_rules! verdicts {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal => $action:ident,)+) => {
        /// How a frame was treated. The discriminant is the index of its counter, so new ones go to the end.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Verdict {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Verdict {
            /// All, in the order of their counters.
            pub const ALL: &'static [Verdict] = &[$(Verdict::$variant,)+];

            /// What happens to the frame.
            #[inline(always)]
            pub const fn action(self) -> Action {
                match self {
                    $(Verdict::$variant => Action::$action,)+
                }
            }

            /// Name of its counter.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Verdict::$variant => $name,)+
                }
            }
        }
    };
}

verdicts! {
    /// Nothing to do with a heartbeat or a held address: what a busy host sees almost always.
    PassUnrelated = "pass_unrelated" => Pass,
    /// Neither ARP nor IP.
    PassNotIp = "pass_not_ip" => Pass,
    /// Shorter than its headers say.
    PassTruncated = "pass_truncated" => Pass,
    /// Carries more than two VLAN tags.
    PassManyTags = "pass_many_tags" => Pass,
    /// An IPv6 header of another version, or with an IPv4-mapped address (RFC 4291 2.5.5.2), which no host sends.
    PassBadIpv6 = "pass_bad_ipv6" => Pass,
    /// An IPv4 header that contradicts itself.
    PassBadIpv4 = "pass_bad_ipv4" => Pass,
    /// For a held address, but to another host's MAC: a switch flooded it.
    PassOtherHost = "pass_other_host" => Pass,
    /// For a held address that this host's kernel has.
    PassLocal = "pass_local" => Pass,
    /// To be forwarded, but its TTL or hop limit is used up: the kernel answers.
    PassForwardTtl = "pass_forward_ttl" => Pass,
    /// To be forwarded, but longer than the NIC's MTU: the kernel answers.
    PassForwardTooBig = "pass_forward_too_big" => Pass,
    /// To be sent on, but the next host's MAC is not known.
    PassNextHopUnknown = "pass_next_hop_unknown" => Pass,
    /// Return traffic of a forwarded address for which the kernel's tables have no ready route by a managed NIC: the kernel
    /// forwards it.
    PassReturn = "pass_return" => Pass,
    /// Another host claims a held address.
    PassConflict = "pass_conflict" => Pass,
    /// A heartbeat request, answered.
    RequestAnswered = "request_answered" => Transmit,
    /// A request shorter than its length fields say, or of a length that S-BFD does not have.
    RequestTruncated = "request_truncated" => Drop,
    /// A request with IPv4 options.
    RequestIpOptions = "request_ip_options" => Drop,
    /// A request whose IP or UDP checksum is wrong, or which has none over IPv6.
    RequestBadChecksum = "request_bad_checksum" => Drop,
    /// A request from port 7784: another reflector's reply, or a forgery (RFC 7881).
    RequestFromReflector = "request_from_reflector" => Drop,
    /// A request with a BFD version other than 1.
    RequestBadVersion = "request_bad_version" => Drop,
    /// A request that is malformed BFD: detect multiplier 0, multipoint, or My Discriminator 0 (RFC 5880 6.8.6).
    RequestMalformed = "request_malformed" => Drop,
    /// A request without the Demand bit: a reflected packet must not be reflected again (RFC 7880 7.2.3).
    RequestNotDemand = "request_not_demand" => Drop,
    /// A request for a discriminator that is not ours (RFC 7880 7.2.1).
    RequestUnknownDiscriminator = "request_unknown_discriminator" => Drop,
    /// A request with authentication, for which no key is configured.
    RequestAuthentication = "request_authentication" => Drop,
    /// A request from a host that may not ask.
    RequestInitiatorRefused = "request_initiator_refused" => Drop,
    /// A request that came faster than the reflector's Required Min RX Interval.
    RequestTooFast = "request_too_fast" => Drop,
    /// A valid reply to one of our S-BFD requests.
    ReplyMeasured = "reply_measured" => Drop,
    /// A reply shorter than its length fields say, or of a length that S-BFD does not have.
    ReplyTruncated = "reply_truncated" => Drop,
    /// A reply with IPv4 options.
    ReplyIpOptions = "reply_ip_options" => Drop,
    /// A reply whose IP or UDP checksum is wrong, or which has none over IPv6.
    ReplyBadChecksum = "reply_bad_checksum" => Drop,
    /// A reply that was routed: its TTL or hop limit is not 255 (RFC 7881).
    ReplyRouted = "reply_routed" => Drop,
    /// A reply that is malformed BFD: version, length, detect multiplier or state.
    ReplyMalformed = "reply_malformed" => Drop,
    /// A reply with the Demand bit (RFC 7880 7.3.3).
    ReplyDemand = "reply_demand" => Drop,
    /// A reply with authentication, for which no key is configured.
    ReplyAuthentication = "reply_authentication" => Drop,
    /// A reply for no session of ours.
    ReplyUnknownSession = "reply_unknown_session" => Drop,
    /// A reply whose addresses or discriminator are not the session's.
    ReplyWrongHost = "reply_wrong_host" => Drop,
    /// A reply to a request that was never sent, or too long ago.
    ReplyStale = "reply_stale" => Drop,
    /// A second reply to the same request.
    ReplyDuplicate = "reply_duplicate" => Drop,
    /// A valid answer to one of our ICMP or ICMPv6 echo requests.
    EchoMeasured = "echo_measured" => Drop,
    /// An answer to one of our ICMP or ICMPv6 echo requests whose checksum is wrong.
    EchoBadChecksum = "echo_bad_checksum" => Drop,
    /// An answer to an ICMP echo request that was never sent, or too long ago.
    EchoStale = "echo_stale" => Drop,
    /// A second answer to the same ICMP echo request.
    EchoDuplicate = "echo_duplicate" => Drop,
    /// ARP for a held address, answered with the chosen NIC's MAC.
    ArpAnswered = "arp_answered" => Transmit,
    /// ARP for a held address on a NIC that does not have it.
    ArpWrongNic = "arp_wrong_nic" => Drop,
    /// ARP for an address that is going back: the source answers.
    ArpDraining = "arp_draining" => Drop,
    /// ARP sent to us for an address that is going back, turned round to the source.
    ArpDrained = "arp_drained" => Transmit,
    /// Forwarded to the standby server.
    Forwarded = "forwarded" => Redirect,
    /// Return traffic of a forwarded address.
    Returned = "returned" => Redirect,
    /// For an address that is going back, turned round to the source on the same NIC.
    Drained = "drained" => Transmit,
    /// For an address that is going back, sent to the source by another NIC.
    DrainedAcross = "drained_across" => Redirect,
    /// To be redirected onto a NIC that is not managed.
    DropNoNic = "drop_no_nic" => Drop,
    /// A request for an address that is not the reflector's: perhaps the kernel forwards it.
    RequestNotOurs = "request_not_ours" => Pass,
    /// An ARP reply that answers our latest request to a source; the kernel gets it too, as it may have asked as well.
    ArpMeasured = "arp_measured" => Pass,
    /// A second ARP reply to the same request, or one to a question of the kernel's.
    ArpDuplicate = "arp_duplicate" => Pass,
    /// An ARP reply for a source that is watched, with another MAC than the source's.
    ArpOtherMac = "arp_other_mac" => Pass,
    /// A source accepts one of our TCP connections (SYN-ACK), which is reset.
    TcpMeasured = "tcp_measured" => Transmit,
    /// A source refuses one of our TCP connections (RST): nobody listens at the port.
    TcpRefused = "tcp_refused" => Drop,
    /// A second SYN-ACK for the same request, as after a reset that was lost: reset again.
    TcpDuplicate = "tcp_duplicate" => Transmit,
    /// A SYN-ACK for a request that was never sent, or too long ago: reset all the same.
    TcpStale = "tcp_stale" => Transmit,
    /// Another segment of a connection that we have not: reset (RFC 9293 3.10.7.1).
    TcpStray = "tcp_stray" => Transmit,
    /// A refusal of a request that was answered already, never sent, or too long ago.
    TcpRefusalStale = "tcp_refusal_stale" => Drop,
    /// A segment for one of our TCP sessions that is cut off, or carries what no answer to it can carry.
    TcpTruncated = "tcp_truncated" => Drop,
    /// A segment for one of our TCP sessions whose IP or TCP checksum is wrong.
    TcpBadChecksum = "tcp_bad_checksum" => Drop,
    /// For an address that is held in another VLAN: in this one it is another host's.
    PassOtherVlan = "pass_other_vlan" => Pass,
    /// A request behind IPv6 extension headers.
    RequestExtensionHeaders = "request_extension_headers" => Drop,
    /// A request in fragments.
    RequestFragment = "request_fragment" => Drop,
    /// A reply behind IPv6 extension headers.
    ReplyExtensionHeaders = "reply_extension_headers" => Drop,
    /// A reply in fragments.
    ReplyFragment = "reply_fragment" => Drop,
    /// A reply that came by another VLAN than the session's.
    ReplyOtherVlan = "reply_other_vlan" => Drop,
    /// Neighbour discovery that a host has to discard (RFC 4861 7.1.1, 7.1.2): the kernel does.
    PassBadNd = "pass_bad_nd" => Pass,
    /// Neighbour discovery with more options than this program looks through: the kernel answers.
    PassNdOptions = "pass_nd_options" => Pass,
    /// A neighbour solicitation for a held address, answered with the chosen NIC's MAC.
    NdAnswered = "nd_answered" => Transmit,
    /// A neighbour solicitation for a held address on a NIC that does not have it.
    NdWrongNic = "nd_wrong_nic" => Drop,
    /// A neighbour solicitation for an address that is going back: the source answers.
    NdDraining = "nd_draining" => Drop,
    /// Neighbour discovery sent to us for an address that is going back, turned round to the source.
    NdDrained = "nd_drained" => Transmit,
    /// A request without authentication, although a key is configured.
    RequestUnauthenticated = "request_unauthenticated" => Drop,
    /// A request whose authentication is not Meticulous Keyed SHA1, or of another length (RFC 5880 6.7.4).
    RequestBadAuthentication = "request_bad_authentication" => Drop,
    /// A request that is signed with a key whose id is not configured.
    RequestUnknownKey = "request_unknown_key" => Drop,
    /// A request that is signed with another secret than ours, or was changed on its way.
    RequestBadDigest = "request_bad_digest" => Drop,
    /// A reply without authentication, although a key is configured.
    ReplyUnauthenticated = "reply_unauthenticated" => Drop,
    /// A reply whose authentication is not Meticulous Keyed SHA1, or of another length (RFC 5880 6.7.4).
    ReplyBadAuthentication = "reply_bad_authentication" => Drop,
    /// A reply that is signed with a key whose id is not configured.
    ReplyUnknownKey = "reply_unknown_key" => Drop,
    /// A reply that is signed with another secret than ours, or was changed on its way.
    ReplyBadDigest = "reply_bad_digest" => Drop,
    /// A reply with another authentication sequence than its request: it was recorded earlier (RFC 7880 section 11).
    ReplyReplayed = "reply_replayed" => Drop,
    /// A heartbeat request, answered with state AdminDown: this host's administrator wants no takeover.
    RequestAdminDown = "request_admin_down" => Transmit,
    /// A request that is not answered because this host is not healthy: its daemon does not run, or a health check failed.
    RequestSilent = "request_silent" => Drop,
    /// For an address of this host's identity, which it must not use now.
    Fenced = "fenced" => Drop,
    /// From an address of this host's identity, which it must not use now.
    FencedOut = "fenced_out" => Drop,
    /// A probe for a held address by the source that is about to take it back: it finds the address free.
    ArpYielded = "arp_yielded" => Drop,
    /// The same by neighbour discovery.
    NdYielded = "nd_yielded" => Drop,
}

const _: () = assert!(Verdict::ALL.len() <= crate::abi::MAX_COUNTERS as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_counter_has_its_own_name() {
        let names: BTreeSet<_> = Verdict::ALL.iter().map(|v| v.name()).collect();

        assert_eq!(names.len(), Verdict::ALL.len());
    }

    #[test]
    fn discriminants_index_the_counters() {
        for (index, verdict) in Verdict::ALL.iter().enumerate() {
            assert_eq!(*verdict as usize, index);
        }
    }
}
