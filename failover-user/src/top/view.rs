//! The model on a frame. Pure: text is made for a width, heights are shared out, and what does not fit is left out.

mod alert;
mod detail;
mod foot;
mod layout;
mod log;
mod over;
mod rows;
mod style;

use std::time::Duration;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span, Text},
};

use self::layout::Wanted;
use super::model::{Daemon, Model};
use crate::control::render::{Clock, Tone, status::process, units::long};

/// What "now" is, and whether there are colours.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) clock: Clock,
    /// Time since the start, as in [`Model::update`].
    pub(super) at: Duration,
    pub(super) colour: bool,
}

impl Look {
    fn since(&self, at: Duration) -> String {
        long(self.at.saturating_sub(at).as_secs())
    }
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, look: &Look) {
    let area = frame.area();
    let width = usize::from(area.width);
    let rows = model.rows().len();
    let alert = alert::lines(model, look, width);
    let message = foot::message(model, look, width);
    let detail = detail::lines(model, look, width);
    let sections = layout::share(
        area.height,
        model.focus,
        &Wanted {
            alert: alert.len(),
            rows,
            message: message.len(),
            detail: detail.len(),
        },
    );

    let mut pen = Pen { frame, area };
    pen.put(sections.head, vec![head(model, look, width)]);
    pen.put(sections.alert, alert);
    let visible = layout::visible(model.selected_row(), rows, sections.rows.saturating_sub(1));
    pen.put(sections.rows, rows::lines(model, look, width, visible));
    pen.put(sections.detail, detail);
    let log = log::lines(model, look, width, sections.log);
    pen.put(sections.log, log);
    pen.put(sections.message, message);
    pen.put(sections.keys, vec![foot::keys(look, width)]);
    over::draw(frame, model, look);
}

/// Writes lines from top to bottom.
struct Pen<'a, 'b> {
    frame: &'a mut Frame<'b>,
    /// What is free below.
    area: Rect,
}

impl Pen<'_, '_> {
    fn put(&mut self, height: usize, lines: Vec<Line<'static>>) {
        let height = u16::try_from(height)
            .unwrap_or(u16::MAX)
            .min(self.area.height);
        let place = Rect {
            height,
            ..self.area
        };
        self.frame.render_widget(Text::from(lines), place);
        self.area.y += height;
        self.area.height -= height;
    }
}

fn head(model: &Model, look: &Look, width: usize) -> Line<'static> {
    let left = match (&model.status, &model.daemon) {
        (Some((status, _)), Daemon::Here) => process(status, &look.clock),
        (Some(_) | None, Daemon::Gone(..)) => "failover top".to_owned(),
        (Some(_) | None, Daemon::Asked) | (None, Daemon::Here) => {
            format!("asking the daemon at {}", model.socket.display())
        }
    };
    let now = look
        .clock
        .now
        .to_zoned_datetime(look.clock.zone.clone())
        .strftime("%H:%M:%S")
        .to_string();
    ends(
        width,
        vec![style::bold(left)],
        vec![look.span(now, Tone::Quiet)],
    )
}

/// Text at both ends of a line; the right one only if there is room.
fn ends(width: usize, mut left: Vec<Span<'static>>, right: Vec<Span<'static>>) -> Line<'static> {
    let used: usize = left.iter().chain(&right).map(Span::width).sum();
    if used < width {
        left.push(Span::raw(" ".repeat(width - used)));
        left.extend(right);
    }
    Line::from(left)
}

/// A line across the screen with a title in it.
fn rule(look: &Look, title: &str, width: usize) -> Line<'static> {
    let title = format!("── {title} ");
    let rest = width.saturating_sub(Span::raw(&title).width());
    Line::from(look.span(title + &"─".repeat(rest), Tone::Quiet))
}

#[cfg(test)]
mod tests;
