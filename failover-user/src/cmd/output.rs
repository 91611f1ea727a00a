//! What several verbs print alike.

use std::io::{IsTerminal as _, Write as _, stdout};

use serde::Serialize;

/// Prints JSON: for people on several lines, for programs on one.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = if stdout().is_terminal() {
        serde_json::to_string_pretty(value)?
    } else {
        serde_json::to_string(value)?
    };
    Ok(writeln!(stdout(), "{text}")?)
}
