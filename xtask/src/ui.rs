//! What a person sees: headlines, steps with their time, errors with what to do. All of it on stderr.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;

/// How often a step that runs for long says so where there is no terminal to spin on.
const PLAIN_PERIOD: Duration = Duration::from_secs(15);

/// Announces a part of the work.
pub(crate) fn headline(text: &str) {
    anstream::eprintln!("{} {}", "==>".bold().cyan(), text.bold());
}

/// A line below the current headline.
pub(crate) fn info(text: &str) {
    anstream::eprintln!("    {text}");
}

/// Something that the user should know although the work goes on.
pub(crate) fn warn(text: &str) {
    anstream::eprintln!("  {} {text}", "!".bold().yellow());
}

/// The error with its causes, one below the other.
pub(crate) fn error(error: &anyhow::Error) {
    anstream::eprintln!("{} {error}", "error:".bold().red());
    for cause in error.chain().skip(1) {
        for line in cause.to_string().lines() {
            anstream::eprintln!("    {line}");
        }
    }
}

/// A line of the result, on stdout. A closed pipe there is the reader's choice, not a failure.
pub(crate) fn result(text: &str) {
    let mut out = anstream::stdout().lock();
    let _closed = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A duration as in "0.3 s" or "2 min 5 s".
pub(crate) fn took(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 100 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

/// One step of the work: says what it does when it starts and how it ended, with the time that it took.
pub(crate) struct Step {
    what: String,
    started: Instant,
    last_word: Instant,
    spinner: Option<ProgressBar>,
}

impl Step {
    pub(crate) fn start(what: impl Into<String>) -> Self {
        let what = what.into();
        let spinner = std::io::stderr()
            .is_terminal()
            .then(ProgressBar::new_spinner);
        match &spinner {
            Some(spinner) => {
                if let Ok(style) = ProgressStyle::with_template(
                    "  {spinner:.cyan} {prefix} {wide_msg:.dim} {elapsed:.dim}",
                ) {
                    spinner.set_style(style);
                }
                spinner.set_prefix(what.clone());
                spinner.enable_steady_tick(Duration::from_millis(100));
            }
            None => anstream::eprintln!("  … {what}"),
        }
        let now = Instant::now();
        Self {
            what,
            started: now,
            last_word: now,
            spinner,
        }
    }

    /// A step whose program writes to the terminal itself: only its end is told.
    pub(crate) fn plain(what: impl Into<String>) -> Self {
        let now = Instant::now();
        Self {
            what: what.into(),
            started: now,
            last_word: now,
            spinner: None,
        }
    }

    /// The latest thing that the step's program said.
    pub(crate) fn progress(&mut self, line: &str) {
        match &self.spinner {
            Some(spinner) => spinner.set_message(line.trim().to_owned()),
            None if self.last_word.elapsed() >= PLAIN_PERIOD => {
                self.last_word = Instant::now();
                let time = took(self.started.elapsed());
                anstream::eprintln!("    {} ({time})", line.trim());
            }
            None => {}
        }
    }

    pub(crate) fn done(self, result: &str) {
        self.end(&"✓".green().bold().to_string(), result);
    }

    pub(crate) fn failed(self, reason: &str) {
        self.end(&"✗".red().bold().to_string(), reason);
    }

    fn end(self, mark: &str, result: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        let time = format!("({})", took(self.started.elapsed()));
        anstream::eprintln!("  {mark} {}: {result} {}", self.what, time.dimmed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable_at_both_ends() {
        assert_eq!(took(Duration::from_millis(340)), "0.3 s");
        assert_eq!(took(Duration::from_secs(125)), "2 min 5 s");
    }
}
