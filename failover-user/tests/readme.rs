//! What the README says is so: its configurations are good, and its commands are commands.

use clap::Parser as _;
use failover_user::{cli::Cli, config};

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
            "failover takeover" | "failover failback" => format!("{command} web1"),
            other => other.to_owned(),
        };
        if let Err(error) = Cli::try_parse_from(complete.split_whitespace()) {
            panic!("{command}: {error}");
        }
    }
}
