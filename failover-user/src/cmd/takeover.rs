//! `failover takeover`

use std::path::Path;

use crate::{
    control::{
        client::Client,
        protocol::{Request, Status},
    },
    policy::State,
};

use super::{answer, ask, exit::Exit, status};

/// Takes a source over; `path` counts from 1. A source that answers is taken over only if a person, or `yes`, says so.
pub(crate) fn run(
    socket: &Path,
    source: String,
    path: Option<u32>,
    yes: bool,
) -> anyhow::Result<()> {
    let mut client = Client::connect(socket)?;
    let now = answer::status(&mut client)?;
    let path = path.map(|number| number as usize - 1);
    let answers = answers(&now, &source, path)?;
    if answers && !yes {
        let reason = format!("{source} answers heartbeats");
        ask::confirm(
            &reason,
            &format!("Take the addresses of {source} over all the same?"),
        )?;
    }
    // Without the flag the daemon refuses if the source has come to life since.
    answer::done(
        &mut client,
        &Request::Takeover {
            source,
            path,
            even_if_healthy: answers || yes,
        },
    )
}

/// Whether what is to be taken over is alive, as far as is known.
fn answers(status: &Status, source: &str, path: Option<usize>) -> Result<bool, Exit> {
    status::known(status, source)?;
    let mut states = Vec::new();
    for one in status.sources.iter().filter(|one| one.name == source) {
        match path {
            None => states.push(one.state),
            Some(index) => {
                let path = one.paths.get(index).ok_or_else(|| {
                    Exit::usage(format!(
                        "{source} has no path {}; --path counts from 1 to {}",
                        index + 1,
                        one.paths.len()
                    ))
                })?;
                states.push(path.state);
            }
        }
    }
    Ok(states.into_iter().any(alive))
}

/// Whether a takeover in this state is a planned switchover, which the daemon does only if it is told so.
pub(crate) fn alive(state: State) -> bool {
    match state {
        State::Healthy | State::Suspect => true,
        State::Unknown
        | State::Failed
        | State::AwaitingApproval
        | State::TakingOver
        | State::TakenOver
        | State::FailingBack
        | State::Isolated
        | State::Held
        | State::HeldElsewhere
        | State::Conflict => false,
    }
}
