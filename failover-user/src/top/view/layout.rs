//! How the lines of the screen are shared out.

use std::ops::Range;

use crate::top::model::Focus;

/// Lines that the sections could use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) alert: usize,
    /// Paths; their heading not counted.
    pub(super) rows: usize,
    pub(super) message: usize,
    pub(super) detail: usize,
}

/// Lines that they get, from top to bottom. The sum is the height of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sections {
    pub(super) head: usize,
    pub(super) alert: usize,
    pub(super) rows: usize,
    pub(super) detail: usize,
    pub(super) log: usize,
    pub(super) message: usize,
    pub(super) keys: usize,
}

/// Lines that the log keeps when there is a detail above it, its title included.
const LOG: usize = 5;

/// What matters most gets its lines first: what needs a person, then the selected row, then how to act.
pub(super) fn share(height: u16, focus: Focus, wanted: &Wanted) -> Sections {
    let mut left = usize::from(height);
    let mut take = |lines: usize| {
        let taken = lines.min(left);
        left -= taken;
        (taken, left)
    };
    let (alert, _) = take(wanted.alert);
    let (mut rows, _) = take(if focus == Focus::Log { 0 } else { 2 });
    let (message, _) = take(wanted.message);
    let (keys, _) = take(1);
    let (head, left) = take(1);
    let (detail, log) = match focus {
        Focus::All => {
            let (more, left) = take(wanted.rows.saturating_sub(1).min(left / 3));
            rows += more;
            // Less than this tells nothing.
            let room = left.saturating_sub(LOG);
            let detail = if room >= wanted.detail.min(4) {
                wanted.detail.min(room)
            } else {
                0
            };
            (detail, left - detail)
        }
        Focus::Path => (left, 0),
        Focus::Log => (0, left),
    };
    Sections {
        head,
        alert,
        rows,
        detail,
        log,
        message,
        keys,
    }
}

/// Which of `rows` are seen in so many lines: the selected one is among them, in the middle if it can be.
pub(super) fn visible(selected: usize, rows: usize, lines: usize) -> Range<usize> {
    let first = selected
        .saturating_sub(lines / 2)
        .min(rows.saturating_sub(lines));
    first..(first + lines).min(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_given_away_once() {
        let wanted = Wanted {
            alert: 3,
            rows: 7,
            message: 2,
            detail: 9,
        };
        for focus in [Focus::All, Focus::Path, Focus::Log] {
            for height in 0..100 {
                let Sections {
                    head,
                    alert,
                    rows,
                    detail,
                    log,
                    message,
                    keys,
                } = share(height, focus, &wanted);

                let sum = head + alert + rows + detail + log + message + keys;
                assert_eq!(sum, usize::from(height), "{focus:?}");
            }
        }
    }

    #[test]
    fn the_selected_row_is_always_seen() {
        for rows in 1..12 {
            for lines in 1..12 {
                for selected in 0..rows {
                    let seen = visible(selected, rows, lines);

                    assert!(seen.contains(&selected), "{selected} of {rows} in {lines}");
                    assert_eq!(seen.len(), rows.min(lines));
                }
            }
        }
    }
}
