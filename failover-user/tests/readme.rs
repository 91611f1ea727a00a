//! What the README says is so: its configurations are good, and its commands are commands.

use clap::Parser as _;
use failover_user::{
    cli::Cli,
    config,
    control::{event_kind::EventKind, protocol::Request},
    hooks::Facts,
    policy::table::FIGURE,
};

fn readme() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    std::fs::read_to_string(path).expect("the README")
}

/// The contents of the fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let readme = readme();
    let fence = format!("```{language}\n");
    readme
        .split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// The rows of the table with this heading, their cells without backticks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let readme = readme();
    let mut lines = readme.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "no table {heading}");
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect()
}

#[test]
fn the_events_in_the_readme_are_those_that_the_daemon_records() {
    let rows = table("| event | when | its own fields |");

    let kinds: Vec<Vec<String>> = EventKind::ALL
        .iter()
        .map(|kind| {
            [
                kind.name().to_owned(),
                kind.meaning().to_owned(),
                kind.fields().join(", "),
            ]
            .to_vec()
        })
        .collect();
    assert_eq!(rows, kinds);
}

#[test]
fn the_facts_in_the_readme_are_those_that_a_hook_is_told() {
    let rows = table("| variable | JSON | meaning |");

    let facts: Vec<Vec<String>> = Facts::TABLE
        .iter()
        .map(|fact| fact.iter().map(|text| text.replace('`', "")).collect())
        .collect();
    assert_eq!(rows, facts);
}

#[test]
fn every_configuration_in_the_readme_is_good() {
    let configurations = blocks("toml");

    assert_eq!(configurations.len(), 3);
    for text in configurations {
        if let Err(problems) = config::parse("README.md", &text) {
            panic!("{problems}\n{text}");
        }
    }
}

/// The lines of a configuration that are in tables with this header, and the headers of tables in them.
fn lines_of(configuration: &str, header: &str) -> String {
    let name = header.trim_matches(['[', ']']);
    let mut inside = false;
    let mut lines = String::new();
    for line in configuration.lines() {
        if line.starts_with('[') {
            let title = line.split('#').next().unwrap_or_default().trim();
            let title = title.trim_matches(['[', ']']);
            inside = title == name;
            if let Some(table) = title
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('.'))
            {
                lines += &format!("{table} =\n");
            }
        } else if inside {
            lines += line;
            lines.push('\n');
        }
    }
    lines
}

/// Whether a key is set there, or named in a comment as one that could be.
fn has_key(lines: &str, key: &str) -> bool {
    let set = format!("{key} =");
    lines.match_indices(&set).any(|(at, _)| {
        let before = lines[..at].chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_')
    })
}

#[test]
fn the_readme_has_every_key() {
    let blocks = blocks("toml");
    let complete = blocks
        .iter()
        .find(|block| block.starts_with("# every key\n"))
        .expect("the configuration with every key");
    // What several sources can share is in either table.
    let shared = |one: &str, other: &str| lines_of(complete, one) + &lines_of(complete, other);

    let mut missing = Vec::new();
    for (table, keys) in config::tables() {
        let lines = match table {
            "[defaults]" | "[[source]]" => shared("defaults", "source"),
            "[defaults.hooks]" | "[source.hooks]" => shared("defaults.hooks", "source.hooks"),
            "the file" => complete
                .lines()
                .filter(|line| line.starts_with('['))
                .map(|line| line.trim_start_matches('[').replace(']', " ="))
                .collect::<Vec<_>>()
                .join("\n"),
            table if table.starts_with('[') => lines_of(complete, table),
            _ => complete.clone(),
        };
        missing.extend(
            keys.into_iter()
                .filter(|key| !has_key(&lines, key))
                .map(|key| format!("{key} of {table}")),
        );
    }

    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_failover_command_in_the_readme_is_one() {
    let readme = readme();
    let in_blocks = blocks("console").join("\n");
    let in_text = readme
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| !code.contains('\n'));
    let commands: Vec<&str> = in_blocks
        .lines()
        .chain(in_text)
        .filter(|line| line.starts_with("failover ") && !line.contains("ARGS"))
        .collect();

    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        // Verbs that are only named stand without what they need.
        let complete = match command {
            "failover run" | "failover check" => format!("{command} -c FILE"),
            "failover takeover" | "failover failback" | "failover drill" => {
                format!("{command} web1")
            }
            other => other.to_owned(),
        };
        if let Err(error) = Cli::try_parse_from(complete.split_whitespace()) {
            panic!("{command}: {error}");
        }
    }
}

#[test]
fn the_figure_in_the_readme_is_the_table_of_transitions() {
    assert!(
        blocks("text").iter().any(|block| block == FIGURE),
        "put failover-user/src/policy/transitions.txt into the README"
    );
}

#[test]
fn every_request_in_the_readme_is_one_and_none_is_missing() {
    let mut named = std::collections::BTreeSet::new();
    for line in blocks("json")
        .join("\n")
        .lines()
        .filter(|line| !line.is_empty())
    {
        let request: Request =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        // A new request does not compile here until it is named, and not pass until the README has it.
        named.insert(match request {
            Request::Status { .. } => "status",
            Request::Events { .. } => "events",
            Request::Takeover { .. } => "takeover",
            Request::Failback { .. } => "failback",
            Request::Approve { .. } => "approve",
            Request::Decline { .. } => "decline",
            Request::Hold { .. } => "hold",
            Request::Resume { .. } => "resume",
            Request::HoldSelf => "hold-self",
            Request::ResumeSelf => "resume-self",
            Request::Drill { .. } => "drill",
            Request::Reload => "reload",
            Request::Stop { .. } => "stop",
        });
    }

    assert_eq!(named.len(), 13, "{named:?}");
}
