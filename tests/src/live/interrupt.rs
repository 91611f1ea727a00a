//! Ctrl-C and SIGTERM: the acts end at their next wait, and the lab is taken down in order. A second signal ends the
//! process at once, which takes namespaces and daemons with it.

use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Exit code after a signal, as shells have it for Ctrl-C.
pub(crate) const EXIT_CODE: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Somebody asked for an early end.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// From now on signals ask for an end instead of causing it.
pub(crate) fn watch() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("a runtime for signals")?;
    let (mut interrupt, mut terminate, mut hang_up) = {
        let _inside = runtime.enter();

        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        )
    };

    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hang_up.recv() => {}
                    }

                    if ASKED.swap(true, Ordering::SeqCst) {
                        process::exit(i32::from(EXIT_CODE));
                    }
                }
            });
        })
        .context("a thread for signals")?;

    Ok(())
}

/// An error once somebody has asked for an end.
pub(crate) fn check() -> Result<(), Interrupted> {
    if ASKED.load(Ordering::SeqCst) {
        Err(Interrupted)
    } else {
        Ok(())
    }
}
