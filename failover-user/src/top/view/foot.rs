//! The lowest lines: what the commands came to, and the keys.

use ratatui::text::{Line, Span};

use super::{Look, style::bold};
use crate::{
    control::render::{Tone, units::wrap_to},
    top::{
        model::{Answer, Model},
        verbs::VERBS,
    },
};

/// Lines of one answer at most.
const LINES: usize = 4;

/// Commands on their way, and the latest answer.
pub(super) fn message(model: &Model, look: &Look, width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<_> = model
        .running
        .iter()
        .map(|running| {
            let since = look.since(running.since);
            let text = format!(" {} ... {since}", running.what);
            Line::from(look.span(text, Tone::Acting))
        })
        .collect();
    let Some(said) = &model.said else {
        return lines;
    };
    let (tone, text) = match &said.answer {
        Answer::Done(text) => (Tone::Good, text),
        Answer::NotDone(text) => (Tone::Bad, text),
    };
    let text = if said.what.is_empty() {
        text.clone()
    } else {
        format!("{}, {} ago: {text}", said.what, look.since(said.at))
    };
    let text = wrap_to(width.max(1), " ", &text);
    let text = text.lines().take(LINES);
    lines.extend(text.map(|line| Line::from(look.span(line, tone))));
    lines
}

/// As many keys as there is room for, the way out first.
pub(super) fn keys(look: &Look, width: usize) -> Line<'static> {
    let own = [("?", "help"), ("q", "end")];
    let verbs = VERBS.iter().map(|verb| (verb.key.to_string(), verb.name));
    let others = [("e", "events"), ("Enter", "path")];
    let owned = |(key, name): (&str, &'static str)| (key.to_owned(), name);
    let all = own
        .into_iter()
        .map(owned)
        .chain(verbs)
        .chain(others.into_iter().map(owned));
    let mut spans = Vec::new();
    let mut used = 0;
    for (key, name) in all {
        let needed = key.len() + name.len() + 3;
        if used + needed > width + 1 {
            break;
        }
        used += needed;
        spans.push(Span::raw(" "));
        spans.push(bold(key));
        spans.push(look.span(format!(" {name} "), Tone::Quiet));
    }
    Line::from(spans)
}
