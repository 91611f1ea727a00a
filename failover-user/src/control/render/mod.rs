//! What people see of the daemon's answers.
//!
//! Pure: text with ANSI styles in, for `anstream` to take out again where they are not wanted. Nothing here is wider
//! than [`WIDTH`] unless a name is.

mod custody;
mod drill;
mod event;
mod refusals;
pub(crate) mod source;
pub(crate) mod status;
mod table;
mod tone;
pub(crate) mod units;

use jiff::{Timestamp, tz::TimeZone};

pub use self::{
    drill::drill,
    event::{event, fields, now},
    status::status,
    tone::Tone,
};

/// Columns that the output is made for.
pub const WIDTH: usize = 80;

/// What "now" and "local time" are.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The time that durations count back from.
    pub now: Timestamp,
    /// The zone that times are shown in.
    pub zone: TimeZone,
}

impl Clock {
    /// The system's time and zone.
    pub fn system() -> Self {
        Self {
            now: Timestamp::now(),
            zone: TimeZone::system(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
