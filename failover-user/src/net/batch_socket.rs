//! Carrying out a [`Batch`].

use std::io;

use netlink_packet_core::NLMSG_ERROR;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::batch::{Batch, Request};

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

        for (bytes, last) in batch.groups() {
            self.socket.send(bytes, 0).map_err(BatchError::Send)?;
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
                let Some(request) = batch.requests().get(index) else {
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
    use crate::net::batch::Operation;

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
            ip: [10, 0, 0, 10].into(),
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
