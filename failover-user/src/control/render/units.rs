//! Durations, times and numbers in words.

use jiff::Timestamp;

use super::{Clock, WIDTH};

/// A short duration with three digits: `850 ns`, `2.15 us`, `30.1 ms`, `1.5 s`.
pub(crate) fn short(ns: u64) -> String {
    let (unit, name) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (1_000, "us"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let value = ns as f64 / f64::from(unit);
    let decimals = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    let digits = format!("{value:.decimals$}");
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        &digits
    };
    format!("{digits} {name}")
}

/// A long duration in its two largest units: `5 s`, `2 min 5 s`, `3 h 12 min`, `12 days 4 h`.
pub(crate) fn long(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let first = UNITS
        .iter()
        .position(|(unit, _)| seconds >= *unit)
        .unwrap_or(UNITS.len() - 1);
    let (unit, name) = UNITS[first];
    let mut text = format!("{} {name}", seconds / unit);
    if let Some((next, name)) = UNITS.get(first + 1)
        && seconds % unit >= *next
    {
        text += &format!(" {} {name}", seconds % unit / next);
    }
    text
}

/// How long ago an RFC 3339 time was; `None` if it is no time. A time in the future, of a clock that was set back, is now.
pub(crate) fn ago(at: &str, clock: &Clock) -> Option<String> {
    let at: Timestamp = at.parse().ok()?;
    Some(long(
        u64::try_from(clock.now.duration_since(at).as_secs()).unwrap_or(0),
    ))
}

/// An RFC 3339 time in local time, to the second; as it is if it is no time.
pub(crate) fn local(at: &str, clock: &Clock) -> String {
    match at.parse::<Timestamp>() {
        Ok(time) => time
            .to_zoned_datetime(clock.zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S %Z")
            .to_string(),
        Err(_) => at.to_owned(),
    }
}

/// The time of day of an RFC 3339 time, local, to the millisecond; as it is if it is no time.
pub(crate) fn time_of_day(at: &str, clock: &Clock) -> String {
    match at.parse::<Timestamp>() {
        Ok(time) => time
            .to_zoned_datetime(clock.zone.clone())
            .strftime("%H:%M:%S%.3f")
            .to_string(),
        Err(_) => at.to_owned(),
    }
}

/// `1 source`, `2 sources`.
pub(crate) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// [`wrap_to`] the [`WIDTH`] of the output.
pub(crate) fn wrap(first: &str, text: &str) -> String {
    wrap_to(WIDTH, first, text)
}

/// Words in lines of at most `width`, the first behind `first`, the others behind as many spaces. What stands in
/// backticks is a command to copy, and stays on one line.
pub(crate) fn wrap_to(width: usize, first: &str, text: &str) -> String {
    let indent = first.chars().count();
    let mut lines = String::from(first);
    let mut column = indent;
    for word in words(text) {
        let length = word.chars().count();
        if column > indent && column + 1 + length > width {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        }
        if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines += &word;
        column += length;
    }
    lines.push('\n');
    lines
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut quoted = false;
    for word in text.split_whitespace() {
        match words.last_mut() {
            Some(last) if quoted => {
                last.push(' ');
                last.push_str(word);
            }
            Some(_) | None => words.push(word.to_owned()),
        }
        quoted ^= word.matches('`').count() % 2 == 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let shorts = [
            0,
            850,
            2_000,
            2_150,
            11_800,
            30_100_000,
            999_999,
            1_500_000_000,
            100_000_000_000,
        ]
        .map(short);
        let longs = [0, 5, 60, 125, 3_600, 11_520, 86_400, 1_051_200].map(long);

        let expected = [
            "0 ns", "850 ns", "2 us", "2.15 us", "11.8 us", "30.1 ms", "1000 us", "1.5 s", "100 s",
        ]
        .map(str::to_owned);
        assert_eq!(shorts, expected);
        assert_eq!(
            longs,
            [
                "0 s",
                "5 s",
                "1 min",
                "2 min 5 s",
                "1 h",
                "3 h 12 min",
                "1 d",
                "12 d 4 h"
            ]
        );
    }

    #[test]
    fn words_wrap_at_the_width() {
        let text = wrap("  To do: ", &"word ".repeat(30));

        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert_eq!(
            text.lines()
                .nth(1)
                .map(|line| line.starts_with("         word")),
            Some(true)
        );
        assert_eq!(text.matches("word").count(), 30);
    }

    #[test]
    fn commands_are_not_broken() {
        let text = wrap(
            "  ",
            &format!("{} `failover decline web1` now", "x".repeat(60)),
        );

        assert_eq!(text.lines().nth(1), Some("  `failover decline web1` now"));
    }
}
