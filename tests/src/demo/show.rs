//! What only the demonstration shows.

use owo_colors::OwoColorize as _;

use crate::live::show::print;

use super::timeline::{Mark, What};

/// The beginning of an act.
pub(super) fn act(number: u32, title: &str) {
    print(format_args!(
        "\n{} {}",
        format!("{number}.").bold().cyan(),
        title.bold()
    ));
}

/// A mark of the timeline, relative to `zero_ns`.
pub(super) fn mark(mark: &Mark, zero_ns: u64) {
    let time = relative(mark.at_ns, zero_ns);
    let text = mark.what.to_string();
    let text = match &mark.what {
        What::CablePulled | What::Verdict { .. } | What::TakeoverFailed(_) | What::Error(_) => {
            text.red().to_string()
        }
        What::Missed { .. } => text.yellow().to_string(),
        What::Answered { .. } | What::HeartbeatsBack | What::FailbackDone => {
            text.green().to_string()
        }
        What::LastReply
        | What::Decided
        | What::AddressesOn { .. }
        | What::EntriesOn
        | What::Announced
        | What::CableBack
        | What::FailbackAsked
        | What::Drain
        | What::AddressesOff => text,
        What::AnnouncedAgain => text.dimmed().to_string(),
    };

    print(format_args!("{:>14}  {text}", time.dimmed()));
}

/// An instant relative to another: `+28.91 ms`.
pub(super) fn relative(at_ns: u64, zero_ns: u64) -> String {
    let ms = (at_ns as f64 - zero_ns as f64) / 1e6;

    format!("{ms:+.2} ms")
}
