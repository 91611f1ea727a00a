//! Requests as ticks.

use std::collections::BTreeSet;

use crate::lab::Report;

use super::axis::Axis;

/// A tick: one request, or several with the same fate that fall on one pixel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick {
    /// Where.
    pub(super) pixel: i32,
    /// Who answered; `None`: lost.
    pub(super) by: Option<String>,
}

/// The ticks of the requests that were sent within the axis' window.
pub(super) fn ticks(report: &Report, axis: &Axis) -> BTreeSet<Tick> {
    report
        .requests
        .iter()
        .filter(|request| axis.contains(request.sent_ns))
        .map(|request| Tick {
            pixel: axis.pixel(request.sent_ns),
            by: request.answer.as_ref().map(|answer| answer.by.to_string()),
        })
        .collect()
}
