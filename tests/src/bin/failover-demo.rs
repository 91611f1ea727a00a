//! The main job on this machine, live: `cargo xtask demo`.

use std::process::ExitCode;

use clap::Parser;
use failover_tests::demo::{self, Options};

fn main() -> ExitCode {
    demo::run(&Options::parse())
}
