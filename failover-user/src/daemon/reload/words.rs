//! What people are told about a reload. Pure.

use super::diff::{Diff, How};

/// What was changed, in one line: `2 sources added (web3, web4), 1 removed (web2), web1 changed: interval; nothing else`.
pub(super) fn summary(diff: &Diff) -> String {
    let mut parts = Vec::new();
    let added: Vec<&str> = names(diff, |how| matches!(how, How::Add)).collect();
    if !added.is_empty() {
        let plural = if added.len() == 1 {
            "source"
        } else {
            "sources"
        };
        parts.push(format!(
            "{} {plural} added ({})",
            added.len(),
            added.join(", ")
        ));
    }
    let removed: Vec<&str> = diff.removed.iter().map(|gone| gone.name.as_str()).collect();
    if !removed.is_empty() {
        let noun = match (added.is_empty(), removed.len()) {
            (false, _) => "",
            (true, 1) => "source ",
            (true, _) => "sources ",
        };
        let count = removed.len();
        parts.push(format!("{count} {noun}removed ({})", removed.join(", ")));
    }
    for change in &diff.sources {
        let name = &change.name;
        match &change.how {
            How::Keep { keys, .. } if keys.is_empty() => {}
            How::Add => {}
            How::Keep { keys, .. } | How::Readdress { keys, .. } => {
                parts.push(format!("{name} changed: {}", keys.join(", ")));
            }
            How::Replace { keys, .. } => {
                let keys = keys.join(", ");
                parts.push(format!("{name} changed: {keys} (it is watched anew)"));
            }
        }
    }
    let rest = [(diff.reflector, "reflector"), (diff.witnesses, "witnesses")];
    for (_, what) in rest.iter().filter(|(changed, _)| *changed) {
        parts.push(format!("{what} changed"));
    }
    let mut text = if parts.is_empty() {
        "nothing is changed".to_owned()
    } else {
        format!("{}; nothing else", parts.join(", "))
    };
    if let Some(restart) = restart(diff) {
        text = format!("{text}. {restart}");
    }
    text
}

/// What the file says and only another start of the daemon can apply.
pub(super) fn restart(diff: &Diff) -> Option<String> {
    if diff.restart.is_empty() {
        return None;
    }
    let keys: Vec<String> = diff
        .restart
        .iter()
        .map(|key| format!("daemon.{key}"))
        .collect();
    Some(format!(
        "Not applied, as it needs a restart (failover stop, then failover run; nothing is lost meanwhile): {}",
        keys.join(", ")
    ))
}

fn names(diff: &Diff, such: impl Fn(&How) -> bool) -> impl Iterator<Item = &str> {
    let such = diff.sources.iter().filter(move |change| such(&change.how));
    such.map(|change| change.name.as_str())
}

/// `a, b and c`
pub(super) fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [start @ .., end] => format!("{} and {end}", start.join(", ")),
    }
}
