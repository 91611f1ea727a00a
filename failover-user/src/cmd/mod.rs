//! The command line's verbs, one file each.

mod answer;
mod ask;
pub mod check;
mod drill;
mod events;
pub mod exit;
mod failback;
mod logging;
mod output;
mod reload;
mod run;
mod status;
mod stop;
pub(crate) mod takeover;
mod top;
mod unload;

use std::process::ExitCode;

use crate::{
    cli::{Cli, Verb},
    control::protocol::Request,
};

/// Does what the command line says.
pub fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let socket = cli.client_socket().to_owned();
    match cli.verb {
        Verb::Run(options) => return run::run(options, cli.socket),
        Verb::Check { config } => return check::run(&config, &check::facts()?),
        Verb::Status { source, json } => status::run(&socket, source.as_deref(), json)?,
        Verb::Events { follow, json } => events::run(&socket, follow, json)?,
        Verb::Top => top::run(&socket)?,
        Verb::Approve { source } => answer::run(&socket, &Request::Approve { source })?,
        Verb::Decline { source } => answer::run(&socket, &Request::Decline { source })?,
        Verb::Takeover { source, path, yes } => takeover::run(&socket, source, path, yes)?,
        Verb::Failback {
            source,
            yes,
            stop_monitoring,
        } => failback::run(&socket, source, yes, stop_monitoring)?,
        Verb::Hold(whom) => {
            let request = whom
                .source
                .map_or(Request::HoldSelf, |source| Request::Hold { source });
            answer::run(&socket, &request)?;
        }
        Verb::Resume(whom) => {
            let request = whom
                .source
                .map_or(Request::ResumeSelf, |source| Request::Resume { source });
            answer::run(&socket, &request)?;
        }
        Verb::Reload => return reload::run(&socket),
        Verb::Drill { source, json } => return drill::run(&socket, source, json),
        Verb::Stop {
            release,
            hand_over: _,
        } => stop::run(&socket, release)?,
        Verb::Unload { bpffs } => unload::run(&bpffs)?,
    }
    Ok(ExitCode::SUCCESS)
}
