//! `failover events`

use std::{io::Write, path::Path};

use crate::control::{
    client::{Beginning, Client, QUESTION},
    protocol::{Event, Reply, Request, Status},
    render::{self, Clock},
};
use jiff::tz::TimeZone;

use super::answer;

/// Prints the events so far; with `follow` the state before them, and those to come behind them.
pub(crate) fn run(socket: &Path, follow: bool, json: bool) -> anyhow::Result<()> {
    let mut client = Client::connect(socket)?;
    let mut printer = Printer {
        out: anstream::stdout().lock(),
        zone: TimeZone::system(),
        json,
    };
    if !follow {
        return match client.request(&Request::Events { follow })? {
            Reply::Events(past) => past.iter().try_for_each(|event| printer.event(event)),
            reply @ (Reply::Status(_) | Reply::Drill(_) | Reply::Done(_) | Reply::Error(_)) => {
                Err(answer::unexpected(reply))
            }
        };
    }
    let Beginning { status, past } = client.follow(QUESTION)?.map_err(answer::unexpected)?;
    printer.state(status)?;
    for event in &past {
        printer.event(event)?;
    }
    while let Some(event) = client.next_event()? {
        printer.event(&event)?;
    }
    anyhow::bail!(
        "the daemon closed the connection: it has ended, or this terminal was too slow; follow again once it runs"
    )
}

/// Lines for people or for programs.
struct Printer<W> {
    out: W,
    zone: TimeZone,
    json: bool,
}

impl<W: Write> Printer<W> {
    /// For programs the state as it comes from the daemon, for people a line for each source.
    fn state(&mut self, status: Box<Status>) -> anyhow::Result<()> {
        if self.json {
            let line = serde_json::to_string(&Reply::Status(status))?;
            return Ok(writeln!(self.out, "{line}")?);
        }
        let text = render::now(&status, &Clock::system());
        Ok(write!(self.out, "{text}")?)
    }

    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        let line = if self.json {
            serde_json::to_string(event)?
        } else {
            render::event(event, &self.zone)
        };
        Ok(writeln!(self.out, "{line}")?)
    }
}
