//! Durations: whole numbers with a unit.

use std::time::Duration;

use super::problem::Complaint;

/// Parses `"10ms"`, `"50us"`, `"1min 30s"`.
///
/// Stricter than `humantime`: a fraction or a split number is refused, because a slip there changes a detection time
/// by powers of ten.
pub(super) fn parse(text: &str) -> Result<Duration, Complaint> {
    let shown = text.escape_debug();
    let complaint = |message: &str| Complaint::new(format!("\"{shown}\" {message}"));
    let digits_only = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits_only {
        return Err(complaint("has no unit").help(format!(
            "write \"{text}ms\" or \"{text}s\"; the units are us, ms, s, min and h"
        )));
    }
    if text.trim_start().starts_with('-') {
        return Err(complaint("is negative").help("a duration cannot be less than zero"));
    }
    let parsed = humantime::parse_duration(text);
    if text.contains('.') {
        return Err(match parsed {
            Ok(value) => complaint("is a fraction")
                .help(format!("write it in whole numbers: \"{}\"", show(value))),
            Err(_) => malformed(complaint),
        });
    }
    if split_number(text) {
        return Err(malformed(complaint));
    }
    parsed.map_err(|_| malformed(complaint))
}

fn malformed(complaint: impl Fn(&str) -> Complaint) -> Complaint {
    complaint("is not a duration").help(
        "write a whole number and its unit, such as \"50us\", \"10ms\", \"60s\", \"5min\" or \"1h\"",
    )
}

/// `"1 0ms"`, which `humantime` reads as 10 ms.
fn split_number(text: &str) -> bool {
    let words: Vec<_> = text.split_whitespace().collect();
    words.windows(2).any(|pair| {
        let ends_in_digit = pair[0].ends_with(|c: char| c.is_ascii_digit());
        ends_in_digit && pair[1].starts_with(|c: char| c.is_ascii_digit())
    })
}

/// Units that durations are shown in, nanoseconds of each.
const UNITS: [(u128, &str); 4] = [
    (3_600_000_000_000, "h"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
];

/// The shortest whole number with a unit: `60s`, `1500us`.
pub fn show(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (per_unit, unit) = UNITS
        .into_iter()
        .find(|(per_unit, _)| nanos != 0 && nanos.is_multiple_of(*per_unit))
        .unwrap_or(if nanos == 0 { (1, "s") } else { (1, "ns") });
    format!("{}{unit}", nanos / per_unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_with_units_are_accepted() {
        for (text, micros) in [
            ("50us", 50),
            ("50µs", 50),
            ("10ms", 10_000),
            ("10 ms", 10_000),
            ("60s", 60_000_000),
            ("1min 30s", 90_000_000),
            ("1h", 3_600_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        for (text, reason) in [
            ("10", "\"10\" has no unit"),
            ("0", "\"0\" has no unit"),
            ("-10ms", "\"-10ms\" is negative"),
            (" -1s", "\" -1s\" is negative"),
            ("1.5ms", "\"1.5ms\" is a fraction"),
            ("1.ms", "\"1.ms\" is not a duration"),
            ("1 0ms", "\"1 0ms\" is not a duration"),
            ("", "\"\" is not a duration"),
            ("ms", "\"ms\" is not a duration"),
            ("10 seks", "\"10 seks\" is not a duration"),
            ("1e3ms", "\"1e3ms\" is not a duration"),
            ("10ms5", "\"10ms5\" is not a duration"),
            (
                "99999999999999999999s",
                "\"99999999999999999999s\" is not a duration",
            ),
        ] {
            let complaint = parse(text).expect_err(text);

            assert_eq!(complaint.message, reason);
        }
    }

    #[test]
    fn a_fraction_is_answered_with_the_whole_number() {
        let complaint = parse("1.5ms").expect_err("a fraction");

        assert_eq!(
            complaint.help.as_deref(),
            Some("write it in whole numbers: \"1500us\"")
        );
    }

    #[test]
    fn durations_are_shown_in_the_largest_unit_that_divides_them() {
        for (micros, shown) in [
            (0, "0s"),
            (50, "50us"),
            (1_500, "1500us"),
            (10_000, "10ms"),
            (90_000_000, "90s"),
            (7_200_000_000, "2h"),
        ] {
            assert_eq!(show(Duration::from_micros(micros)), shown);
        }
    }
}
