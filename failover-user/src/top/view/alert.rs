//! The bar at the top: a source that waits for an answer, or a daemon that is gone.

use ratatui::{
    style::{Color, Style},
    text::Line,
};

use super::Look;
use crate::{
    control::render::units::{ago, local, wrap_to},
    top::{
        model::{Daemon, Model, Prompt},
        verbs::{On, VERBS},
    },
};

/// Lines of explanation at most.
const WHY: usize = 3;

pub(super) fn lines(model: &Model, look: &Look, width: usize) -> Vec<Line<'static>> {
    if let Daemon::Gone(loss, since) = &model.daemon {
        let title = if loss.nobody {
            "THE DAEMON IS GONE"
        } else {
            "NO STATUS FROM THE DAEMON"
        };
        let since = look.since(*since);
        let title = format!(" {title}  for {since}; asking again and again");
        let why = [&loss.why, "What stands below is old."].join(". ");
        return bar(look.bar(Color::Red), width, vec![title], &why);
    }
    let prompts = model.prompts();
    let Some((first, others)) = prompts.split_first() else {
        return Vec::new();
    };
    bar(
        look.bar(Color::Yellow),
        width,
        title(first, look, width),
        &why(first, others, look),
    )
}

/// Who, since when, and the keys: on one line if they fit.
fn title(prompt: &Prompt<'_>, look: &Look, width: usize) -> Vec<String> {
    let since = ago(prompt.since, &look.clock)
        .map(|ago| format!(" for {ago}"))
        .unwrap_or_default();
    let who = format!(" AWAITING APPROVAL  {}{since}", prompt.source);
    let keys: Vec<_> = VERBS
        .iter()
        .filter(|verb| verb.on == On::Prompt)
        .map(|verb| format!("[{}] {}", verb.key, verb.name))
        .collect();
    let keys = keys.join("  ") + " ";
    let used = who.chars().count() + 2 + keys.chars().count();
    if used <= width {
        let gap = " ".repeat(width + 2 - used);
        vec![format!("{who}{gap}{keys}")]
    } else {
        vec![who, format!(" {keys}")]
    }
}

fn why(prompt: &Prompt<'_>, others: &[Prompt<'_>], look: &Look) -> String {
    let mut why = format!(
        "since {}: {}",
        local(prompt.since, &look.clock),
        prompt.cause
    );
    if !others.is_empty() {
        let names: Vec<_> = others.iter().map(|other| other.source).collect();
        why += &format!("; after it {}", names.join(", "));
    }
    why
}

fn bar(style: Style, width: usize, title: Vec<String>, why: &str) -> Vec<Line<'static>> {
    let why = wrap_to(width.max(1), " ", why);
    title
        .into_iter()
        .chain(why.lines().take(WHY).map(str::to_owned))
        .map(|line| {
            let padding = " ".repeat(width.saturating_sub(line.chars().count()));
            Line::styled(line + &padding, style)
        })
        .collect()
}
