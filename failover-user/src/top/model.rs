//! What is known and what the person is doing. No IO, no clock: each [`Input`] comes with its time.

mod history;
mod keys;

use std::{collections::VecDeque, path::PathBuf, time::Duration};

use ratatui::crossterm::event::KeyEvent;

pub(super) use self::{
    history::{History, PathKey},
    keys::HELP,
};
use super::verbs::{Target, Verb};
use crate::control::protocol::{Event, PathStatus, Request, SourceStatus, Status};

/// Events kept: as many as the daemon keeps.
const EVENTS: usize = 4096;

/// What happens to the model.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// The daemon's answer to `status`.
    Status(Box<Status>),
    /// There was no such answer.
    Gone(Loss),
    /// All events so far.
    Events(Vec<Event>),
    /// A new one.
    Event(Event),
    /// The answer to [`Effect::Ask`] with this number.
    Answer(u64, Answer),
    /// A key.
    Key(KeyEvent),
    /// Something else on the terminal: it has another size.
    Redraw,
}

/// Why there is no status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// Nobody is at the socket; otherwise somebody is who gives no status.
    pub(super) nobody: bool,
    /// The reason, in a sentence.
    pub(super) why: String,
}

/// What a command came to, in a sentence of the daemon or about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Done.
    Done(String),
    /// Refused, failed, or nobody knows.
    NotDone(String),
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Nothing,
    /// Ask the daemon, and come back with [`Input::Answer`] and this number.
    Ask(u64, Request),
    /// End the program.
    End,
}

/// Whether the daemon is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Daemon {
    /// Not known yet.
    Asked,
    /// It answers.
    Here,
    /// It does not, since then.
    Gone(Loss, Duration),
}

/// A question that waits for the person, or what else lies over the picture.
#[derive(Clone, Debug)]
pub(super) enum Over {
    /// Is this to be done?
    Confirm(&'static Verb, Target),
    /// The keys.
    Help,
}

/// What fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    /// Some of everything.
    All,
    /// The selected path.
    Path,
    /// The events.
    Log,
}

/// A command on its way.
#[derive(Clone, Debug)]
pub(super) struct Running {
    id: u64,
    request: Request,
    /// The verb and its source.
    pub(super) what: String,
    /// Since when.
    pub(super) since: Duration,
}

/// The latest answer, until the next command or Esc.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// To what; empty for a remark of this program.
    pub(super) what: String,
    /// The answer.
    pub(super) answer: Answer,
    /// When.
    pub(super) at: Duration,
}

/// Everything on the screen.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) socket: PathBuf,
    pub(super) daemon: Daemon,
    /// The latest status, also of a daemon that is gone, and when it came.
    pub(super) status: Option<(Status, Duration)>,
    pub(super) history: History,
    pub(super) events: VecDeque<Event>,
    /// How many events below the last one shown are hidden.
    pub(super) scrolled: usize,
    pub(super) selected: Option<PathKey>,
    pub(super) focus: Focus,
    pub(super) over: Option<Over>,
    pub(super) running: Vec<Running>,
    pub(super) said: Option<Said>,
    asked: u64,
}

/// One row: a path and its source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) source: &'a SourceStatus,
    pub(super) index: usize,
    pub(super) path: &'a PathStatus,
}

impl Row<'_> {
    pub(super) fn key(&self) -> PathKey {
        (self.source.name.clone(), self.index)
    }
}

/// A source that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Prompt<'a> {
    pub(super) source: &'a str,
    pub(super) cause: &'a str,
    /// RFC 3339.
    pub(super) since: &'a str,
}

impl<'a> Prompt<'a> {
    fn of(source: &'a SourceStatus) -> Option<Self> {
        source.asks.then_some(Self {
            source: &source.name,
            cause: &source.cause,
            since: &source.since,
        })
    }
}

impl Model {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            daemon: Daemon::Asked,
            status: None,
            history: History::default(),
            events: VecDeque::new(),
            scrolled: 0,
            selected: None,
            focus: Focus::All,
            over: None,
            running: Vec::new(),
            said: None,
            asked: 0,
        }
    }

    /// Takes something in, `at` after the start.
    pub(super) fn update(&mut self, input: Input, at: Duration) -> Effect {
        match input {
            Input::Status(status) => {
                self.daemon = Daemon::Here;
                self.history.add(&status, at);
                self.status = Some((*status, at));
                self.keep_selection();
            }
            Input::Gone(loss) => {
                let since = match &self.daemon {
                    Daemon::Gone(_, since) => *since,
                    Daemon::Asked | Daemon::Here => at,
                };
                self.daemon = Daemon::Gone(loss, since);
                if matches!(self.over, Some(Over::Confirm(..))) {
                    self.over = None;
                }
            }
            Input::Events(events) => {
                self.events = events.into();
                self.scrolled = 0;
            }
            Input::Event(event) => {
                self.events.push_back(event);
                if self.events.len() > EVENTS {
                    self.events.pop_front();
                }
                // Whoever reads the past stays there.
                if self.scrolled > 0 {
                    self.scrolled = (self.scrolled + 1).min(self.events.len() - 1);
                }
            }
            Input::Answer(id, answer) => self.answered(id, answer, at),
            Input::Key(key) => return self.key(key, at),
            Input::Redraw => {}
        }
        Effect::Nothing
    }

    /// The paths, in the order of the configuration.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let sources = self.status.iter().flat_map(|(status, _)| &status.sources);
        sources
            .flat_map(|source| {
                source
                    .paths
                    .iter()
                    .enumerate()
                    .map(move |(index, path)| Row {
                        source,
                        index,
                        path,
                    })
            })
            .collect()
    }

    /// Index of the selected row.
    pub(super) fn selected_row(&self) -> usize {
        let place = self.rows().iter().position(|row| {
            self.selected
                .as_ref()
                .is_some_and(|(name, index)| *name == row.source.name && *index == row.index)
        });
        place.unwrap_or(0)
    }

    /// The sources that wait for an answer, the one first that the keys act on. None while the daemon is gone: nobody
    /// could answer.
    pub(super) fn prompts(&self) -> Vec<Prompt<'_>> {
        if self.daemon != Daemon::Here {
            return Vec::new();
        }
        let sources = self.status.iter().flat_map(|(status, _)| &status.sources);
        let mut prompts: Vec<_> = sources.filter_map(Prompt::of).collect();
        let selected = self.selected.as_ref().map(|(name, _)| name.as_str());
        prompts.sort_by_key(|prompt| Some(prompt.source) != selected);
        prompts
    }

    /// A row that is gone gives the selection to the first one.
    fn keep_selection(&mut self) {
        let place = self.selected_row();
        self.selected = self.rows().get(place).map(Row::key);
    }

    fn answered(&mut self, id: u64, answer: Answer, at: Duration) {
        if let Some(place) = self.running.iter().position(|running| running.id == id) {
            let what = self.running.remove(place).what;
            self.said = Some(Said { what, answer, at });
        }
    }

    fn remark(&mut self, text: &str, at: Duration) {
        self.said = Some(Said {
            what: String::new(),
            answer: Answer::NotDone(text.to_owned()),
            at,
        });
    }
}

#[cfg(test)]
pub(super) mod tests;
