//! What the TOML parser complains about, in the words of this file format.

use std::ops::Range;

use toml::de::{DeTable, Error};

use super::{
    problem::{Complaint, Found, Place},
    text::SourceText,
};

/// Syntax errors of a file, and how far the tree that was read in spite of them can be believed.
pub(super) struct Syntax {
    /// One problem a line at most: the parser stumbles again over what it has just recovered from.
    pub(super) found: Vec<Found>,
    /// Lines with a syntax error.
    lines: Vec<usize>,
    /// From this offset on, keys may have landed in a table that they do not belong to.
    believed_until: usize,
}

impl Syntax {
    /// Parses `source`; the tree holds whatever could be read.
    pub(super) fn parse(source: &SourceText) -> (DeTable<'_>, Self) {
        let (tree, mut errors) = DeTable::parse_recoverable(source.text());
        let mut syntax = Self {
            found: Vec::new(),
            lines: Vec::new(),
            believed_until: usize::MAX,
        };
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        for error in &errors {
            syntax.add(error, source);
        }
        (tree.into_inner(), syntax)
    }

    /// There are syntax errors: something that seems to be missing may only have been lost.
    pub(super) fn is_broken(&self) -> bool {
        !self.found.is_empty()
    }

    /// A problem at `span` is the author's, and no consequence of a syntax error.
    pub(super) fn believes(&self, span: &Range<usize>, source: &SourceText) -> bool {
        let (line, _) = source.position(span.start);
        span.start < self.believed_until && !self.lines.contains(&line)
    }

    fn add(&mut self, error: &Error, source: &SourceText) {
        let span = source.clamp(error.span().unwrap_or(0..0));
        let (line, _) = source.position(span.start);
        let content = &source.text()[source.line(line)];
        if content.trim_start().starts_with('[') || error.message().starts_with("unclosed") {
            self.believed_until = self.believed_until.min(span.start);
        }
        if self.lines.contains(&line) {
            return;
        }
        self.lines.push(line);
        let place = Place {
            key: String::new(),
            span: span.clone(),
        };
        let written = &source.text()[span];
        self.found
            .push(explain(error.message(), written, content).at(&place));
    }
}

/// `written` is what the parser points at, `line` the whole line.
fn explain(message: &str, written: &str, line: &str) -> Complaint {
    let syntax = |message: &str| Complaint::new(format!("syntax error: {message}"));
    if message.starts_with("string values must be quoted") {
        return if written.is_empty() {
            syntax("there is no value after `=`")
        } else {
            syntax("this value needs quotes").help(format!("write \"{}\"", written.escape_debug()))
        };
    }
    if message == "duplicate key" {
        let complaint = Complaint::new(format!("`{}` is set twice", written.escape_debug()));
        return if line.trim_start().starts_with('[') {
            complaint.help("a table in single brackets can appear once; put its keys together")
        } else {
            complaint.help("keep one of the two")
        };
    }
    if [
        "invalid basic string, expected `\"`",
        "invalid literal string, expected `'`",
    ]
    .contains(&message)
    {
        return syntax("a quote is missing").help("put the value between two quotes, on one line");
    }
    if message.starts_with("missing comma") || message.starts_with("unclosed array, ") {
        return syntax("the list before this goes on")
            .help("separate its members by commas, and close it with `]`");
    }
    if message.starts_with("unclosed table") || message.starts_with("unclosed array table") {
        return syntax("a bracket is missing").help("write `[name]` or `[[name]]`");
    }
    if message.starts_with("unexpected leading zero") {
        return syntax("a number cannot begin with 0").help("write it without the leading zero");
    }
    if message.starts_with("key with no value") {
        return syntax("this key has no value").help("write `key = value`");
    }
    syntax(message)
}
