//! Signals that end a program which has a terminal to give back first.

use std::io;

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

/// Signals that are waited for from the moment this was made.
pub(crate) struct Ending {
    runtime: Runtime,
    signals: Vec<(SignalKind, Signal)>,
}

impl Ending {
    /// From now on these signals no longer end the process.
    pub(crate) fn watch(kinds: &[SignalKind]) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let signals = {
            let _inside = runtime.enter();
            let watched = kinds.iter().map(|kind| Ok((*kind, signal(*kind)?)));
            watched.collect::<io::Result<_>>()?
        };
        Ok(Self { runtime, signals })
    }

    /// Waits for the first of them.
    pub(crate) fn wait(mut self) -> SignalKind {
        self.runtime.block_on(std::future::poll_fn(|context| {
            for (kind, signal) in &mut self.signals {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*kind);
                }
            }
            std::task::Poll::Pending
        }))
    }
}
