//! A panel: a stretch of time with its labelled instants and a lane for each address.

use anyhow::Result;
use plotters::{
    element::{PathElement, Rectangle},
    style::{
        Color as _, RGBColor,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::live::ink::{Canvas, FAINT, INK, LANE, RULE, bold, drawing, plain, text};

use super::{
    super::{
        story::Story,
        timeline::{Mark, What},
    },
    LOST, WIDTH,
    axis::Axis,
    colour, labels, lanes,
};

/// Where lanes begin and end.
const LEFT: i32 = 236;
const RIGHT: i32 = WIDTH.cast_signed() - 20;

/// Height of the title, of a row of labels, of a lane with its gap, of the axis.
const TITLE: i32 = 30;
const ROW: i32 = 17;
const LANE_HEIGHT: i32 = 52;
const LANE_GAP: i32 = 6;
const AXIS_HEIGHT: i32 = 44;

/// A panel.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Its title.
    pub(super) title: String,
    /// What there is to say beside the title.
    pub(super) note: String,
    /// What the axis measures.
    pub(super) axis: String,
    /// First and last instant.
    pub(super) window: (u64, u64),
    /// The axis' zero.
    pub(super) zero_ns: u64,
    /// Three lines to the left of each lane.
    pub(super) lanes: Vec<[String; 3]>,
    /// Instants to label.
    pub(super) marks: Vec<Mark>,
}

impl Frame {
    /// Its height, pixels.
    pub(super) fn height(&self) -> i32 {
        self.lanes_top() + self.lanes_height() + AXIS_HEIGHT
    }

    /// Draws it with its upper edge at `top`.
    pub(super) fn draw(&self, canvas: &Canvas<'_>, top: i32, story: &Story) -> Result<()> {
        text(canvas, &self.title, (20, top), &bold(16, INK))?;
        text(canvas, &self.note, (LEFT, top + 2), &plain(13, FAINT))?;

        let axis = self.time_axis();
        let lanes_top = top + self.lanes_top();

        self.draw_axis(canvas, &axis, lanes_top)?;

        for (place, (lane, lines)) in story.lanes.iter().zip(&self.lanes).enumerate() {
            let number = i32::try_from(place)?;
            let top = lanes_top + number * (LANE_HEIGHT + LANE_GAP);

            text(canvas, &lines[0], (20, top + 3), &bold(13, INK))?;
            text(canvas, &lines[1], (20, top + 20), &plain(12, FAINT))?;
            text(canvas, &lines[2], (20, top + 35), &plain(12, FAINT))?;

            for tick in lanes::ticks(&lane.report, &axis) {
                // What is lost must not be overlooked: it fills the lane.
                let (inset, colour) = match &tick.by {
                    Some(host) => (12, colour(host)),
                    None => (2, LOST),
                };

                canvas
                    .draw(&Rectangle::new(
                        [
                            (tick.pixel, top + inset),
                            ((tick.pixel + 2).min(RIGHT), top + LANE_HEIGHT - inset),
                        ],
                        colour.filled(),
                    ))
                    .map_err(drawing)?;
            }
        }

        self.draw_marks(canvas, &axis, top)
    }

    fn draw_axis(&self, canvas: &Canvas<'_>, axis: &Axis, lanes_top: i32) -> Result<()> {
        let bottom = lanes_top + self.lanes_height();

        for number in 0..i32::try_from(self.lanes.len())? {
            let top = lanes_top + number * (LANE_HEIGHT + LANE_GAP);

            canvas
                .draw(&Rectangle::new(
                    [(LEFT, top), (RIGHT, top + LANE_HEIGHT)],
                    LANE.filled(),
                ))
                .map_err(drawing)?;
        }

        line(canvas, (LEFT, bottom + 4), (RIGHT, bottom + 4), FAINT, 1)?;

        for (at_ns, label) in axis.ticks(self.zero_ns) {
            let pixel = axis.pixel(at_ns);
            let centred = plain(12, INK).pos(Pos::new(HPos::Center, VPos::Top));

            line(canvas, (pixel, bottom + 4), (pixel, bottom + 9), FAINT, 1)?;
            line(canvas, (pixel, lanes_top), (pixel, bottom), RULE, 1)?;
            text(canvas, &label, (pixel, bottom + 12), &centred)?;
        }

        let centred = plain(12, FAINT).pos(Pos::new(HPos::Center, VPos::Top));

        text(
            canvas,
            &self.axis,
            (i32::midpoint(LEFT, RIGHT), bottom + 28),
            &centred,
        )
    }

    fn draw_marks(&self, canvas: &Canvas<'_>, axis: &Axis, top: i32) -> Result<()> {
        let labels = self.labels();
        let (rows, _) = labels::rows(&labels);
        let bottom = top + self.lanes_top() + self.lanes_height() + 4;

        for ((pixel, label), (row, mark)) in labels.iter().zip(rows.iter().zip(self.shown(axis))) {
            let top = top + TITLE + row * ROW;
            let ink = if matches!(mark.what, What::CablePulled | What::TakeoverFailed(_)) {
                LOST
            } else {
                INK
            };

            line(canvas, (*pixel, top), (*pixel, bottom), ink, 1)?;
            text(canvas, label, (pixel + 4, top + 1), &plain(12, ink))?;
        }

        Ok(())
    }

    fn shown<'a>(&'a self, axis: &Axis) -> impl Iterator<Item = &'a Mark> {
        let axis = *axis;

        self.marks
            .iter()
            .filter(move |mark| axis.contains(mark.at_ns))
    }

    /// Pixels and texts of the labels, in order.
    fn labels(&self) -> Vec<(i32, String)> {
        let axis = self.time_axis();

        self.shown(&axis)
            .map(|mark| {
                let ms = (mark.at_ns as f64 - self.zero_ns as f64) / 1e6;
                let name = name(&mark.what);
                let text = if mark.at_ns == self.zero_ns {
                    name
                } else {
                    format!("{name}, {ms:.2} ms")
                };

                (axis.pixel(mark.at_ns), text)
            })
            .collect()
    }

    fn lanes_top(&self) -> i32 {
        let (_, rows) = labels::rows(&self.labels());

        TITLE + rows * ROW + 6
    }

    fn lanes_height(&self) -> i32 {
        let lanes = i32::try_from(self.lanes.len()).unwrap_or(0);

        lanes * (LANE_HEIGHT + LANE_GAP) - LANE_GAP
    }

    fn time_axis(&self) -> Axis {
        Axis {
            window: self.window,
            left: LEFT,
            right: RIGHT,
        }
    }
}

/// A mark in a few words.
fn name(what: &What) -> String {
    match what {
        What::LastReply => "last heartbeat answered".to_owned(),
        What::Missed { in_a_row: 1 } => "first miss".to_owned(),
        What::Missed { in_a_row } => format!("miss {in_a_row}"),
        What::Verdict { missed, .. } => format!("verdict ({missed} missed)"),
        What::AddressesOn { .. } => "addresses on the NICs".to_owned(),
        What::EntriesOn => "XDP entries on".to_owned(),
        What::Announced => "announced".to_owned(),
        What::TakeoverFailed(_) => "takeover failed".to_owned(),
        What::Drain => "announced for the source, draining".to_owned(),
        What::AddressesOff => "addresses off the NICs".to_owned(),
        What::CablePulled
        | What::Decided
        | What::AnnouncedAgain
        | What::Answered { .. }
        | What::CableBack
        | What::HeartbeatsBack
        | What::FailbackAsked
        | What::FailbackDone
        | What::Error(_) => what.to_string(),
    }
}

fn line(
    canvas: &Canvas<'_>,
    from: (i32, i32),
    to: (i32, i32),
    colour: RGBColor,
    width: u32,
) -> Result<()> {
    canvas
        .draw(&PathElement::new(
            vec![from, to],
            colour.stroke_width(width),
        ))
        .map_err(drawing)
}
