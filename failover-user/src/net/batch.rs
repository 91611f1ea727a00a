//! Prebuilt rtnetlink requests for the takeover: many addresses and rules by a few system calls, no async, no allocation
//! while they are carried out.
//!
//! Only the last request of a group asks for an acknowledgement. The kernel carries a group out in order, inside the
//! system call that sends it, and reports every error whether asked to or not: what has no error report when the
//! acknowledgement is there was done.

use std::{fmt, io, net::Ipv4Addr};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NLMSG_ERROR, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::requests;

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
}

impl Operation {
    /// Whether an error means that nothing was left to do.
    fn is_done(self, errno: i32) -> bool {
        match self {
            Self::AddAddress | Self::AddRule => errno == libc::EEXIST,
            // A NIC that is gone has taken its addresses with it.
            Self::RemoveAddress => {
                matches!(errno, libc::EADDRNOTAVAIL | libc::ENODEV | libc::ENOENT)
            }
            Self::RemoveRule => errno == libc::ENOENT,
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
        })
    }
}

/// One request of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it does.
    pub operation: Operation,
    /// The address that it is about.
    pub ip: Ipv4Addr,
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

    /// The netlink messages, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Collects the requests of a [`Batch`].
#[derive(Clone, Debug, Default)]
pub struct Builder(Vec<(Request, RouteNetlinkMessage)>);

impl Builder {
    /// Put `ip`/32 on a NIC, marked as ours. An address that is there already is kept, and marked as ours.
    #[must_use]
    pub fn add_address(self, ifindex: u32, ip: Ipv4Addr) -> Self {
        let message = RouteNetlinkMessage::NewAddress(requests::address(ifindex, ip));
        self.push(Operation::AddAddress, ip, message)
    }

    /// Take `ip`/32 from a NIC. The same address with another prefix length is not touched.
    #[must_use]
    pub fn remove_address(self, ifindex: u32, ip: Ipv4Addr) -> Self {
        let message = RouteNetlinkMessage::DelAddress(requests::address(ifindex, ip));
        self.push(Operation::RemoveAddress, ip, message)
    }

    /// Look up routes of packets from `ip` in `table`; see [`super::table_of`] and [`super::RULE_PRIORITY`].
    #[must_use]
    pub fn add_rule(self, ip: Ipv4Addr, table: u32, priority: u32) -> Self {
        let message = RouteNetlinkMessage::NewRule(requests::rule(ip, table, priority));
        self.push(Operation::AddRule, ip, message)
    }

    /// Remove what [`Self::add_rule`] with the same arguments adds.
    #[must_use]
    pub fn remove_rule(self, ip: Ipv4Addr, table: u32, priority: u32) -> Self {
        let message = RouteNetlinkMessage::DelRule(requests::rule(ip, table, priority));
        self.push(Operation::RemoveRule, ip, message)
    }

    /// The requests in the kernel's format.
    pub fn build(self) -> Batch {
        let mut batch = Batch::default();
        let count = self.0.len();
        for (index, (request, message)) in self.0.into_iter().enumerate() {
            let last = (index + 1) % GROUP == 0 || index + 1 == count;
            let mut header = NetlinkHeader::default();
            header.flags = flags(request.operation) | if last { NLM_F_ACK } else { 0 };
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

    fn push(mut self, operation: Operation, ip: Ipv4Addr, message: RouteNetlinkMessage) -> Self {
        self.0.push((Request { operation, ip }, message));
        self
    }
}

fn flags(operation: Operation) -> u16 {
    NLM_F_REQUEST
        | match operation {
            Operation::AddAddress => NLM_F_CREATE | NLM_F_REPLACE,
            // Without NLM_F_EXCL the kernel adds a second, equal rule.
            Operation::AddRule => NLM_F_CREATE | NLM_F_EXCL,
            Operation::RemoveAddress | Operation::RemoveRule => 0,
        }
}

/// Sequence number of the request with this index; 0 belongs to the kernel's own messages.
fn sequence(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

/// Why a batch was not, or not wholly, carried out.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The kernel refused requests; all others were carried out.
    #[error("{} {}: {}{}", first.operation, first.ip, io::Error::from_raw_os_error(*errno), others(*refused))]
    Refused {
        /// The first one that was refused.
        first: Request,
        /// Why: the kernel's error code, positive.
        errno: i32,
        /// How many were refused.
        refused: usize,
    },
    /// Requests could not be handed to the kernel. Those of earlier groups were carried out.
    #[error("cannot send requests to the kernel: {0}")]
    Send(#[source] io::Error),
    /// The kernel's answers could not be read, so it is not known which requests were carried out.
    #[error("cannot read the kernel's answers: {0}")]
    Receive(#[source] io::Error),
}

fn others(refused: usize) -> String {
    match refused {
        0 | 1 => String::new(),
        more => format!(" (and {} more)", more - 1),
    }
}

/// A netlink socket for batches. It belongs to the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct BatchSocket {
    socket: Socket,
    answer: Box<[u8; 8192]>,
    /// Answers of a batch that failed may still be queued.
    stale: bool,
}

impl BatchSocket {
    /// Opens the socket.
    ///
    /// # Errors
    /// The process has too many files open, or the kernel has no rtnetlink.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self {
            socket,
            answer: Box::new([0; 8192]),
            stale: false,
        })
    }

    /// Carries a batch out. A request that the kernel refuses does not keep the others from being carried out.
    ///
    /// # Errors
    /// The first request that was refused, or why the kernel could not be asked.
    pub fn execute(&mut self, batch: &Batch) -> Result<(), BatchError> {
        let mut first = None;
        let mut refused = 0;
        self.execute_each(batch, |request, errno| {
            first.get_or_insert((*request, errno));
            refused += 1;
        })?;
        match first {
            None => Ok(()),
            Some((first, errno)) => Err(BatchError::Refused {
                first,
                errno,
                refused,
            }),
        }
    }

    /// Carries a batch out and reports every request that the kernel refused, with its error code (positive). Allocates
    /// nothing and does not wait.
    ///
    /// # Errors
    /// The kernel could not be asked: [`BatchError::Send`] or [`BatchError::Receive`].
    pub fn execute_each(
        &mut self,
        batch: &Batch,
        mut refused: impl FnMut(&Request, i32),
    ) -> Result<(), BatchError> {
        if self.stale {
            self.drain();
        }
        self.stale = true;

        let mut start = 0;
        for (group, &end) in batch.ends.iter().enumerate() {
            self.socket
                .send(&batch.bytes[start..end], 0)
                .map_err(BatchError::Send)?;
            start = end;
            let last = batch.requests.len().min((group + 1) * GROUP) - 1;
            self.collect(batch, last, &mut refused)?;
        }

        self.stale = false;
        Ok(())
    }

    /// Reads the answers up to that of the request with the index `last`, which always has one.
    fn collect(
        &mut self,
        batch: &Batch,
        last: usize,
        refused: &mut impl FnMut(&Request, i32),
    ) -> Result<(), BatchError> {
        loop {
            // The answers are there when sending returns; if they are not, they never come.
            let length = self
                .socket
                .recv(&mut &mut self.answer[..], libc::MSG_DONTWAIT)
                .map_err(BatchError::Receive)?;
            for answer in Answers(&self.answer[..length.min(self.answer.len())]) {
                let Some(index) = answer.sequence.checked_sub(1) else {
                    continue;
                };
                let index = index as usize;
                let Some(request) = batch.requests.get(index) else {
                    continue;
                };
                if answer.errno != 0 && !request.operation.is_done(answer.errno) {
                    refused(request, answer.errno);
                }
                if index == last {
                    return Ok(());
                }
            }
        }
    }

    fn drain(&mut self) {
        // An overrun is reported once, as an error, ahead of what is still queued.
        let mut errors = 0;
        while errors < 2 {
            if self
                .socket
                .recv(&mut &mut self.answer[..], libc::MSG_DONTWAIT)
                .is_err()
            {
                errors += 1;
            }
        }
    }
}

/// An acknowledgement (`errno` 0) or an error report.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    sequence: u32,
    errno: i32,
}

/// The answers in a datagram; other messages are passed over.
struct Answers<'a>(&'a [u8]);

impl Iterator for Answers<'_> {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        loop {
            // struct nlmsghdr: u32 length, u16 type, u16 flags, u32 sequence, u32 port; struct nlmsgerr: i32 error, …
            let length = u32::from_ne_bytes(*self.0.first_chunk()?) as usize;
            let (kind, sequence) = (self.0.get(4..6)?, self.0.get(8..12)?);
            let kind = u16::from_ne_bytes(kind.try_into().ok()?);
            let sequence = u32::from_ne_bytes(sequence.try_into().ok()?);
            let error = self.0.get(16..20).filter(|_| length >= 20);
            if length < 16 {
                return None;
            }
            self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
            if kind == NLMSG_ERROR {
                let errno = i32::from_ne_bytes(error?.try_into().ok()?);
                return Some(Answer {
                    sequence,
                    errno: errno.saturating_neg(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::NetlinkBuffer;

    const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);

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
        assert!(!Operation::AddAddress.is_done(libc::ENODEV));
        assert!(!Operation::AddAddress.is_done(libc::EPERM));
        assert!(!Operation::RemoveRule.is_done(libc::EEXIST));
    }

    #[test]
    fn answers_are_read_from_a_datagram_of_several_messages() {
        let message = |kind: u16, sequence: u32, errno: i32| {
            let mut bytes = Vec::new();
            bytes.extend(20u32.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0; 2]);
            bytes.extend(sequence.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(errno.to_ne_bytes());
            bytes
        };
        let datagram = [
            message(2, 7, -libc::EPERM),
            message(20, 8, 1),
            message(2, 9, 0),
        ]
        .concat();

        let answers: Vec<_> = Answers(&datagram).collect();

        let expected =
            [(7, libc::EPERM), (9, 0)].map(|(sequence, errno)| Answer { sequence, errno });
        assert_eq!(answers, expected);
    }

    #[test]
    fn truncated_answers_end_the_datagram() {
        let mut whole = [0; 20];
        whole[0] = 20;
        whole[4] = 2;

        for length in 0..20 {
            assert_eq!(Answers(&whole[..length]).next(), None, "{length}");
        }
        assert_eq!(Answers(&[0; 64]).next(), None);
        assert!(Answers(&whole).next().is_some());
    }

    #[test]
    fn a_refusal_names_the_address_and_the_reason() {
        let first = Request {
            operation: Operation::AddAddress,
            ip: IP,
        };

        let error = BatchError::Refused {
            first,
            errno: libc::ENODEV,
            refused: 3,
        };

        assert_eq!(
            error.to_string(),
            "cannot add the address 10.0.0.10: No such device (os error 19) (and 2 more)"
        );
    }
}
