//! Urgency as the terminal shows it.

use ratatui::{
    style::{Color, Modifier, Style},
    text::Span,
};

use super::Look;
use crate::control::render::Tone;

impl Look {
    /// Text of this urgency.
    pub(super) fn span(&self, text: impl Into<String>, tone: Tone) -> Span<'static> {
        Span::styled(text.into(), self.style(tone))
    }

    /// Without colours, what needs attention stands out all the same.
    pub(super) fn style(&self, tone: Tone) -> Style {
        let style = match tone {
            Tone::Good => Style::new().fg(Color::Green),
            Tone::Warning => Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
            Tone::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Acting => Style::new().fg(Color::Magenta).add_modifier(Modifier::BOLD),
            Tone::Asking => self.bar(Color::Yellow),
            Tone::Quiet => Style::new().add_modifier(Modifier::DIM),
        };
        if self.colour {
            style
        } else {
            Style {
                fg: None,
                bg: None,
                ..style
            }
        }
    }

    /// A bar of this colour across the screen.
    pub(super) fn bar(&self, colour: Color) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.colour {
            style.fg(Color::Black).bg(colour)
        } else {
            style.add_modifier(Modifier::REVERSED)
        }
    }
}

pub(super) fn bold(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Style::new().add_modifier(Modifier::BOLD))
}
