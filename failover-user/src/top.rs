//! `failover top`: the daemon's state on a whole terminal, and its commands on single keys.
//!
//! A client of the control socket, like any other. Threads feed one queue ([`feed`]); the [`model`] turns what comes out
//! of it into what is known and what is to be asked, without IO or a clock; the [`view`] draws the model. The loop here
//! is all that is between them.

mod feed;
mod model;
mod screen;
mod verbs;
mod view;

use std::{
    path::Path,
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use self::{
    feed::{Feed, News},
    model::{Effect, Model},
    screen::Screen,
    view::Look,
};
use crate::control::render::Clock;

/// Ages on the screen go on although nothing happens.
const REDRAW: Duration = Duration::from_millis(500);

/// How much news is taken between two pictures.
const AT_ONCE: usize = 1000;

/// Shows the daemon at `socket` until the person ends it, or a signal does.
pub(crate) fn run(socket: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut model = Model::new(socket.to_owned());
    // Before the terminal is taken: a signal in between would leave it so.
    let feed = Feed::start(socket)?;
    let mut screen = Screen::enter()?;
    loop {
        let look = Look {
            clock: Clock::system(),
            at: start.elapsed(),
            colour,
        };
        screen.draw(|frame| view::draw(frame, &model, &look))?;
        let first = match feed.news.recv_timeout(REDRAW) {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("nothing feeds the screen"),
        };
        for news in first.into_iter().chain(feed.news.try_iter().take(AT_ONCE)) {
            let input = match news {
                News::Input(input) => input,
                News::End => return Ok(()),
                News::Broken(what) => anyhow::bail!("{what}"),
            };
            match model.update(input, start.elapsed()) {
                Effect::Nothing => {}
                Effect::Ask(id, request) => feed.ask(id, request)?,
                Effect::End => return Ok(()),
            }
        }
    }
}
