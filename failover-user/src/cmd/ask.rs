//! Questions to the person at the terminal.

use std::{
    io::{IsTerminal as _, Write as _, stderr, stdin},
    thread,
};

use anyhow::Context as _;
use inquire::{Confirm, InquireError};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::signal::unix::SignalKind;

use super::exit::Exit;
use crate::signals::Ending;

/// Goes on only if the person says yes. Without a terminal nobody can: refused, with `reason` and what to do.
pub(crate) fn confirm(reason: &str, question: &str) -> anyhow::Result<()> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Exit::refused(format!(
            "{reason}, and there is no terminal to ask at: say it with --yes"
        ))
        .into());
    }
    give_back_at_a_signal().context("the terminal cannot be looked after; say it with --yes")?;
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

/// From now on a signal that ends this program gives the terminal back first, as it is found now: a question has it in raw
/// mode and without a cursor. Ctrl-C is a key meanwhile.
fn give_back_at_a_signal() -> anyhow::Result<()> {
    let before = tcgetattr(stdin())?;
    let ending = Ending::watch(&[SignalKind::terminate(), SignalKind::hangup()])?;
    let give_back = move || {
        let signal = ending.wait();
        // A terminal that is gone needs nothing any more.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
        let _ = stderr().write_all(b"\x1b[?25h\r\n");
        // As a shell tells of a program that a signal has ended.
        std::process::exit(128 + signal.as_raw_value());
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(give_back)?;
    Ok(())
}
