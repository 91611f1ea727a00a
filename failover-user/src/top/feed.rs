//! Where news comes from: threads that block, each on one thing, and write into one queue.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use ratatui::crossterm::event::{self, Event as TerminalEvent};
use tokio::signal::unix::SignalKind;

use super::model::{Answer, Input, Loss};
use crate::{
    control::{
        client::{Beginning, Client, ClientError, Next},
        protocol::{Message, Reply, Request},
    },
    signals::Ending,
};

/// Time between two questions for the status.
pub(super) const POLL: Duration = Duration::from_millis(500);

/// How long to wait for news at a time while a status is due.
const LOOK: Duration = Duration::from_millis(100);

/// How long a status may take before the daemon counts as silent.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the threads have to tell.
#[derive(Debug)]
pub(super) enum News {
    /// For the model.
    Input(Input),
    /// A signal asks this program to end.
    End,
    /// Something here no longer works, and why.
    Broken(String),
}

/// The queue and what is needed to ask more.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) news: Receiver<News>,
    out: Sender<News>,
    socket: PathBuf,
}

impl Feed {
    /// Starts the threads. They end with the process, which from now on is ended by [`News::End`] and no longer by a
    /// signal.
    pub(super) fn start(socket: &Path) -> anyhow::Result<Self> {
        let kinds = [
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::interrupt(),
        ];
        let ending = Ending::watch(&kinds).context("signals cannot be waited for")?;
        let (out, news) = channel();
        let feed = Self {
            news,
            out,
            socket: socket.to_owned(),
        };
        let socket = socket.to_owned();
        feed.spawn("daemon", move |out| watch(&socket, out))?;
        feed.spawn("keys", keys)?;
        feed.spawn("signals", |out| signals(ending, out))?;
        Ok(feed)
    }

    /// Asks the daemon; the answer comes as news.
    pub(super) fn ask(&self, id: u64, request: Request) -> anyhow::Result<()> {
        let socket = self.socket.clone();
        self.spawn("command", move |out| {
            let answer = Client::connect(&socket)
                .and_then(|mut client| client.request(&request))
                .map_or_else(|error| Answer::NotDone(error.to_string()), answer);
            out.input(Input::Answer(id, answer));
        })
    }

    fn spawn(&self, name: &str, work: impl FnOnce(&Out) + Send + 'static) -> anyhow::Result<()> {
        let out = Out(self.out.clone());
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&out))
            .context("a thread cannot be started")?;
        Ok(())
    }
}

/// A thread's end of the queue. A panic in the thread is the end of the program: its message is on the screen then.
struct Out(Sender<News>);

impl Out {
    /// Returns whether anybody still wants to know.
    fn input(&self, input: Input) -> bool {
        self.0.send(News::Input(input)).is_ok()
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        if thread::panicking() {
            let what = format!(
                "the thread {} has panicked",
                thread::current().name().unwrap_or("-")
            );
            // The other end is gone only when the program ends anyway.
            drop(self.0.send(News::Broken(what)));
        }
    }
}

fn answer(reply: Reply) -> Answer {
    match reply {
        Reply::Done(sentence) => Answer::Done(sentence),
        Reply::Error(failure) => Answer::NotDone(failure.message),
        Reply::Status(_) | Reply::Events(_) | Reply::Drill(_) => {
            Answer::NotDone("the daemon answered another question than was asked".to_owned())
        }
    }
}

/// Tells of the daemon again and again, whether it is there or not.
fn watch(socket: &Path, out: &Out) {
    loop {
        let loss = match watch_once(socket, out) {
            Ok(loss) => loss,
            Err(error) => loss(error),
        };
        if !out.input(Input::Gone(loss)) {
            return;
        }
        thread::sleep(POLL);
    }
}

/// Follows the daemon, and asks for its state now and then on the same connection, until it is lost; why that is.
fn watch_once(socket: &Path, out: &Out) -> Result<Loss, ClientError> {
    let mut client = Client::connect(socket)?;
    let Beginning { status, past } = match client.follow(PATIENCE)? {
        Ok(beginning) => beginning,
        Err(reply) => return Ok(strange(reply)),
    };
    // Nobody wants to know any longer: the program ends.
    let ending = || Loss {
        nobody: true,
        why: String::new(),
    };
    if !(out.input(Input::Events(past)) && out.input(Input::Status(status))) {
        return Ok(ending());
    }
    let mut due = Instant::now() + POLL;
    // When the state was asked for, or something came after that.
    let mut waiting: Option<Instant> = None;
    loop {
        let input = match client.next_within(due.saturating_duration_since(Instant::now()))? {
            Next::Message(message) => {
                waiting = waiting.map(|_| Instant::now());
                match *message {
                    Message::Event(event) => Some(Input::Event(event)),
                    Message::Reply(Reply::Status(status)) => {
                        waiting = None;
                        Some(Input::Status(status))
                    }
                    Message::Reply(reply) => return Ok(strange(reply)),
                }
            }
            Next::Nothing => None,
            Next::Closed => return Err(ClientError::Closed(socket.to_owned())),
        };
        if input.is_some_and(|input| !out.input(input)) {
            return Ok(ending());
        }
        match waiting {
            Some(since) if since.elapsed() >= PATIENCE => {
                return Err(ClientError::Silent(socket.to_owned(), PATIENCE));
            }
            Some(_) => due = due.max(Instant::now() + LOOK),
            None if due <= Instant::now() => {
                client.send(&Request::Status { source: None }, PATIENCE)?;
                waiting = Some(Instant::now());
                due += POLL;
            }
            None => {}
        }
    }
}

/// The daemon is there, and gives no state.
fn strange(reply: Reply) -> Loss {
    let why = match reply {
        Reply::Error(failure) => failure.message,
        Reply::Status(_) | Reply::Events(_) | Reply::Drill(_) | Reply::Done(_) => {
            "the daemon answered another question than was asked".to_owned()
        }
    };
    Loss { nobody: false, why }
}

fn loss(error: ClientError) -> Loss {
    let nobody = match error {
        ClientError::NoDaemon(_) | ClientError::Closed(_) => true,
        ClientError::PermissionDenied(_)
        | ClientError::Silent(..)
        | ClientError::Strange { .. }
        | ClientError::Io { .. } => false,
    };
    Loss {
        nobody,
        why: error.to_string(),
    }
}

fn keys(out: &Out) {
    loop {
        let input = match event::read() {
            Ok(TerminalEvent::Key(key)) => Input::Key(key),
            Ok(
                TerminalEvent::Resize(..)
                | TerminalEvent::FocusGained
                | TerminalEvent::FocusLost
                | TerminalEvent::Mouse(_)
                | TerminalEvent::Paste(_),
            ) => Input::Redraw,
            Err(error) => {
                let what = format!("the terminal cannot be read: {error}");
                // The other end is gone only when the program ends anyway.
                drop(out.0.send(News::Broken(what)));
                return;
            }
        };
        if !out.input(input) {
            return;
        }
    }
}

/// Waits for a signal that ends a program, so that the terminal is given back first.
fn signals(ending: Ending, out: &Out) {
    ending.wait();
    // The other end is gone only when the program ends anyway.
    drop(out.0.send(News::End));
}
