//! What the programs that are run by hand have in common, the demonstration and the benchmark: how they begin, end, and talk.

pub(crate) mod ink;
pub(crate) mod interrupt;
pub(crate) mod machine;
pub(crate) mod show;
pub mod spread;

use std::{
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, Result, bail};

use crate::lab::Namespace;

/// Runs `work`, which is called `name` in messages and leaves files in `out`. The process's exit code: 0, 1 after a failure, 130
/// after Ctrl-C.
pub(crate) fn run(name: &str, out: &Path, work: impl FnOnce() -> Result<()>) -> ExitCode {
    // The lab panics when it cannot go on; its message is the error.
    panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("an unknown failure");
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();

        anstream::eprintln!("error: {text} ({place})");
    }));

    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        permitted(name)?;
        interrupt::watch()?;
        std::fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;

        work()
    }));

    match result {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) if error.is::<interrupt::Interrupted>() => {
            anstream::eprintln!(
                "\nInterrupted. Daemons, services and network namespaces are gone."
            );

            ExitCode::from(interrupt::EXIT_CODE)
        }
        Ok(Err(error)) => {
            anstream::eprintln!("error: {error:#}");

            ExitCode::FAILURE
        }
        Err(_panic) => {
            anstream::eprintln!("{name} could not go on; everything that it made is gone again");

            ExitCode::FAILURE
        }
    }
}

/// A path as seen from the working directory, if it is below it.
pub(crate) fn shown(path: &Path) -> &Path {
    std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok())
        .unwrap_or(path)
}

/// Whether this process may do what the lab does.
fn permitted(name: &str) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("{name} makes network namespaces and loads XDP programs: run it as root");
    }

    Namespace::possible().with_context(|| {
        format!(
            "this machine does not let root make network namespaces, which {name} needs (in a container: it takes \
             --privileged, or CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_BPF)"
        )
    })
}
