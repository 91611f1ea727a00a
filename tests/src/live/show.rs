//! What the terminal shows. A closed terminal is no reason to fail: what was measured is still kept.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use owo_colors::OwoColorize as _;

/// A line below a heading.
pub(crate) fn line(text: impl Display) {
    print(format!("   {text}").trim_end());
}

/// A line that deserves attention.
pub(crate) fn note(text: impl Display) {
    line(text.to_string().yellow());
}

/// A heading.
pub(crate) fn heading(text: &str) {
    print(format_args!("\n{}", text.bold()));
}

/// A line as it is.
pub(crate) fn print(text: impl Display) {
    let mut out = anstream::stdout().lock();
    let written: io::Result<()> = writeln!(out, "{text}").and_then(|()| out.flush());

    drop(written);
}
