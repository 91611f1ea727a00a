//! Where the labels of vertical lines go, so that no text is on another text or on a line.
//!
//! A label stands to the right of its line. The line of a label ends at the label; so when labels in a cluster go one row
//! lower each, in the order of time, no line passes through an earlier label's text, and a later label's text starts to the
//! right of all earlier lines.

/// Average width of a character of label text, pixels.
pub(super) const CHARACTER: f64 = 7.4;

/// Free pixels between a label and the next thing.
const SPACE: i32 = 14;

/// Rows for labels with these pixels and texts, in the order of their pixels; and how many rows there are.
pub(super) fn rows(labels: &[(i32, String)]) -> (Vec<i32>, i32) {
    let mut rows: Vec<i32> = Vec::new();
    let mut end = i32::MIN;

    for (pixel, text) in labels {
        // A new cluster begins where all texts so far have ended.
        let row = match rows.last() {
            Some(last) if *pixel < end => last + 1,
            _ => 0,
        };

        end = end.max(pixel + width(text) + SPACE);
        rows.push(row);
    }

    let count = rows.iter().max().map_or(0, |highest| highest + 1);

    (rows, count)
}

/// Estimated width of a text, pixels.
pub(super) fn width(text: &str) -> i32 {
    (text.chars().count() as f64 * CHARACTER).ceil() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(pixel: i32, characters: usize) -> (i32, String) {
        (pixel, "x".repeat(characters))
    }

    #[test]
    fn labels_far_apart_share_the_first_row() {
        let (rows, count) = rows(&[label(0, 10), label(100, 10), label(300, 5)]);

        assert_eq!((rows, count), (vec![0, 0, 0], 1));
    }

    #[test]
    fn labels_that_would_overlap_go_one_row_lower_each() {
        let (rows, count) = rows(&[label(0, 30), label(5, 2), label(100, 2), label(400, 2)]);

        assert_eq!((rows, count), (vec![0, 1, 2, 0], 3));
    }
}
