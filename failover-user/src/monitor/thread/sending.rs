//! Requests on their way out.

use super::{Asked, Heartbeats};
use crate::monitor::clock;

impl Heartbeats {
    /// Sends what this tick made ready, by one system call a NIC as long as it takes everything.
    pub(super) fn flush(&mut self) {
        self.outgoing.sort_unstable();
        let mut start = 0;
        while let Some(&(nic, _)) = self.outgoing.get(start) {
            let end = start
                + self.outgoing[start..]
                    .iter()
                    .take_while(|(other, _)| *other == nic)
                    .count();
            while start < end {
                start = self.send(nic, start, end);
            }
        }
        let done_ns = clock::now();
        for (_, asked) in self.outgoing.drain(..) {
            if let Asked::Path(index) = asked {
                self.sessions[index].left_at(done_ns);
            }
        }
    }

    /// Sends the frames from `start` to `end` of this tick, and says where to go on: behind the end, or behind a frame that
    /// was refused.
    fn send(&mut self, nic: u32, start: usize, end: usize) -> usize {
        let batch = &self.outgoing[start..end];
        let frames = batch.iter().map(|&(_, asked)| match asked {
            Asked::Path(index) => self.sessions[index].frame(),
            Asked::Witness(index) => self.witnesses[&index].frame(),
        });
        let (sent, error) = self.means.nics.send_batch(nic, frames);
        let Some(error) = error else { return end };
        let refused = start + sent;
        let dead = match error.raw_os_error() {
            Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV) => true,
            // A full queue, or no carrier: the kernel says the same of both.
            Some(libc::ENOBUFS) => !self.means.nics.has_carrier(nic),
            Some(_) | None => false,
        };
        // What has no room now has none for the frames behind it either.
        let next = if dead || error.kind() == std::io::ErrorKind::WouldBlock {
            end
        } else {
            refused + 1
        };
        for place in refused..next {
            self.refused(place, dead);
        }
        next
    }

    /// A frame was not sent, so it cannot be missed. A NIC that is down or gone, or that refuses as often as would be a
    /// verdict, isolates its paths.
    fn refused(&mut self, place: usize, dead: bool) {
        let index = match self.outgoing[place].1 {
            Asked::Path(index) => index,
            // Whatever the reason, it has not answered.
            Asked::Witness(_) => return,
        };
        self.sessions[index].not_sent(&self.shared);
        if (dead || self.sessions[index].is_refused())
            && let Some(change) = self.sessions[index].isolated(&self.shared)
        {
            self.changed(index, change);
        }
    }
}
