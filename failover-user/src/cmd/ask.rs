//! Questions to the person at the terminal.

use std::io::{IsTerminal as _, stderr, stdin};

use anyhow::Context as _;
use inquire::{Confirm, InquireError};

use super::exit::Exit;

/// Goes on only if the person says yes. Without a terminal nobody can: refused, with `reason` and what to do.
pub(crate) fn confirm(reason: &str, question: &str) -> anyhow::Result<()> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Exit::refused(format!(
            "{reason}, and there is no terminal to ask at: say it with --yes"
        ))
        .into());
    }
    match Confirm::new(question)
        .with_default(false)
        .with_help_message(reason)
        .prompt()
    {
        Ok(true) => Ok(()),
        Ok(false) | Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => {
            Err(Exit::refused("not confirmed, nothing was done").into())
        }
        Err(
            error @ (InquireError::NotTTY
            | InquireError::InvalidConfiguration(_)
            | InquireError::IO(_)
            | InquireError::Custom(_)),
        ) => Err(error).context("cannot ask for confirmation; say it with --yes"),
    }
}
