//! The events, the latest at the bottom.

use std::collections::VecDeque;

use ratatui::text::Line;
use serde_json::Value;

use super::{Look, rule};
use crate::{
    control::{
        protocol::Event,
        render::{
            self, Tone,
            source::words,
            units::{time_of_day, wrap_to},
        },
    },
    policy::State,
    top::model::Model,
};

pub(super) fn lines(model: &Model, look: &Look, width: usize, height: usize) -> Vec<Line<'static>> {
    if height == 0 {
        return Vec::new();
    }
    let mut title = "events".to_owned();
    if model.scrolled > 0 {
        title += &format!(", {} later ones below", model.scrolled);
    }
    // From the latest backwards, until the lines are full.
    let mut lines = VecDeque::new();
    for event in model.events.iter().rev().skip(model.scrolled) {
        for line in one(event, look, width).into_iter().rev() {
            lines.push_front(line);
        }
        if lines.len() >= height {
            break;
        }
    }
    while lines.len() >= height {
        lines.pop_front();
    }
    lines.push_front(rule(look, &title, width));
    lines.into()
}

fn one(event: &Event, look: &Look, width: usize) -> Vec<Line<'static>> {
    let at = time_of_day(&event.at, &look.clock);
    let source = event
        .source
        .as_deref()
        .map(|source| format!("{source} "))
        .unwrap_or_default();
    let (what, tone) = match transition(event) {
        Some((what, to)) => (what, Some(words(to).1)),
        None => {
            let what = format!("{} {}", event.event, render::fields(&event.fields));
            (what, (event.event == "error").then_some(Tone::Bad))
        }
    };
    let text = wrap_to(width.max(1), &format!("{at} "), &format!("{source}{what}"));
    text.lines()
        .map(|line| {
            let style = tone.map(|tone| look.style(tone)).unwrap_or_default();
            Line::styled(line.to_owned(), style)
        })
        .collect()
}

/// `healthy -> SUSPECT: 1 of 3 heartbeats missed`, and the state it leads to.
fn transition(event: &Event) -> Option<(String, State)> {
    if event.event != "transition" {
        return None;
    }
    let state = |field| -> Option<State> {
        let value: &Value = event.fields.get(field)?;
        serde_json::from_value(value.clone()).ok()
    };
    let (from, to) = (state("from")?, state("to")?);
    let path = event
        .fields
        .get("path")
        .map(|path| format!("path {path} "))
        .unwrap_or_default();
    let cause = event.fields.get("cause").and_then(Value::as_str)?;
    Some((
        format!("{path}{} -> {}: {cause}", words(from).0, words(to).0),
        to,
    ))
}
