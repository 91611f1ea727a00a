//! `failover` as the tests have it killed: with the points of `failover_user::fault`.

use std::process::ExitCode;

use clap::Parser as _;
use failover_user::{cli::Cli, cmd};

fn main() -> ExitCode {
    match cmd::dispatch(Cli::parse()) {
        Ok(code) => code,
        Err(error) => cmd::exit::report(&error),
    }
}
