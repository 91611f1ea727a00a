//! Speed and scale, ours and others', side by side: `cargo xtask bench`.

use std::process::ExitCode;

use clap::Parser;
use failover_tests::bench::{self, Options};

fn main() -> ExitCode {
    bench::run(&Options::parse())
}
