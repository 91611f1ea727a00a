//! A section as a picture: a bar for each contender's median, with a line from its minimum to its maximum, on a logarithmic
//! scale.

use anyhow::Result;
use plotters::{
    backend::SVGBackend,
    drawing::IntoDrawingArea as _,
    element::{PathElement, Rectangle},
    style::{
        Color as _,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::live::ink::{self, Canvas, FAINT, INK, LANE, RULE, bold, drawing, plain, text};

use super::outcome::{Section, Unit};

const WIDTH: i32 = 1000;
/// Where bars begin and end.
const LEFT: i32 = 330;
const RIGHT: i32 = WIDTH - 110;
const TOP: i32 = 54;
const ROW: i32 = 34;
const BAR: i32 = 18;
const BOTTOM: i32 = 34;

/// The picture.
pub(super) fn svg(section: &Section) -> Result<String> {
    let rows = i32::try_from(section.rows.len())?;
    let height = TOP + rows * ROW + BOTTOM;
    let mut svg = String::new();

    {
        let canvas =
            SVGBackend::with_string(&mut svg, (WIDTH.unsigned_abs(), height.unsigned_abs()))
                .into_drawing_area();

        canvas.fill(&plotters::style::WHITE).map_err(drawing)?;
        text(&canvas, &section.title, (20, 14), &bold(16, INK))?;
        draw(&canvas, section, TOP + rows * ROW)?;
        canvas.present().map_err(drawing)?;
    }

    Ok(svg)
}

fn draw(canvas: &Canvas<'_>, section: &Section, bottom: i32) -> Result<()> {
    let scale = Scale::of(section);

    for (value, label) in scale.ticks(section.unit) {
        let x = scale.pixel(value);
        let centred = plain(12, FAINT).pos(Pos::new(HPos::Center, VPos::Top));

        canvas
            .draw(&PathElement::new(
                vec![(x, TOP - 6), (x, bottom)],
                RULE.stroke_width(1),
            ))
            .map_err(drawing)?;
        text(canvas, &label, (x, bottom + 8), &centred)?;
    }

    for (place, row) in section.rows.iter().enumerate() {
        let top = TOP + i32::try_from(place)? * ROW;
        let spread = row.spread();
        let colour = if row.ours { ink::BLUE } else { ink::ORANGE };
        let right_aligned = plain(13, INK).pos(Pos::new(HPos::Right, VPos::Top));

        text(canvas, &row.name, (LEFT - 12, top + 2), &right_aligned)?;

        if spread.median.is_infinite() {
            text(canvas, "none", (LEFT + 6, top + 2), &plain(13, ink::RED))?;
            continue;
        }

        let middle = top + BAR / 2;
        let end = scale.pixel(spread.median);
        let most = scale.pixel(spread.max.min(scale.most));

        canvas
            .draw(&Rectangle::new(
                [(LEFT, top), (RIGHT, top + BAR)],
                LANE.filled(),
            ))
            .map_err(drawing)?;
        canvas
            .draw(&Rectangle::new(
                [(LEFT, top), (end, top + BAR)],
                colour.filled(),
            ))
            .map_err(drawing)?;
        canvas
            .draw(&PathElement::new(
                vec![(scale.pixel(spread.min), middle), (most, middle)],
                INK.stroke_width(2),
            ))
            .map_err(drawing)?;
        text(
            canvas,
            &section.unit.show(spread.median),
            (RIGHT + 10, top + 2),
            &bold(13, INK),
        )?;
    }

    Ok(())
}

/// A logarithmic scale of whole decades.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn of(section: &Section) -> Self {
        let values = || {
            section
                .rows
                .iter()
                .flat_map(|row| &row.values)
                .copied()
                .filter(|value| value.is_finite() && *value > 0.0)
        };
        let least = values().fold(f64::INFINITY, f64::min);
        let most = values().fold(0.0, f64::max);

        if least > most {
            return Self {
                least: 1.0,
                most: 10.0,
            };
        }

        let least = 10f64.powf(least.log10().floor());

        Self {
            least,
            most: 10f64.powf(most.log10().ceil()).max(least * 10.0),
        }
    }

    fn pixel(&self, value: f64) -> i32 {
        let part = (value.max(self.least) / self.least).log10() / (self.most / self.least).log10();

        LEFT + (part * f64::from(RIGHT - LEFT)).round() as i32
    }

    fn ticks(&self, unit: Unit) -> Vec<(f64, String)> {
        let decades = (self.most / self.least).log10().round() as i32;

        (0..=decades)
            .map(|decade| self.least * 10f64.powi(decade))
            .map(|value| (value, unit.show(value)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::outcome::Row, *};

    fn section(values: &[&[f64]]) -> Section {
        Section {
            name: "outage".to_owned(),
            title: "Outage".to_owned(),
            unit: Unit::Nanoseconds,
            rows: values
                .iter()
                .map(|values| Row {
                    name: "one".to_owned(),
                    ours: true,
                    values: values.to_vec(),
                })
                .collect(),
            goals: Vec::new(),
        }
    }

    #[test]
    fn a_scale_has_whole_decades_around_the_values() {
        let scale = Scale::of(&section(&[&[4.1e6, 5e6], &[24e6, f64::INFINITY]]));

        assert_eq!((scale.pixel(1e6), scale.pixel(1e8)), (LEFT, RIGHT));
        let ticks: Vec<_> = scale
            .ticks(Unit::Nanoseconds)
            .into_iter()
            .map(|(_, label)| label)
            .collect();
        assert_eq!(ticks, ["1.00 ms", "10.0 ms", "100.0 ms"]);
    }

    #[test]
    fn who_never_got_there_has_no_bar() {
        let picture = svg(&section(&[&[4e6], &[f64::INFINITY]])).expect("a picture");

        assert_eq!(picture.matches("\nnone\n").count(), 1, "{picture}");
    }
}
