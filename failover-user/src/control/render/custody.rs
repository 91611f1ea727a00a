//! Whether this host answers heartbeats and uses its addresses, in words.

use owo_colors::{OwoColorize as _, Style};

use super::{
    table::{Cell, table},
    units::wrap,
};
use crate::control::protocol::{CheckStatus, IdentityStatus, ReflectorStatus};

fn bad() -> Style {
    Style::new().red().bold()
}

/// What is answered, and why not as usual.
pub(super) fn answers(reflector: &ReflectorStatus) -> String {
    let cause = reflector.cause.as_deref().unwrap_or("for no known reason");
    match reflector.answers.as_str() {
        "silent" => {
            let text = format!(
                "SILENT: heartbeats are not answered, and who watches this host takes over. {cause}"
            );
            wrap("  ", &text).style(bad()).to_string()
        }
        "admin-down" => {
            let text = format!("ADMIN DOWN: nobody takes over by itself. {cause}");
            wrap("  ", &text)
                .style(Style::new().yellow().bold())
                .to_string()
        }
        _ => "  answers heartbeats\n".to_owned(),
    }
}

/// The addresses of this host, and whether it uses them.
pub(super) fn identity(reflector: &ReflectorStatus) -> String {
    if reflector.identity.is_empty() {
        return String::new();
    }
    let row = |address: &IdentityStatus| {
        let used = if address.fenced {
            Cell::styled("NOT USED", bad())
        } else {
            Cell::from("in use")
        };
        let why = address.cause.as_deref().unwrap_or("-");
        [Cell::from(&address.ip), used, Cell::from(why)]
    };
    table(
        ["own address", "here", "why"],
        reflector.identity.iter().map(row).collect(),
    )
}

/// The health checks.
pub(super) fn checks(reflector: &ReflectorStatus) -> String {
    if reflector.checks.is_empty() {
        return String::new();
    }
    let row = |check: &CheckStatus| {
        let state = match check.state.as_str() {
            "bad" => Cell::styled("BAD", bad()),
            state => Cell::from(state),
        };
        let latest = match (&check.error, check.against) {
            (None, _) => "-".to_owned(),
            (Some(error), 0) => error.clone(),
            (Some(error), against) => format!("{error} ({against} in a row)"),
        };
        [Cell::from(&check.name), state, Cell::from(latest)]
    };
    table(
        ["check", "state", "latest failure"],
        reflector.checks.iter().map(row).collect(),
    )
}
