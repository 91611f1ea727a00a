//! Events, one line each.

use jiff::{Timestamp, tz::TimeZone};
use owo_colors::OwoColorize as _;
use serde_json::{Map, Value};

use super::{
    Clock,
    source::{cause, words_for},
    units::ago,
};
use crate::control::protocol::{Event, SourceStatus, Status};

/// How things are before the events that follow: a line for each source, in the columns of [`event`].
pub fn now(status: &Status, clock: &Clock) -> String {
    if status.sources.is_empty() {
        return line(
            clock,
            "-",
            "no source is configured, this host stands in for nobody",
        );
    }
    let one = |source: &SourceStatus| {
        let (state, tone) = words_for(source, source.state);
        let state = state.style(tone.style().bold());
        let ago = ago(&source.since, clock)
            .map(|ago| format!(" for {ago}"))
            .unwrap_or_default();
        let cause = match cause(source) {
            "" => String::new(),
            cause => format!(": {cause}"),
        };
        line(clock, &source.name, &format!("{state}{ago}{cause}"))
    };
    status.sources.iter().map(one).collect()
}

fn line(clock: &Clock, source: &str, text: &str) -> String {
    let at = show(clock.now, &clock.zone);
    let now = "now".bold();
    format!("{}  {source:8}  {now:10}  {text}\n", at.dimmed())
}

/// `2026-05-01 03:12:45.123456  web1  transition  cause="3 misses" from=suspect to=failed`, without a newline.
pub fn event(event: &Event, zone: &TimeZone) -> String {
    let at = match event.at.parse::<Timestamp>() {
        Ok(at) => show(at, zone),
        Err(_) => event.at.clone(),
    };
    let source = event.source.as_deref().unwrap_or("-");
    let fields = fields(&event.fields);
    let line = format!(
        "{}  {:8}  {:10}  {fields}",
        at.dimmed(),
        source,
        event.event.bold()
    );
    line.trim_end().to_owned()
}

fn show(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S%.6f")
        .to_string()
}

/// `key=value` in the order of the keys. Text that is more than one plain word is quoted, as JSON quotes it, so that no
/// value can pass for another field; control characters are escaped.
pub fn fields(fields: &Map<String, Value>) -> String {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(key, _)| *key);
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(key, value)| format!("{}={}", harmless(key), harmless(&plain(value))))
        .collect();
    fields.join(" ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value.to_string(),
    }
}

/// Without control characters, which could make a terminal do anything.
fn harmless(text: &str) -> String {
    let escape = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(escape).collect()
}

fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "-_.:/+%".contains(c);
    !text.is_empty() && text.chars().all(plain)
}
