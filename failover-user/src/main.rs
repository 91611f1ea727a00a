//! `failover`: see `failover --help`.

mod cli;
mod cmd;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cmd::dispatch(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => cmd::exit::report(&error),
    }
}
