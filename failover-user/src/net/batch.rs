//! Prebuilt rtnetlink requests for the takeover: many addresses and rules by a few system calls, no async, no allocation
//! while they are carried out.
//!
//! Only the last request of a group asks for an acknowledgement. The kernel carries a group out in order, inside the
//! system call that sends it, and reports every error whether asked to or not: what has no error report when the
//! acknowledgement is there was done.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;

pub use super::batch_socket::{BatchError, BatchSocket};
use super::{RULE_PRIORITY, requests, table_of};

/// Requests of one group. An answer to each of them fits into the smallest receive buffer in use (212,992 octets, and an
/// answer counts less than 2,048).
const GROUP: usize = 96;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Put an address on a NIC. Done already: success.
    AddAddress,
    /// Take an address from a NIC. Not there: success.
    RemoveAddress,
    /// Add the rule of an address. Done already: success.
    AddRule,
    /// Remove the rule of an address. Not there: success.
    RemoveRule,
    /// Have what comes for an IPv6 address delivered on this host. Done already: success.
    AddLocalRoute,
    /// Deliver it no more. Done already: success.
    RemoveLocalRoute,
    /// Listen on a NIC for who asks for an address, as its proxy. Done already: success.
    AddProxy,
    /// Listen no more. Done already: success.
    RemoveProxy,
}

impl Operation {
    /// Whether an error means that nothing was left to do.
    pub(super) fn is_done(self, errno: i32) -> bool {
        match self {
            Self::AddAddress | Self::AddRule | Self::AddProxy | Self::AddLocalRoute => {
                errno == libc::EEXIST
            }
            // A NIC that is gone has taken its addresses with it.
            Self::RemoveAddress => {
                matches!(errno, libc::EADDRNOTAVAIL | libc::ENODEV | libc::ENOENT)
            }
            Self::RemoveRule => errno == libc::ENOENT,
            Self::RemoveProxy => matches!(errno, libc::ENODEV | libc::ENOENT),
            Self::RemoveLocalRoute => matches!(errno, libc::ENODEV | libc::ESRCH),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AddAddress => "cannot add the address",
            Self::RemoveAddress => "cannot remove the address",
            Self::AddRule => "cannot add the rule for",
            Self::RemoveRule => "cannot remove the rule for",
            Self::AddLocalRoute => "cannot add the local route of",
            Self::RemoveLocalRoute => "cannot remove the local route of",
            Self::AddProxy => "cannot listen for",
            Self::RemoveProxy => "cannot end listening for",
        })
    }
}

/// One request of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it does.
    pub operation: Operation,
    /// The address that it is about.
    pub ip: IpAddr,
}

/// Requests in the kernel's format, ready to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each group ends in `bytes`.
    ends: Vec<usize>,
    requests: Vec<Request>,
}

impl Batch {
    /// An empty batch to be filled.
    pub fn builder() -> Builder {
        Builder(Vec::new())
    }

    /// The requests, in the order in which they are carried out.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The same requests with every address on one NIC. Rules name no NIC and stay as they are.
    #[must_use]
    pub fn moved_to(&self, ifindex: u32) -> Self {
        let mut moved = self.clone();
        let mut start = 0;
        for request in &self.requests {
            let length = message_length(&self.bytes[start..]);
            match request.operation {
                Operation::AddAddress
                | Operation::RemoveAddress
                | Operation::AddProxy
                | Operation::RemoveProxy => {
                    let index = start + IFINDEX;
                    moved.bytes[index..index + 4].copy_from_slice(&ifindex.to_ne_bytes());
                }
                Operation::AddLocalRoute | Operation::RemoveLocalRoute => {
                    let index = start + ROUTE_IFINDEX;
                    moved.bytes[index..index + 4].copy_from_slice(&ifindex.to_ne_bytes());
                }
                Operation::AddRule | Operation::RemoveRule => {}
            }
            start += length.next_multiple_of(4);
        }
        moved
    }

    /// The groups in which the messages are sent: the octets, and the index of the last request in them, which is the one
    /// that is acknowledged.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&[u8], usize)> {
        let mut start = 0;
        self.ends.iter().enumerate().map(move |(group, &end)| {
            let bytes = &self.bytes[start..end];
            start = end;
            (bytes, self.requests.len().min((group + 1) * GROUP) - 1)
        })
    }

    /// The netlink messages, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Collects the requests of a [`Batch`].
#[derive(Clone, Debug, Default)]
pub struct Builder(Vec<(Request, RouteNetlinkMessage)>);

impl Builder {
    /// Put `ip`/32 or `ip`/128 on a NIC, marked as ours. An address that is there already is kept, and an IPv4 address
    /// marked as ours. (An IPv6 address is on a NIC once, whatever its prefix length: somebody else's is left as it is.)
    #[must_use]
    pub fn add_address(self, ifindex: u32, ip: impl Into<IpAddr>) -> Self {
        let ip = ip.into();
        let message = RouteNetlinkMessage::NewAddress(requests::address(ifindex, ip));
        self.push(Operation::AddAddress, ip, message)
    }

    /// Take `ip`/32 or `ip`/128 from a NIC. The same address with another prefix length is not touched.
    #[must_use]
    pub fn remove_address(self, ifindex: u32, ip: impl Into<IpAddr>) -> Self {
        let ip = ip.into();
        let message = RouteNetlinkMessage::DelAddress(requests::address(ifindex, ip));
        self.push(Operation::RemoveAddress, ip, message)
    }

    /// Look up routes of packets from `ip` in `table`; see [`super::table_of`] and [`super::RULE_PRIORITY`].
    #[must_use]
    pub fn add_rule(self, ip: impl Into<IpAddr>, table: u32, priority: u32) -> Self {
        let ip = ip.into();
        let message = RouteNetlinkMessage::NewRule(requests::rule(ip, table, priority));
        self.push(Operation::AddRule, ip, message)
    }

    /// Remove what [`Self::add_rule`] with the same arguments adds.
    #[must_use]
    pub fn remove_rule(self, ip: impl Into<IpAddr>, table: u32, priority: u32) -> Self {
        let ip = ip.into();
        let message = RouteNetlinkMessage::DelRule(requests::rule(ip, table, priority));
        self.push(Operation::RemoveRule, ip, message)
    }

    /// Put an address that is held here on a NIC, so that what comes for it is delivered from this request on.
    #[must_use]
    pub fn hold(self, ifindex: u32, ip: IpAddr) -> Self {
        let builder = self.add_address(ifindex, ip);
        match ip {
            IpAddr::V4(_) => builder,
            IpAddr::V6(ip) => {
                let route = requests::local_route(ifindex, ip);
                let message = RouteNetlinkMessage::NewRoute(route);
                builder.push(Operation::AddLocalRoute, ip.into(), message)
            }
        }
    }

    /// Undo [`Self::hold`].
    #[must_use]
    pub fn unhold(self, ifindex: u32, ip: IpAddr) -> Self {
        let builder = match ip {
            IpAddr::V4(_) => self,
            IpAddr::V6(ip) => {
                let route = requests::local_route(ifindex, ip);
                let message = RouteNetlinkMessage::DelRoute(route);
                self.push(Operation::RemoveLocalRoute, ip.into(), message)
            }
        };
        builder.remove_address(ifindex, ip)
    }

    /// Have a NIC listen to the solicited-node group of an address that the kernel of this host does not have.
    #[must_use]
    pub fn add_proxy(self, ifindex: u32, ip: Ipv6Addr) -> Self {
        let message = RouteNetlinkMessage::NewNeighbour(requests::proxy(ifindex, ip));
        self.push(Operation::AddProxy, ip.into(), message)
    }

    /// Undo [`Self::add_proxy`].
    #[must_use]
    pub fn remove_proxy(self, ifindex: u32, ip: Ipv6Addr) -> Self {
        let message = RouteNetlinkMessage::DelNeighbour(requests::proxy(ifindex, ip));
        self.push(Operation::RemoveProxy, ip.into(), message)
    }

    /// Undo everything that a takeover does for an address on a NIC, however it was delivered.
    #[must_use]
    pub fn remove_held(self, ifindex: u32, ip: IpAddr) -> Self {
        let builder = self
            .unhold(ifindex, ip)
            .remove_rule(ip, table_of(ifindex), RULE_PRIORITY);
        match ip {
            IpAddr::V4(_) => builder,
            IpAddr::V6(ip) => builder.remove_proxy(ifindex, ip),
        }
    }

    /// The requests in the kernel's format.
    pub fn build(self) -> Batch {
        let mut batch = Batch::default();
        let count = self.0.len();
        for (index, (request, message)) in self.0.into_iter().enumerate() {
            let last = (index + 1) % GROUP == 0 || index + 1 == count;
            let mut header = NetlinkHeader::default();
            header.flags = flags(request) | if last { NLM_F_ACK } else { 0 };
            header.sequence_number = sequence(index);
            let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
            message.finalize();

            let start = batch.bytes.len();
            // Every message starts at a multiple of four octets (NLMSG_ALIGN).
            batch
                .bytes
                .resize(start + message.buffer_len().next_multiple_of(4), 0);
            message.serialize(&mut batch.bytes[start..]);
            if last {
                batch.ends.push(batch.bytes.len());
            }
            batch.requests.push(request);
        }
        batch
    }

    fn push(mut self, operation: Operation, ip: IpAddr, message: RouteNetlinkMessage) -> Self {
        self.0.push((Request { operation, ip }, message));
        self
    }
}

/// Where the NIC is in a message about an address or a neighbour: behind `nlmsghdr` and the first four octets of
/// `ifaddrmsg` or `ndmsg`.
const IFINDEX: usize = 16 + 4;

/// Where it is in the message about a local route: behind `nlmsghdr`, `rtmsg`, and the header of the first attribute.
const ROUTE_IFINDEX: usize = 16 + 12 + 4;

/// `nlmsg_len` of the message that begins here, without its padding.
fn message_length(message: &[u8]) -> usize {
    let length = message.first_chunk().copied().unwrap_or_default();
    u32::from_ne_bytes(length) as usize
}

fn flags(request: Request) -> u16 {
    NLM_F_REQUEST
        | match request.operation {
            // The same IPv6 address with another prefix length would lose its prefix route.
            Operation::AddAddress if request.ip.is_ipv6() => NLM_F_CREATE | NLM_F_EXCL,
            Operation::AddAddress => NLM_F_CREATE | NLM_F_REPLACE,
            // Without NLM_F_EXCL the kernel adds a second, equal rule.
            Operation::AddRule => NLM_F_CREATE | NLM_F_EXCL,
            Operation::AddProxy => NLM_F_CREATE | NLM_F_REPLACE,
            Operation::AddLocalRoute => NLM_F_CREATE | NLM_F_EXCL,
            Operation::RemoveAddress
            | Operation::RemoveRule
            | Operation::RemoveProxy
            | Operation::RemoveLocalRoute => 0,
        }
}

/// Sequence number of the request with this index; 0 belongs to the kernel's own messages.
fn sequence(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::NetlinkBuffer;
    use std::net::Ipv4Addr;

    const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10));
    const IP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x10);

    fn messages(batch: &Batch) -> Vec<NetlinkMessage<RouteNetlinkMessage>> {
        let mut rest = batch.bytes();
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let length = NetlinkBuffer::new_checked(rest).unwrap().length() as usize;
            messages.push(NetlinkMessage::deserialize(&rest[..length]).unwrap());
            rest = &rest[length.next_multiple_of(4)..];
        }
        messages
    }

    fn many(count: u32) -> Batch {
        (0..count)
            .fold(Batch::builder(), |builder, n| {
                builder.add_address(3, Ipv4Addr::from_bits(n))
            })
            .build()
    }

    #[test]
    fn a_batch_holds_the_requests_in_their_order() {
        let batch = Batch::builder()
            .add_address(3, IP)
            .add_rule(IP, 78_000_003, 780)
            .remove_rule(IP, 78_000_003, 780)
            .remove_address(3, IP)
            .build();

        let payloads: Vec<_> = messages(&batch)
            .into_iter()
            .map(|message| message.payload)
            .collect();
        let rule = requests::rule(IP, 78_000_003, 780);
        let address = requests::address(3, IP);
        assert_eq!(
            payloads,
            [
                RouteNetlinkMessage::NewAddress(address.clone()),
                RouteNetlinkMessage::NewRule(rule.clone()),
                RouteNetlinkMessage::DelRule(rule),
                RouteNetlinkMessage::DelAddress(address),
            ]
            .map(NetlinkPayload::from)
        );
        let operations: Vec<_> = batch
            .requests()
            .iter()
            .map(|request| request.operation)
            .collect();
        assert_eq!(
            operations,
            [
                Operation::AddAddress,
                Operation::AddRule,
                Operation::RemoveRule,
                Operation::RemoveAddress
            ]
        );
    }

    #[test]
    fn each_group_ends_with_the_only_request_that_wants_an_acknowledgement() {
        let batch = many(2 * GROUP as u32 + 1);

        let wants: Vec<usize> = messages(&batch)
            .iter()
            .enumerate()
            .filter(|(_, message)| message.header.flags & NLM_F_ACK != 0)
            .map(|(index, _)| index)
            .collect();
        assert_eq!(wants, [GROUP - 1, 2 * GROUP - 1, 2 * GROUP]);
        assert_eq!(batch.ends.len(), 3);
        assert_eq!(batch.ends.last(), Some(&batch.bytes.len()));
    }

    #[test]
    fn a_batch_that_is_moved_differs_in_nothing_but_the_nic() {
        let on = |nic| {
            (0..200u32)
                .map(Ipv4Addr::from_bits)
                .fold(Batch::builder(), |builder, ip| {
                    let ip6 = ip.to_ipv6_mapped();
                    builder
                        .add_rule(ip, 78_000_003, 780)
                        .add_address(nic, ip)
                        .remove_address(nic, ip)
                        .add_rule(ip6, 78_000_003, 780)
                        .add_address(nic, ip6)
                        .remove_address(nic, ip6)
                        .add_proxy(nic, ip6)
                        .remove_proxy(nic, ip6)
                        .hold(nic, ip6.into())
                        .unhold(nic, ip6.into())
                })
                .build()
        };

        let moved = on(3).moved_to(70_001);

        assert!(moved == on(70_001));
        assert!(moved != on(3));
    }

    #[test]
    fn an_ipv6_address_is_added_without_detection_of_duplicates_and_never_over_another() {
        let batch = Batch::builder().add_address(3, IP6).build();

        let [message] = messages(&batch).try_into().unwrap();
        assert_eq!(
            message.header.flags,
            NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
        );
        let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)) =
            message.payload
        else {
            panic!("no address");
        };
        assert_eq!(address.header.prefix_len, 128);
        assert_eq!(address, requests::address(3, IP6.into()));
    }

    #[test]
    fn an_empty_batch_has_nothing_to_send() {
        let batch = Batch::builder().build();

        assert_eq!(batch, Batch::default());
    }

    #[test]
    fn what_is_done_already_is_no_error() {
        assert!(Operation::AddAddress.is_done(libc::EEXIST));
        assert!(Operation::AddRule.is_done(libc::EEXIST));
        assert!(Operation::RemoveAddress.is_done(libc::EADDRNOTAVAIL));
        assert!(Operation::RemoveRule.is_done(libc::ENOENT));
        assert!(Operation::RemoveProxy.is_done(libc::ENOENT));
        assert!(Operation::RemoveLocalRoute.is_done(libc::ESRCH));
        assert!(!Operation::AddProxy.is_done(libc::ENODEV));
        assert!(!Operation::AddAddress.is_done(libc::ENODEV));
        assert!(!Operation::AddAddress.is_done(libc::EPERM));
        assert!(!Operation::RemoveRule.is_done(libc::EEXIST));
    }
}
