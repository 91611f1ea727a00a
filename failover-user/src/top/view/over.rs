//! A box over the picture: a question, or the keys.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Style},
    text::{Line, Text},
    widgets::{Block, BorderType, Clear},
};

use super::{Look, style::bold};
use crate::{
    control::render::units::wrap_to,
    top::{
        model::{HELP, Model, Over},
        verbs::VERBS,
    },
};

/// Widest box.
const WIDTH: u16 = 64;

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, look: &Look) {
    match &model.over {
        None => {}
        Some(Over::Confirm(verb, target)) => {
            let inner = inner_width(frame.area());
            let mut lines = text(inner, "", &(verb.question)(target));
            lines.push(Line::from(bold("y yes   any other key: no")));
            boxed(frame, verb.name, lines, look.bar(Color::Yellow));
        }
        Some(Over::Help) => {
            let inner = inner_width(frame.area());
            let keys = VERBS.iter().map(|verb| (verb.key.to_string(), verb.name));
            let own = HELP.iter().map(|(key, what)| ((*key).to_owned(), *what));
            let lines = keys
                .chain(own)
                .flat_map(|(key, what)| text(inner, &format!("{key:12}"), what))
                .collect();
            boxed(frame, "keys", lines, Style::new());
        }
    }
}

/// Columns for text: the box has two borders and a space beside each.
fn inner_width(area: Rect) -> usize {
    usize::from(area.width.min(WIDTH).saturating_sub(4)).max(1)
}

fn text(width: usize, first: &str, text: &str) -> Vec<Line<'static>> {
    wrap_to(width, first, text)
        .lines()
        .map(|line| Line::raw(line.to_owned()))
        .collect()
}

/// In the middle. On a screen too low for it, without its border: the text is what matters.
fn boxed(frame: &mut Frame<'_>, title: &str, lines: Vec<Line<'static>>, style: Style) {
    let area = frame.area();
    let lines_high = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let bordered = lines_high.saturating_add(2) <= area.height && area.width > 8;
    let height = if bordered { lines_high + 2 } else { lines_high }.min(area.height);
    let width = area.width.min(WIDTH);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, place);
    let text = Text::from(lines);
    if bordered {
        let block = Block::bordered()
            .border_type(BorderType::Double)
            .title(format!(" {title} "))
            .style(style);
        let inner = block.inner(place);
        frame.render_widget(block, place);
        let inner = Rect {
            x: inner.x + 1,
            width: inner.width.saturating_sub(2),
            ..inner
        };
        frame.render_widget(text.style(style), inner);
    } else {
        // The last lines say what the keys do.
        let skipped = text.lines.len().saturating_sub(usize::from(height));
        let kept = Text::from(text.lines[skipped..].to_vec()).style(style);
        frame.render_widget(kept, place);
    }
}
