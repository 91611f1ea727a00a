//! The program's rare messages, in the daemon's log.

use anyhow::Context as _;
use aya_log::EbpfLogger;
use tokio::io::unix::AsyncFd;

use super::program::Program;

/// Reads the program's messages on the current runtime, as long as it lives.
///
/// # Errors
///
/// The program has no log buffer, or the buffer cannot be watched.
pub fn forward(program: &mut Program) -> anyhow::Result<()> {
    let logger = EbpfLogger::init(program.ebpf()).context("opening the program's log buffer")?;
    // SAFETY: the logger's descriptor stays open, and the same, as long as the logger lives, which the registration owns.
    let registered = unsafe { AsyncFd::register(logger) };
    let mut logger = registered.context("watching the program's log buffer")?;
    tokio::spawn(async move {
        loop {
            match logger.readable_mut().await {
                Ok(mut ready) => {
                    ready.get_inner_mut().flush();
                    ready.clear_ready();
                }
                Err(error) => {
                    tracing::warn!(%error, "messages of the eBPF program are no longer logged");
                    return;
                }
            }
        }
    });
    Ok(())
}
