//! Counting test results from what Rust's test harness prints.

use std::fmt;

/// Tests by their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// Tests that really ran.
    pub(crate) fn ran(self) -> u64 {
        self.passed + self.failed
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    /// The closing line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Reads the output of any number of harnesses, in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Counts,
    /// Harnesses that began and whose result is still to come.
    running: u64,
    failed_names: Vec<String>,
    line: Vec<u8>,
}

impl Tally {
    /// Takes the next piece of output.
    pub(crate) fn read(&mut self, output: &[u8]) {
        for &byte in output {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.read_line(&without_colour(&String::from_utf8_lossy(&line)));
            } else {
                self.line.push(byte);
            }
        }
    }

    fn read_line(&mut self, line: &str) {
        let line = line.trim();
        if let Some(counts) = result(line) {
            self.counts += counts;
            self.running = self.running.saturating_sub(1);
        } else if is_start(line) {
            self.running += 1;
        } else if let Some(name) = failed_name(line) {
            self.failed_names.push(name.to_owned());
        }
    }

    /// The counts, once all output is there. A harness that died without its result is one failure, and so is a `success` that
    /// is false (the exit status) when nothing else tells why.
    pub(crate) fn finish(mut self, success: bool) -> (Counts, Vec<String>) {
        // What comes last may lack its newline.
        self.read(b"\n");
        self.counts.failed += self.running;
        if self.running > 0 {
            self.failed_names
                .push(format!("{} test program(s) ended early", self.running));
        }
        if !success && self.counts.failed == 0 {
            self.counts.failed = 1;
            self.failed_names
                .push("cargo test failed (see above)".to_owned());
        }
        (self.counts, self.failed_names)
    }
}

/// "running 5 tests"
fn is_start(line: &str) -> bool {
    line.strip_prefix("running ")
        .and_then(|rest| {
            rest.strip_suffix(" tests")
                .or_else(|| rest.strip_suffix(" test"))
        })
        .is_some_and(|count| count.parse::<u64>().is_ok())
}

/// "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s"
fn result(line: &str) -> Option<Counts> {
    let rest = line.strip_prefix("test result: ")?;
    let rest = rest
        .strip_prefix("ok. ")
        .or_else(|| rest.strip_prefix("FAILED. "))?;
    let count = |what: &str| {
        rest.split(';')
            .find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok())
    };
    Some(Counts {
        passed: count("passed")?,
        failed: count("failed")?,
        skipped: count("ignored")?,
    })
}

/// "test wire::arp::truncated ... FAILED"
fn failed_name(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// The line without its terminal escapes.
fn without_colour(line: &str) -> String {
    anstream::adapter::strip_str(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "\nrunning 2 tests\ntest a ... ok\ntest b ... ok\n\n\
        test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s\n\n";
    const BAD: &str = "running 3 tests\ntest x::y ... FAILED\ntest z ... ignored\ntest w ... ok\n\n\
        test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.20s\n";

    fn tally(output: &str, success: bool) -> (Counts, Vec<String>) {
        let mut tally = Tally::default();
        tally.read(output.as_bytes());
        tally.finish(success)
    }

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn results_of_several_programs_add_up() {
        let (counted, failed) = tally(&[OK, BAD, OK].concat(), false);

        assert_eq!(counted, counts(5, 1, 1));
        assert_eq!(failed, ["x::y"]);
    }

    #[test]
    fn pieces_of_any_size_give_the_same_count() {
        let output = [OK, BAD].concat();
        let mut tally = Tally::default();

        for piece in output.as_bytes().chunks(7) {
            tally.read(piece);
        }

        assert_eq!(tally.finish(false).0, counts(3, 1, 1));
    }

    #[test]
    fn coloured_results_count() {
        let line = "running 5 tests\ntest result: \u{1b}[32mok\u{1b}(B\u{1b}[m. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";

        assert_eq!(tally(line, true).0, counts(5, 0, 0));
    }

    #[test]
    fn a_program_that_dies_without_a_result_is_a_failure() {
        let (counted, failed) = tally(&[OK, "running 4 tests\ntest a ... "].concat(), false);

        assert_eq!(counted, counts(2, 1, 0));
        assert_eq!(failed.len(), 1);
    }

    #[test]
    fn a_failed_build_is_a_failure() {
        let (counted, _) = tally("", false);

        assert_eq!(counted, counts(0, 1, 0));
    }

    #[test]
    fn what_tests_print_themselves_is_not_counted() {
        let (counted, _) = tally(
            "test result: fine, 7 passed\nrunning late with tests\n",
            true,
        );

        assert_eq!(counted, Counts::default());
    }

    #[test]
    fn the_closing_line_names_skipped_tests_only_when_there_are_some() {
        assert_eq!(counts(12, 0, 0).to_string(), "12 passed, 0 failed");
        assert_eq!(
            counts(12, 1, 2).to_string(),
            "12 passed, 1 failed, 2 skipped"
        );
    }
}
