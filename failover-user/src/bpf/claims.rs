//! Claims of held addresses by other hosts, as the program tells them.

use std::{
    ptr,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use aya::maps::{Map, MapData, RingBuf};
use failover_ebpf::abi::{Claim, map};
use tokio::{
    io::unix::AsyncFd,
    sync::mpsc::{Receiver, Sender, channel, error::TrySendError},
};

use super::pins::Pins;

/// Claims that wait for the daemon, at most.
const WAITING: usize = 1024;
/// Lost claims are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Reads the program's claims on the current runtime, until the receiver is dropped.
///
/// What was told while no daemon ran comes first; [`Claim::at_ns`] says how old it is. When the daemon falls behind, claims
/// that do not fit are lost, and how many is logged: of what is listened for,
/// [`HeardBoard`](super::shared::HeardBoard) has the latest in any case.
///
/// # Errors
///
/// The pinned ring buffer cannot be opened or watched.
pub fn forward(pins: &Pins) -> anyhow::Result<Receiver<Claim>> {
    let path = pins.map(map::CLAIMS);
    let ring = MapData::from_pin(&path)
        .and_then(Map::from_map_data)
        .and_then(RingBuf::try_from)
        .with_context(|| format!("the ring buffer {} cannot be opened", path.display()))?;
    // SAFETY: the ring buffer's descriptor stays open, and the same, as long as the ring buffer lives, which the
    // registration owns.
    let registered = unsafe { AsyncFd::register(ring) };
    let ring = registered.context("watching the ring buffer of claims")?;
    let (to, claims) = channel(WAITING);
    tokio::spawn(async move {
        tokio::select! {
            () = pass_on(ring, &to) => {}
            () = to.closed() => {}
        }
    });
    Ok(claims)
}

async fn pass_on(mut ring: AsyncFd<RingBuf<MapData>>, to: &Sender<Claim>) {
    let mut lost = Lost::default();
    loop {
        let mut ready = match ring.readable_mut().await {
            Ok(ready) => ready,
            Err(error) => {
                tracing::error!(%error, "claims of held addresses are no longer noticed");
                return;
            }
        };
        while let Some(item) = ready.get_inner_mut().next() {
            match claim(&item).map(|claim| to.try_send(claim)) {
                Some(Ok(())) => {}
                Some(Err(TrySendError::Full(_))) => lost.count += 1,
                Some(Err(TrySendError::Closed(_))) => return,
                None => tracing::error!(octets = item.len(), "a claim of another length"),
            }
        }
        ready.clear_ready();
        if let Some(count) = lost.due(Instant::now()) {
            tracing::warn!(
                count,
                "claims of held addresses came faster than they were dealt with and are lost"
            );
        }
    }
}

/// A claim as it lies in the ring buffer, if it is as long as one.
fn claim(octets: &[u8]) -> Option<Claim> {
    if octets.len() != size_of::<Claim>() {
        return None;
    }
    // SAFETY: as many octets as a `Claim` has, of which any are a value; their alignment does not matter.
    Some(unsafe { ptr::read_unaligned(octets.as_ptr().cast()) })
}

/// Lost claims that are not logged yet.
#[derive(Default)]
struct Lost {
    count: u64,
    logged: Option<Instant>,
}

impl Lost {
    /// How many there are, when it is time to say so. Those that come too early for that are told with the next claim.
    fn due(&mut self, now: Instant) -> Option<u64> {
        let early = self
            .logged
            .is_some_and(|logged| now.duration_since(logged) < LOG_INTERVAL);
        if self.count == 0 || early {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_claims_are_told_once_a_second_and_none_is_left_out() {
        let start = Instant::now();
        let mut lost = Lost::default();
        let mut told = Vec::new();

        for (after_ms, more) in [(0, 0), (10, 3), (20, 4), (1009, 5), (1010, 0), (5000, 0)] {
            lost.count += more;
            told.push(lost.due(start + Duration::from_millis(after_ms)));
        }

        assert_eq!(told, [None, Some(3), None, None, Some(9), None]);
    }

    #[test]
    fn octets_of_another_length_are_no_claim() {
        let length = size_of::<Claim>();

        assert_eq!(claim(&[0; 64][..length]), Some(Claim::default()));
        assert_eq!(claim(&[0; 64][..length - 1]), None);
        assert_eq!(claim(&[0; 64][..length + 1]), None);
    }
}
