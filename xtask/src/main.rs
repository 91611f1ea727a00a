//! Set up, build, run, demonstrate, measure, test, check and fuzz: `cargo xtask VERB`.
//!
//! Progress goes to stderr, so that `cargo xtask run -- status --json` can be piped; the tests' own output and the closing
//! lines go to stdout.

mod build;
mod check;
mod choice;
mod fuzz;
mod lab;
mod linker;
mod object;
mod paths;
mod privilege;
mod process;
mod run;
mod setup;
mod tally;
mod test;
mod toolchain;
mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Set up, build, run, demonstrate, measure, test, check and fuzz failover",
    after_help = "FAILOVER_TOOLCHAIN chooses what builds the eBPF program: \"active\" (the Rust toolchain in use), \"system\" \
                  (the distribution's, in /usr), or the name of a rustup toolchain. Default: the first that works.",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Find or install what the eBPF program is built with (every other verb does this by itself)
    Setup,
    /// Build the eBPF program and the `failover` binary
    Build(build::Args),
    /// Build, then run `failover ARGS` as root
    Run {
        #[command(flatten)]
        build: build::Args,
        /// Arguments of `failover`
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Show the main job on this machine, in network namespaces: a failure, the takeover, the failback
    Demo {
        /// Arguments of the demonstration itself (`-- --help` lists them)
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Measure speed and scale, beside others (`--help` lists groups and options)
    #[command(disable_help_flag = true)]
    Bench {
        /// Arguments of the benchmark itself
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run the tests: on the host, of the eBPF programs, and the scenarios in network namespaces
    Test(test::Args),
    /// Check format, lints and layout
    Check,
    /// Make up frames and look for one that the program treats wrongly
    ///
    /// libFuzzer (a C++ compiler is needed) makes them up, guided by what the parsers reach on the host. Each goes through the
    /// program in the kernel (as root, in a network namespace of its own), and an oracle says what has to become of it: the
    /// action, every octet, every counter, every session. The first frame that is treated wrongly is told in words and in
    /// hexadecimal, and kept in target/fuzz for --replay. What reaches something new stays in target/fuzz/corpus.
    Fuzz(fuzz::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = process::watch_signals().and_then(|()| match cli.verb {
        Verb::Setup => setup::verb(),
        Verb::Build(args) => build::verb(&args),
        Verb::Run { build, args } => run::verb(&build, &args),
        Verb::Demo { args } => lab::Program {
            binary: "failover-demo",
            title: "Demonstration",
            out: paths::demo_output(),
        }
        .run(&args),
        Verb::Bench { args } => lab::Program {
            binary: "failover-bench",
            title: "Benchmark",
            out: paths::bench_output(),
        }
        .run(&args),
        Verb::Test(args) => test::verb(&args),
        Verb::Check => check::verb(),
        Verb::Fuzz(args) => fuzz::verb(&args),
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            ui::error(&error);
            if process::interrupted() {
                ExitCode::from(process::EXIT_INTERRUPTED)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
