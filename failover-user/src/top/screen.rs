//! The terminal: taken when the program starts, given back however it ends.

use anyhow::Context as _;
use ratatui::{DefaultTerminal, Frame};

/// The terminal's other screen, in raw mode, until this is dropped. A panic gives the terminal back before its message.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    pub(super) fn enter() -> anyhow::Result<Self> {
        let terminal = ratatui::try_init();
        if terminal.is_err() {
            ratatui::restore();
        }
        Ok(Self {
            terminal: terminal.context("the terminal cannot be used")?,
        })
    }

    pub(super) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> anyhow::Result<()> {
        self.terminal
            .draw(picture)
            .context("the terminal cannot be written to")?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
