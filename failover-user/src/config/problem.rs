//! What is wrong with a configuration file.

use std::{fmt, ops::Range};

use super::text::SourceText;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Octets of the file that it is about; may be empty.
    pub span: Range<usize>,
    /// Line of `span.start`, counted from 1.
    pub line: usize,
    /// Column of `span.start` in characters, counted from 1.
    pub column: usize,
    /// The key's path, such as `source "web1", path 2, addresses[1]` (lists are counted from 1); empty for the whole
    /// file and for syntax errors.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Another place in the file that this one contradicts.
    pub first: Option<Range<usize>>,
}

impl Problem {
    /// Key path and message.
    pub fn title(&self) -> String {
        if self.key.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.key, self.message)
        }
    }
}

/// Everything that is wrong with one file, in the file's order.
///
/// `Display` is the form for logs, one line each: `file:line:column: key: message (help)`. For people there is
/// [`Problems::report`].
#[derive(Clone, Debug)]
pub struct Problems {
    pub(super) source: SourceText,
    pub(super) list: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(source: SourceText, found: Vec<Found>) -> Self {
        let mut list: Vec<_> = found
            .into_iter()
            .map(|found| found.locate(&source))
            .collect();
        list.sort_by_key(|problem| problem.span.start);
        Self { source, list }
    }

    /// Nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// The closing line of a report: how many problems, and that they had no effect.
    pub fn closing_line(&self) -> String {
        let plural = if self.len() == 1 { "" } else { "s" };
        format!(
            "{} problem{plural} in {}; nothing was changed",
            self.len(),
            self.file()
        )
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.list.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            let (line, column) = (problem.line, problem.column);
            write!(f, "{}:{line}:{column}: {}", self.file(), problem.title())?;
            if let Some(first) = &problem.first {
                let (line, _) = self.source.position(first.start);
                write!(f, "; first on line {line}")?;
            }
            if let Some(help) = &problem.help {
                write!(f, " ({help})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A key and where it, or its value, stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: String,
    pub(super) span: Range<usize>,
}

/// What is wrong with a value, without the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    pub(super) fn at(self, place: &Place) -> Found {
        Found {
            place: place.clone(),
            complaint: self,
            first: None,
        }
    }
}

/// A problem before its line and column are known.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) complaint: Complaint,
    pub(super) first: Option<Range<usize>>,
}

impl Found {
    /// Contradicts what is said at `first`.
    pub(super) fn after(self, first: &Place) -> Self {
        Self {
            first: Some(first.span.clone()),
            ..self
        }
    }

    fn locate(self, source: &SourceText) -> Problem {
        let span = source.clamp(self.place.span);
        let (line, column) = source.position(span.start);
        Problem {
            span,
            line,
            column,
            key: self.place.key,
            message: self.complaint.message,
            help: self.complaint.help,
            first: self.first.map(|first| source.clamp(first)),
        }
    }
}

/// Joins words for a sentence: `a, b and c`.
pub(super) fn enumerate(words: &[String], last: &str) -> String {
    match words {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [start @ .., end] => format!("{} {last} {end}", start.join(", ")),
    }
}
