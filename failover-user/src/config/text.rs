//! The text of a configuration file, and where in it something is.

use std::{ops::Range, sync::Arc};

/// A file's name and text with an index of its lines.
#[derive(Clone, Debug)]
pub struct SourceText {
    name: String,
    text: Arc<str>,
    /// Where each line begins, octets.
    starts: Vec<usize>,
}

impl SourceText {
    /// Indexes `text`; `name` is how the file is called in reports.
    pub fn new(name: &str, text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            name: name.to_owned(),
            text: text.into(),
            starts: std::iter::once(0).chain(ends).collect(),
        }
    }

    /// The file's name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column (in characters), both counted from 1, of an offset in octets.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.clamp(offset..offset).start;
        let line = self.starts.partition_point(|start| *start <= offset);
        let column = self.text[self.starts[line - 1]..offset].chars().count() + 1;
        (line, column)
    }

    /// Where a line, counted from 1, is, without its line end.
    pub fn line(&self, line: usize) -> Range<usize> {
        let start = self.starts[line - 1];
        let end = self
            .starts
            .get(line)
            .map_or(self.text.len(), |next| next - 1);
        let content = self.text[start..end].trim_end_matches('\r');
        start..start + content.len()
    }

    /// The nearest span that lies inside the text and on character boundaries.
    pub fn clamp(&self, span: Range<usize>) -> Range<usize> {
        let boundary = |offset: usize| {
            (0..=offset.min(self.text.len()))
                .rev()
                .find(|offset| self.text.is_char_boundary(*offset))
                .unwrap_or(0)
        };
        let start = boundary(span.start);
        start..boundary(span.end).max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_octets() {
        let text = SourceText::new("f", "a = 1\nö = 2\r\n");

        let second_equals = text.text().rfind('=').unwrap();

        assert_eq!(text.position(second_equals), (2, 3));
    }

    #[test]
    fn a_line_is_given_without_its_end() {
        let text = SourceText::new("f", "a\nbc\r\n");

        assert_eq!(&text.text()[text.line(2)], "bc");
        assert_eq!(&text.text()[text.line(3)], "");
    }

    #[test]
    fn a_position_past_the_end_is_the_end() {
        let text = SourceText::new("f", "ab\nc");

        assert_eq!(text.position(100), (2, 2));
    }
}
