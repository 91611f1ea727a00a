//! Requests that are answered by one sentence: `approve`, `decline`, and what others build on.

use std::{io::Write as _, path::Path};

use crate::control::{
    client::Client,
    protocol::{Reply, Request, Status},
};

use super::exit::Exit;

/// Sends a request and prints the sentence that says that it was done.
pub(crate) fn run(socket: &Path, request: &Request) -> anyhow::Result<()> {
    done(&mut Client::connect(socket)?, request)
}

/// As [`run`], on a connection that is there already.
pub(crate) fn done(client: &mut Client, request: &Request) -> anyhow::Result<()> {
    match client.request(request)? {
        Reply::Done(sentence) => Ok(writeln!(anstream::stdout(), "{sentence}")?),
        reply @ (Reply::Status(_) | Reply::Events(_) | Reply::Drill(_) | Reply::Error(_)) => {
            Err(unexpected(reply))
        }
    }
}

/// Asks for the status.
pub(crate) fn status(client: &mut Client) -> anyhow::Result<Status> {
    match client.request(&Request::Status { source: None })? {
        Reply::Status(status) => Ok(*status),
        reply @ (Reply::Events(_) | Reply::Drill(_) | Reply::Done(_) | Reply::Error(_)) => {
            Err(unexpected(reply))
        }
    }
}

/// What a reply means that is not the one hoped for.
pub(crate) fn unexpected(reply: Reply) -> anyhow::Error {
    match reply {
        Reply::Error(failure) => Exit::from(failure).into(),
        Reply::Status(_) | Reply::Events(_) | Reply::Drill(_) | Reply::Done(_) => {
            anyhow::anyhow!(
                "the daemon answered another question than was asked; use the daemon's own version of failover"
            )
        }
    }
}
