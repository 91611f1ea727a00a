//! Columns that line up, styles not counted.

use owo_colors::{OwoColorize as _, Style};

/// Spaces in front of every row.
const INDENT: &str = "  ";
/// Spaces between columns.
const GAP: &str = "  ";

/// One cell.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell that calls for attention, or tells that none is needed.
    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Self {
        Self {
            text: value.to_string(),
            style: Style::new(),
        }
    }
}

/// A heading, dimmed, and rows below it. Nothing without rows.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: Vec<[Cell; N]>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heading = heading.map(|text| Cell::styled(text, Style::new().dimmed()));
    let rows: Vec<[Cell; N]> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].text.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        text += INDENT;
        for (column, cell) in row.iter().enumerate() {
            text += &cell.text.style(cell.style).to_string();
            if column + 1 < N {
                let padding = widths[column] - cell.text.chars().count();
                text.extend(std::iter::repeat_n(' ', padding));
                text += GAP;
            }
        }
        text.push('\n');
    }
    text
}
