//! One row per path. Narrow screens show the columns that matter most.

use std::ops::Range;

use ratatui::{
    style::{Modifier, Style},
    text::{Line, Span},
};

use super::{Look, detail, style::bold};
use crate::{
    control::{
        protocol::{PathStatus, SourceStatus},
        render::{
            Tone,
            source::{heartbeat, words_for},
            units::short,
        },
    },
    policy::PathState,
    top::model::{Daemon, Model, Row},
};

/// Columns between two cells.
const GAP: usize = 2;

/// Width of the round trips over time, at least and at most.
const TREND: (usize, usize) = (8, 40);

/// Widest name shown.
const NAME: usize = 20;

/// Text, and its urgency if it has one.
type Cell = (String, Option<Tone>);

struct Column {
    title: &'static str,
    /// 0 is shown on every screen; the higher, the sooner it is left out.
    rank: u8,
    cell: fn(&Model, &Row<'_>) -> Cell,
}

/// The round trips over time are left out before columns of a higher rank than this.
const TREND_RANK: u8 = 3;

/// From left to right. The round trips over time stand behind them.
const COLUMNS: &[Column] = &[
    Column {
        title: "source",
        rank: 0,
        cell: |_, row| (cut(&row.source.name, NAME), None),
    },
    Column {
        title: "monitor",
        rank: 4,
        cell: |_, row| (row.path.monitor.clone(), None),
    },
    Column {
        title: "nic",
        rank: 9,
        cell: |_, row| (row.path.nic.clone(), None),
    },
    Column {
        title: "state",
        rank: 1,
        cell: |_, row| {
            let (words, tone) = words_for(row.source, row.path.state);
            (words.to_owned(), Some(tone))
        },
    },
    Column {
        title: "fails in",
        rank: 2,
        cell: |_, row| countdown(row.path, row.source),
    },
    Column {
        title: "near",
        rank: 5,
        cell: |_, row| match row.path.near_misses {
            0 => ("0".to_owned(), None),
            near => (near.to_string(), Some(Tone::Warning)),
        },
    },
    Column {
        title: "held",
        rank: 6,
        cell: held,
    },
    Column {
        title: "max",
        rank: 8,
        cell: |_, row| (rtt(row.path.rtt_ns.max), None),
    },
    Column {
        title: "rtt p50",
        rank: 3,
        cell: |_, row| (rtt(row.path.rtt_ns.p50), None),
    },
];

/// How many misses away the verdict is.
pub(super) fn countdown(path: &PathStatus, source: &SourceStatus) -> Cell {
    let (words, tone) = heartbeat(path, source);
    let left = source.misses.saturating_sub(path.consecutive_missed);
    let words = match path.heartbeat {
        PathState::Up | PathState::Missing if source.monitored => match source.misses {
            1 => "1 of 1 miss".to_owned(),
            misses => format!("{left} of {misses} misses"),
        },
        PathState::Unknown
        | PathState::Up
        | PathState::Missing
        | PathState::Down
        | PathState::Isolated => words,
    };
    (words, Some(tone))
}

fn held(model: &Model, row: &Row<'_>) -> Cell {
    let held = row.path.addresses.iter().filter(|address| address.held);
    let number = held.clone().count();
    if number == 0 {
        return ("-".to_owned(), None);
    }
    let rates: Option<Vec<_>> = held
        .map(|address| model.history.rate(&row.key(), &address.ip))
        .collect();
    let rate = rates.map_or_else(String::new, |rates| {
        let packets = rates.iter().map(|rate| rate.packets).sum();
        format!(" {}/s", detail::scaled(packets))
    });
    (format!("{number}{rate}"), Some(Tone::Acting))
}

fn rtt(ns: u64) -> String {
    match ns {
        0 => "-".to_owned(),
        ns => short(ns),
    }
}

/// The heading and the rows that are visible.
pub(super) fn lines(
    model: &Model,
    look: &Look,
    width: usize,
    visible: Range<usize>,
) -> Vec<Line<'static>> {
    let rows = model.rows();
    if rows.is_empty() {
        return match &model.status {
            Some(_) => vec![Line::raw(
                "No source is configured: this host stands in for nobody.",
            )],
            None => Vec::new(),
        };
    }
    let (first, last) = (visible.start + 1, visible.end);
    let hidden = if visible.len() < rows.len() {
        format!(" {first}-{last} of {}", rows.len())
    } else {
        String::new()
    };
    // Widths come from all rows, so that nothing moves while one goes through them.
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| {
            COLUMNS
                .iter()
                .map(|column| (column.cell)(model, row))
                .collect()
        })
        .collect();
    let (shown, trend) = fit(&cells, &hidden, width);
    let stale = model.daemon != Daemon::Here;

    let mut heading = String::from(" ");
    for &(column, width) in &shown {
        let mut title = COLUMNS[column].title.to_owned();
        if column == 0 {
            title += &hidden;
        }
        heading += &format!("{title:width$}{:GAP$}", "");
    }
    if trend > 0 {
        heading += "over time";
    }
    let mut lines = vec![Line::from(look.span(heading, Tone::Quiet))];
    for index in visible {
        let (row, cells) = (&rows[index], &cells[index]);
        let chosen = index == model.selected_row();
        let mut spans = vec![if chosen { bold(">") } else { Span::raw(" ") }];
        for &(column, width) in &shown {
            let (text, tone) = &cells[column];
            let padding = width.saturating_sub(Span::raw(text).width()) + GAP;
            let style = tone.map_or_else(Style::new, |tone| look.style(tone));
            spans.push(Span::styled(text.clone(), style));
            spans.push(Span::raw(" ".repeat(padding)));
        }
        let p50 = model.history.rtt(&row.key()).map(|rtt| rtt.p50);
        spans.push(Span::raw(detail::spark(p50, trend)));
        let mut line = Line::from(spans);
        if stale {
            line = line.style(look.style(Tone::Quiet));
        } else if chosen {
            line = line.style(Style::new().add_modifier(Modifier::BOLD));
        }
        lines.push(line);
    }
    lines
}

/// The columns that fit, each with its width, and the width of the trend.
fn fit(cells: &[Vec<Cell>], hidden: &str, width: usize) -> (Vec<(usize, usize)>, usize) {
    let widths: Vec<usize> = COLUMNS
        .iter()
        .enumerate()
        .map(|(column, Column { title, .. })| {
            let extra = if column == 0 { hidden.len() } else { 0 };
            let widest = cells
                .iter()
                .map(|row| Span::raw(&row[column].0).width())
                .max();
            widest.unwrap_or(0).max(title.len() + extra)
        })
        .collect();
    let mut order: Vec<usize> = (0..COLUMNS.len()).collect();
    order.sort_by_key(|&column| COLUMNS[column].rank);
    let mut left = width.saturating_sub(1);
    let mut shown = Vec::new();
    let mut trend = 0;
    for column in order {
        let needed = widths[column] + if shown.is_empty() { 0 } else { GAP };
        if needed <= left || shown.is_empty() {
            left = left.saturating_sub(needed);
            shown.push((column, widths[column]));
        }
        if COLUMNS[column].rank == TREND_RANK && left >= TREND.0 + GAP {
            trend = TREND.0;
            left -= TREND.0 + GAP;
        }
    }
    shown.sort_by_key(|&(column, _)| column);
    if trend > 0 {
        trend = (trend + left).min(TREND.1);
    }
    (shown, trend)
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}
