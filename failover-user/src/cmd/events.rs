//! `failover events`

use std::{io::Write as _, path::Path};

use crate::control::{
    client::Client,
    protocol::{Event, Reply, Request},
    render,
};
use jiff::tz::TimeZone;

use super::answer;

/// Prints the events so far, and with `follow` those to come.
pub(crate) fn run(socket: &Path, follow: bool, json: bool) -> anyhow::Result<()> {
    let mut client = Client::connect(socket)?;
    let past = match client.request(&Request::Events { follow })? {
        Reply::Events(past) => past,
        reply @ (Reply::Status(_) | Reply::Drill(_) | Reply::Done(_) | Reply::Error(_)) => {
            return Err(answer::unexpected(reply));
        }
    };
    let zone = TimeZone::system();
    let mut out = anstream::stdout().lock();
    let mut print = |event: &Event| -> anyhow::Result<()> {
        let line = if json {
            serde_json::to_string(event)?
        } else {
            render::event(event, &zone)
        };
        Ok(writeln!(out, "{line}")?)
    };
    for event in &past {
        print(event)?;
    }
    if !follow {
        return Ok(());
    }
    while let Some(event) = client.next_event()? {
        print(&event)?;
    }
    anyhow::bail!(
        "the daemon closed the connection: it has ended, or this terminal was too slow; follow again once it runs"
    )
}
