//! Where news comes from: threads that block, each on one thing, and write into one queue.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use ratatui::crossterm::event::{self, Event as TerminalEvent};
use tokio::signal::unix::{SignalKind, signal};

use super::model::{Answer, Input, Loss};
use crate::control::{
    client::{Client, ClientError},
    protocol::{Reply, Request, Status},
};

/// Time between two questions for the status.
pub(super) const POLL: Duration = Duration::from_millis(500);

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
    /// Starts the threads. They end with the process.
    pub(super) fn start(socket: &Path) -> anyhow::Result<Self> {
        let (out, news) = channel();
        let feed = Self {
            news,
            out,
            socket: socket.to_owned(),
        };
        let socket = || socket.to_owned();
        let (statuses, events) = (socket(), socket());
        feed.spawn("status", move |out| poll(&statuses, out))?;
        feed.spawn("events", move |out| follow(&events, out))?;
        feed.spawn("keys", keys)?;
        feed.spawn("signals", signals)?;
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

fn poll(socket: &Path, out: &Out) {
    let mut client = None;
    loop {
        let asked = Instant::now();
        let input = match status(&mut client, socket) {
            Ok(status) => Input::Status(status),
            Err(loss) => {
                client = None;
                Input::Gone(loss)
            }
        };
        if !out.input(input) {
            return;
        }
        thread::sleep(POLL.saturating_sub(asked.elapsed()));
    }
}

fn status(client: &mut Option<Client>, socket: &Path) -> Result<Box<Status>, Loss> {
    let connected = match client.take() {
        Some(connected) => connected,
        None => Client::connect(socket).map_err(loss)?,
    };
    let reply = client
        .insert(connected)
        .request_within(&Request::Status { source: None }, PATIENCE)
        .map_err(loss)?;
    let why = match reply {
        Reply::Status(status) => return Ok(status),
        Reply::Error(failure) => failure.message,
        Reply::Events(_) | Reply::Drill(_) | Reply::Done(_) => {
            "the daemon answered another question than was asked".to_owned()
        }
    };
    Err(Loss { nobody: false, why })
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

fn follow(socket: &Path, out: &Out) {
    loop {
        let why = match follow_once(socket, out) {
            Ok(None) => return,
            Ok(Some(why)) => why,
            Err(error) => error.to_string(),
        };
        if !out.input(Input::EventsLost(why)) {
            return;
        }
        thread::sleep(POLL);
    }
}

/// Passes events on until the daemon closes; why it did, or `None` if nobody wants to know any longer.
fn follow_once(socket: &Path, out: &Out) -> Result<Option<String>, ClientError> {
    let mut client = Client::connect(socket)?;
    let past = match client.request(&Request::Events { follow: true })? {
        Reply::Events(past) => past,
        Reply::Error(failure) => return Ok(Some(failure.message)),
        Reply::Status(_) | Reply::Drill(_) | Reply::Done(_) => {
            return Ok(Some(
                "the daemon answered another question than was asked".to_owned(),
            ));
        }
    };
    let mut wanted = out.input(Input::Events(past));
    while wanted {
        match client.next_event()? {
            Some(event) => wanted = out.input(Input::Event(event)),
            None => return Ok(Some("the daemon closed the connection".to_owned())),
        }
    }
    Ok(None)
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
fn signals(out: &Out) {
    let wait = || -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(async {
            let mut end = signal(SignalKind::terminate())?;
            let mut hang_up = signal(SignalKind::hangup())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::select! {
                _ = end.recv() => {}
                _ = hang_up.recv() => {}
                _ = interrupt.recv() => {}
            }
            Ok(())
        })
    };
    let news = match wait() {
        Ok(()) => News::End,
        Err(error) => News::Broken(format!("signals cannot be waited for: {error}")),
    };
    // The other end is gone only when the program ends anyway.
    drop(out.0.send(news));
}
