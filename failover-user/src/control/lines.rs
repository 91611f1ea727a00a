//! Lines of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its newline. The last one of a stream may lack the newline.
    Complete(Vec<u8>),
    /// A line that was longer than allowed; it has been skipped.
    TooLong,
    /// The other side writes no more.
    End,
}

/// Reads the next line, at most `longest` octets of it: the rest of a longer one is skipped, not buffered.
pub(super) async fn next_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    longest: usize,
) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(if too_long {
                Line::TooLong
            } else if line.is_empty() {
                Line::End
            } else {
                Line::Complete(line)
            });
        }
        let newline = available.iter().position(|octet| *octet == b'\n');
        let part = available.split_at(newline.unwrap_or(available.len())).0;
        if line.len() + part.len() > longest {
            too_long = true;
            line = Vec::new();
        }
        if !too_long {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(newline.is_some());
        reader.consume(used);
        if newline.is_some() {
            return Ok(if too_long {
                Line::TooLong
            } else {
                Line::Complete(line)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    #[tokio::test]
    async fn lines_are_split_and_long_ones_are_skipped_to_their_end() {
        let text = format!("one\n{}\n\n12345\n123456\nhalf", "x".repeat(1000));
        let mut reader = BufReader::with_capacity(3, text.as_bytes());

        let mut lines = Vec::new();
        loop {
            let line = next_line(&mut reader, 5).await.unwrap();
            if line == Line::End {
                break;
            }
            lines.push(line);
        }

        let complete = |text: &str| Line::Complete(text.into());
        let expected = [
            complete("one"),
            Line::TooLong,
            complete(""),
            complete("12345"),
            Line::TooLong,
            complete("half"),
        ];
        assert_eq!(lines, expected);
    }
}
