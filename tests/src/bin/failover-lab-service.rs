//! A service that is a process of its own: the lab starts it in a host, and can stop it as a whole.

use std::process::ExitCode;

use clap::Parser;
use failover_tests::lab::service_process::{Options, serve};

fn main() -> ExitCode {
    serve(&Options::parse())
}
