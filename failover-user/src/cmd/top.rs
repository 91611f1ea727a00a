//! `failover top`

use std::{
    io::{IsTerminal as _, stdin, stdout},
    path::Path,
};

use super::exit::Exit;
use crate::top;

/// Shows the daemon on the whole terminal until the person has seen enough.
pub(crate) fn run(socket: &Path) -> anyhow::Result<()> {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(Exit::usage(
            "top needs a terminal; `failover status` and `failover events` do without",
        )
        .into());
    }
    top::run(socket)
}
