//! The end of what a hook prints.

use super::OUTPUT_KEPT;

/// Characters of a line that is shown as the reason.
const LINE_MAX: usize = 200;

/// The last [`OUTPUT_KEPT`] octets of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    kept: Vec<u8>,
    /// Something has been thrown away.
    cut: bool,
}

impl Tail {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.kept.extend_from_slice(chunk);
        if let Some(surplus @ 1..) = self.kept.len().checked_sub(OUTPUT_KEPT) {
            self.kept.drain(..surplus);
            self.cut = true;
        }
    }

    /// All of it as one line.
    pub(super) fn text(&self) -> String {
        let text = String::from_utf8_lossy(self.whole_characters());
        let ellipsis = if self.cut { "…" } else { "" };
        format!("{ellipsis}{}", escape(text.trim_end()))
    }

    /// The last line that says something.
    pub(super) fn last_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(self.whole_characters());
        let line = text.lines().rev().map(str::trim).find(|l| !l.is_empty())?;
        let mut shown = escape(&line.chars().take(LINE_MAX).collect::<String>());
        if line.chars().count() > LINE_MAX {
            shown.push('…');
        }
        Some(shown)
    }

    /// Without the rest of a character that was cut.
    fn whole_characters(&self) -> &[u8] {
        let rest = self.kept.iter().take(3);
        let rest = rest.take_while(|octet| self.cut && **octet & 0xc0 == 0x80);
        &self.kept[rest.count()..]
    }
}

/// Makes a text harmless in a log: no control characters, nothing that reorders or ends a line.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                escaped.extend(character.escape_unicode());
            }
            control if control.is_control() => escaped.extend(control.escape_default()),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(chunks: &[&[u8]]) -> Tail {
        let mut tail = Tail::default();
        for chunk in chunks {
            tail.push(chunk);
        }
        tail
    }

    #[test]
    fn the_end_is_kept_whatever_the_pieces() {
        let long: Vec<u8> = (0..10_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
        let expected = String::from_utf8(long[long.len() - OUTPUT_KEPT..].to_vec()).unwrap();

        for size in [1, 7, 4096, 4097, 10_000] {
            let kept = tail(&long.chunks(size).collect::<Vec<_>>());

            assert_eq!(kept.text(), format!("…{expected}"), "pieces of {size}");
        }
    }

    #[test]
    fn control_characters_cannot_reach_a_terminal_or_forge_a_line() {
        let tail = tail(&[
            b"red \x1b[31m\r\nnext\tx\x00\xff\n".as_slice(),
            "\u{202e}é\u{2028}\u{85}!\n\n".as_bytes(),
        ]);

        assert_eq!(
            tail.text(),
            r"red \u{1b}[31m\r\nnext\tx\u{0}".to_owned()
                + "\u{fffd}"
                + r"\n\u{202e}é\u{2028}\u{85}!"
        );
    }

    #[test]
    fn a_cut_character_is_left_out() {
        let kept = tail(&["é".as_bytes(), &[b'x'; OUTPUT_KEPT - 1]]);

        assert_eq!(kept.text(), format!("…{}", "x".repeat(OUTPUT_KEPT - 1)));
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        assert_eq!(tail(&[]).last_line(), None);
        assert_eq!(tail(&[b"\n \n"]).last_line(), None);
        assert_eq!(
            tail(&[b"one\ntw", b"o\x07\n\n"]).last_line().as_deref(),
            Some(r"two\u{7}")
        );
        assert_eq!(
            tail(&[&[b'y'; 300]]).last_line().map(|l| l.chars().count()),
            Some(LINE_MAX + 1)
        );
    }
}
