//! The timeline as a picture: the outage above, the failback below, a lane for each address.
//!
//! Each request is a tick at the instant that it was sent, in the colour of the host that answered it, or red and taller
//! when nobody did.

mod axis;
mod frame;
mod labels;
mod lanes;

use std::time::Duration;

use anyhow::Result;
use plotters::{
    backend::SVGBackend,
    drawing::IntoDrawingArea as _,
    element::Rectangle,
    style::{Color as _, RGBColor},
};

use crate::live::ink::{self, Canvas, FAINT, INK, bold, drawing, plain, text};

use super::{
    story::Story,
    summary::{Summary, show, thousands},
    timeline::What,
};

use self::frame::Frame;

/// Width of the picture, pixels.
const WIDTH: u32 = 1240;

/// Above the first panel: title, legend.
const TOP: i32 = 78;

/// Between two panels.
const GAP: i32 = 34;

/// Below the last one.
const BOTTOM: i32 = 16;

/// Who answered.
const SOURCE: RGBColor = ink::BLUE;
const TARGET: RGBColor = ink::ORANGE;
const STANDBY: RGBColor = ink::GREEN;
const OTHER: RGBColor = ink::PURPLE;
const LOST: RGBColor = ink::RED;

/// The picture.
pub fn svg(story: &Story) -> Result<String> {
    let frames = [outage(story), failback(story)];
    let heights = frames.each_ref().map(Frame::height);
    let height = TOP + heights.iter().sum::<i32>() + GAP + BOTTOM;
    let mut svg = String::new();

    {
        let canvas =
            SVGBackend::with_string(&mut svg, (WIDTH, height.unsigned_abs())).into_drawing_area();

        canvas.fill(&plotters::style::WHITE).map_err(drawing)?;
        heading(&canvas, story)?;

        let mut top = TOP;

        for (frame, height) in frames.iter().zip(heights) {
            frame.draw(&canvas, top, story)?;
            top += height + GAP;
        }

        canvas.present().map_err(drawing)?;
    }

    Ok(svg)
}

fn outage(story: &Story) -> Frame {
    let summary = Summary::of(story);
    let shown = |what: &What| {
        matches!(
            what,
            What::LastReply
                | What::CablePulled
                | What::Missed { .. }
                | What::Verdict { .. }
                | What::AddressesOn { .. }
                | What::EntriesOn
                | What::Announced
                | What::TakeoverFailed(_)
        )
    };
    let marks: Vec<_> = story
        .marks
        .iter()
        .filter(|mark| mark.at_ns < story.replugged_ns && shown(&mark.what))
        .cloned()
        .collect();
    let served_ns = summary
        .lanes
        .iter()
        .map(|lane| lane.first_answer)
        .map(|first| first.map_or(story.replugged_ns, |first| ns_after(story.pulled_ns, first)))
        .chain(marks.iter().map(|mark| mark.at_ns))
        .max()
        .unwrap_or(story.replugged_ns);
    let first_ns = marks.iter().map(|mark| mark.at_ns).min();

    Frame {
        title: "Outage".to_owned(),
        note: format!(
            "every {}, {} misses: detected {} after the last reply, first answer {} after the pull",
            humantime::format_duration(story.interval),
            story.misses,
            summary.detect.map_or("never".to_owned(), show),
            summary.first_answer().map_or("never".to_owned(), show),
        ),
        axis: "milliseconds since the cable was pulled".to_owned(),
        window: around(
            first_ns.unwrap_or(story.pulled_ns).min(story.pulled_ns),
            served_ns,
            0.12,
            0.75,
        ),
        zero_ns: story.pulled_ns,
        lanes: story
            .lanes
            .iter()
            .zip(&summary.lanes)
            .map(|(lane, figures)| {
                let first = figures.first_answer.map_or("never".to_owned(), show);

                [
                    lane.address.clone(),
                    lane.place.clone(),
                    format!("back after {first}, {} lost", figures.lost_in_outage),
                ]
            })
            .collect(),
        marks,
    }
}

fn failback(story: &Story) -> Frame {
    let summary = Summary::of(story);
    let after = |wanted: &What| {
        story
            .first(story.failback_ns, |what| what == wanted)
            .map_or("never".to_owned(), |mark| {
                let after = Duration::from_nanos(mark.at_ns - story.failback_ns);

                format!("after {}", show(after))
            })
    };
    let shown =
        |what: &What| matches!(what, What::FailbackAsked | What::Drain | What::AddressesOff);
    let marks: Vec<_> = story
        .marks
        .iter()
        .filter(|mark| mark.at_ns >= story.failback_ns && shown(&mark.what))
        .cloned()
        .collect();
    let returned: Vec<Option<u64>> = story
        .lanes
        .iter()
        .map(|lane| lane.report.first_answer_by("source", story.failback_ns))
        .collect();
    let told = story.first(story.failback_ns, |what| *what == What::Drain);
    // The addresses themselves go later, which nobody notices: that is no part of the window.
    let last_ns = told
        .map(|mark| mark.at_ns)
        .into_iter()
        .chain(returned.iter().flatten().copied())
        .max()
        .unwrap_or(story.failback_ns)
        .max(story.failback_ns + 2_000_000);

    Frame {
        title: "Planned failback".to_owned(),
        note: format!(
            "{} of {} requests lost; addresses off the target's NICs {}, takeover entries deleted {}",
            summary.lost_in_failback(),
            thousands(summary.asked_in_failback()),
            after(&What::AddressesOff),
            after(&What::FailbackDone),
        ),
        axis: "milliseconds since the failback was asked for".to_owned(),
        window: around(story.failback_ns, last_ns, 0.2, 0.8),
        zero_ns: story.failback_ns,
        lanes: story
            .lanes
            .iter()
            .zip(&summary.lanes)
            .zip(&returned)
            .map(|((lane, figures), returned)| {
                let first = returned.map_or("never".to_owned(), |at_ns| {
                    show(Duration::from_nanos(at_ns - story.failback_ns))
                });

                [
                    lane.address.clone(),
                    "given back to the source".to_owned(),
                    format!("from {first} on, {} lost", figures.lost_in_failback),
                ]
            })
            .collect(),
        marks,
    }
}

fn ns_after(from_ns: u64, time: Duration) -> u64 {
    from_ns + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2)
}

/// A window from before `from_ns` to behind `to_ns`, the margins as parts of what is between.
fn around(from_ns: u64, to_ns: u64, before: f64, behind: f64) -> (u64, u64) {
    let length = to_ns.saturating_sub(from_ns) as f64;

    (
        from_ns.saturating_sub((length * before) as u64),
        to_ns + (length * behind) as u64,
    )
}

fn heading(canvas: &Canvas<'_>, story: &Story) -> Result<()> {
    let load: Vec<String> = story
        .lanes
        .iter()
        .map(|lane| {
            let rate = usize::try_from(lane.per_second).unwrap_or(usize::MAX);

            format!("{}/s to {}", thousands(rate), lane.address)
        })
        .collect();

    text(
        canvas,
        "A source fails, the target stands in, the source comes back",
        (20, 14),
        &bold(20, INK),
    )?;
    text(
        canvas,
        &format!(
            "Each tick is a request at the time it was sent: {}",
            load.join(", ")
        ),
        (20, 48),
        &plain(13, FAINT),
    )?;

    let legend = [
        ("answered by source", SOURCE, 168),
        ("by target", TARGET, 100),
        ("by standby", STANDBY, 112),
        ("lost", LOST, 40),
    ];
    let width = legend.iter().map(|(_, _, width)| width).sum::<i32>();
    let mut left = WIDTH.cast_signed() - 20 - width;

    for (name, colour, width) in legend {
        canvas
            .draw(&Rectangle::new(
                [(left, 48), (left + 10, 60)],
                colour.filled(),
            ))
            .map_err(drawing)?;
        text(canvas, name, (left + 15, 48), &plain(13, INK))?;
        left += width;
    }

    Ok(())
}

/// The colour of a host's answers.
fn colour(host: &str) -> RGBColor {
    match host {
        "source" => SOURCE,
        "target" => TARGET,
        "standby" => STANDBY,
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests;
