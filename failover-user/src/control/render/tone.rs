//! How urgent words are, and the colour of that.

use owo_colors::Style;

/// Urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Something is unusual.
    Warning,
    /// Something is broken.
    Bad,
    /// This host stands in, or is about to.
    Acting,
    /// A person has to answer.
    Asking,
    /// Of no interest now.
    Quiet,
}

impl Tone {
    /// Its colour.
    pub(super) fn style(self) -> Style {
        let plain = Style::new();
        match self {
            Self::Good => plain.green(),
            Self::Warning => plain.yellow(),
            Self::Bad => plain.red(),
            Self::Acting => plain.magenta(),
            Self::Asking => plain.black().on_yellow(),
            Self::Quiet => plain.dimmed(),
        }
    }
}
