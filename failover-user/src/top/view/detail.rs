//! Everything about the selected path.

use failover_ebpf::measure::bucket;
use ratatui::{
    symbols::bar::NINE_LEVELS,
    text::{Line, Span},
};

use super::{Look, rows::countdown, rule, style::bold};
use crate::{
    control::{
        protocol::{AddressStatus, PathStatus, RttStatus},
        render::{
            Tone, source,
            units::{ago, local, long, short, wrap_to},
        },
    },
    policy::PathState,
    top::{
        feed::POLL,
        model::{Daemon, Model, Row},
    },
};

/// Bars, the lowest first.
const BARS: [&str; 8] = [
    NINE_LEVELS.one_eighth,
    NINE_LEVELS.one_quarter,
    NINE_LEVELS.three_eighths,
    NINE_LEVELS.half,
    NINE_LEVELS.five_eighths,
    NINE_LEVELS.three_quarters,
    NINE_LEVELS.seven_eighths,
    NINE_LEVELS.full,
];

/// Columns in front of a line's text.
const LABEL: usize = 12;

pub(super) fn lines(model: &Model, look: &Look, width: usize) -> Vec<Line<'static>> {
    let rows = model.rows();
    let Some(row) = rows.get(model.selected_row()) else {
        return Vec::new();
    };
    let title = format!(
        "{}, path {}: {} by {}",
        row.source.name,
        row.index + 1,
        row.path.monitor,
        row.path.nic
    );
    let mut lines = vec![rule(look, &title, width)];
    lines.extend(why(row, look, width));
    if model.daemon == Daemon::Here
        && let Some(to_do) = source::to_do(row.source)
    {
        lines.extend(wrapped("->", &to_do, width).map(|text| Line::from(bold(text))));
    }
    let (fails_in, tone) = countdown(row.path, row.source);
    let tone = tone.unwrap_or(Tone::Good);
    lines.push(Line::from(vec![
        Span::raw(label(match row.path.heartbeat {
            PathState::Up | PathState::Missing => "fails in",
            PathState::Unknown | PathState::Down | PathState::Isolated => "heartbeat",
        })),
        look.span(fails_in, tone),
    ]));
    let rule = source::rule(row.source);
    lines.extend(wrapped("", &rule, width).map(Line::raw));
    lines.extend(wrapped("heartbeats", &counts(row.path), width).map(Line::raw));
    lines.extend(round_trips(model, row, width));
    let addresses = row.path.addresses.iter();
    lines.extend(addresses.map(|address| held(model, row, address, look)));
    lines
}

fn why(row: &Row<'_>, look: &Look, width: usize) -> Vec<Line<'static>> {
    let since = local(&row.source.since, &look.clock);
    let ago = ago(&row.source.since, &look.clock)
        .map(|ago| format!(" ({ago})"))
        .unwrap_or_default();
    let cause = match source::cause(row.source) {
        "" => String::new(),
        cause => format!(": {cause}"),
    };
    wrapped("since", &format!("{since}{ago}{cause}"), width)
        .map(Line::raw)
        .collect()
}

fn counts(path: &PathStatus) -> String {
    let gap = match path.max_gap_ns {
        0 => "-".to_owned(),
        ns => short(ns),
    };
    format!(
        "{} sent, {} received, {} missed, {} late, {} near misses, longest gap {gap}",
        path.sent, path.received, path.missed, path.late, path.near_misses
    )
}

/// Values now, and two of them over time.
fn round_trips(model: &Model, row: &Row<'_>, width: usize) -> Vec<Line<'static>> {
    let RttStatus { min, p50, p99, max } = row.path.rtt_ns;
    if max == 0 {
        return vec![Line::raw(label("rtt") + "nothing measured yet")];
    }
    let now = [("min", min), ("p50", p50), ("p99", p99), ("max", max)]
        .map(|(name, ns)| format!("{name} {}", short(ns)))
        .join(", ");
    let key = row.key();
    let samples = model.history.rtt(&key).count();
    let room = width.saturating_sub(LABEL + 28).clamp(8, 240);
    let over_time = |name: &str, of: fn(RttStatus) -> u64| {
        let values = model.history.rtt(&key).map(of);
        let seen: Vec<u64> = values.clone().rev().take(room).collect();
        let lowest = seen.iter().min().copied().unwrap_or(0);
        let highest = seen.iter().max().copied().unwrap_or(0);
        let range = if lowest == highest {
            short(lowest)
        } else {
            format!("{} to {}", short(lowest), short(highest))
        };
        let spark = spark(values, room.min(samples));
        Line::raw(format!("{}{spark} {range}", label(name)))
    };
    let seconds = POLL.as_secs_f64() * samples.min(room) as f64;
    let over = match seconds as u64 {
        0 => String::new(),
        seconds => format!("; below, the last {}", long(seconds)),
    };
    let mut lines: Vec<_> = wrapped("rtt", &format!("{now}{over}"), width)
        .map(Line::raw)
        .collect();
    lines.push(over_time("rtt p50", |rtt| rtt.p50));
    lines.push(over_time("rtt max", |rtt| rtt.max));
    lines.extend(
        spread(&row.path.rtt_histogram, room).map(|text| Line::raw(label("rtt all") + &text)),
    );
    lines
}

/// All round trips by their length: a bar for each bucket, or for several that lie next to each other if there is less
/// `room`. One in a million has to be seen beside the others, so bars grow with the logarithm of their number.
pub(super) fn spread(histogram: &[(u64, u64)], room: usize) -> Option<String> {
    let (first, last) = (histogram.first()?, histogram.last()?);
    let low = bucket(first.0);
    let buckets = bucket(last.0) - low + 1;
    let together = buckets.div_ceil(room.max(1));
    let mut counts = vec![0u64; buckets.div_ceil(together)];
    for (floor, count) in histogram {
        counts[(bucket(*floor) - low) / together] += count;
    }
    let most = counts.iter().max().copied().unwrap_or(0).max(1);
    let bars: String = counts
        .iter()
        .map(|count| match count {
            0 => ' ',
            // One is the lowest bar, the most the highest.
            count => {
                let share = (*count as f64).ln_1p() / (most as f64).ln_1p();
                let level = (share * (BARS.len() - 1) as f64).round() as usize;
                BARS[level.min(BARS.len() - 1)]
                    .chars()
                    .next()
                    .unwrap_or(' ')
            }
        })
        .collect();
    let commonest = histogram.iter().max_by_key(|(_, count)| *count)?;
    let from = |floor| short(floor);
    Some(format!(
        "{}|{bars}| {}, most from {}",
        from(first.0),
        from(last.0),
        from(commonest.0)
    ))
}

fn held(model: &Model, row: &Row<'_>, address: &AddressStatus, look: &Look) -> Line<'static> {
    let forward = match address.deliver.strip_prefix("forward ") {
        Some(to) => format!(", forwarded to {to}"),
        None => String::new(),
    };
    let mut spans = vec![Span::raw(format!(
        "{}{} on {}{forward}: ",
        label("address"),
        address.ip,
        address.nic
    ))];
    if !address.held {
        spans.push(look.span("not held", Tone::Quiet));
        return Line::from(spans);
    }
    spans.push(look.span("held here", Tone::Acting));
    let rate = match model.history.rate(&row.key(), &address.ip) {
        Some(rate) => format!(
            ", {} packets/s, {}bit/s",
            scaled(rate.packets),
            scaled(rate.bits)
        ),
        None => String::new(),
    };
    spans.push(Span::raw(format!(", {} packets{rate}", address.packets)));
    Line::from(spans)
}

/// The latest values as bars, the highest of those seen being the highest bar.
pub(super) fn spark(values: impl DoubleEndedIterator<Item = u64>, width: usize) -> String {
    let mut seen: Vec<u64> = values.rev().take(width).collect();
    seen.reverse();
    let highest = seen.iter().max().copied().unwrap_or(0).max(1);
    seen.into_iter()
        .map(|value| {
            let level = u128::from(value) * (BARS.len() as u128 - 1) / u128::from(highest);
            BARS[usize::try_from(level).unwrap_or(0)]
        })
        .collect()
}

/// A number a second, with the letter of its thousands: `7`, `1.2 k`, `340 M`.
pub(super) fn scaled(value: f64) -> String {
    let (value, letter) = match value {
        ..1e3 => return format!("{value:.0}"),
        ..1e6 => (value / 1e3, "k"),
        ..1e9 => (value / 1e6, "M"),
        _ => (value / 1e9, "G"),
    };
    let decimals = usize::from(value < 100.0);
    format!("{value:.decimals$}{letter}")
}

fn label(text: &str) -> String {
    format!(" {text:<width$}", width = LABEL - 1)
}

fn wrapped(name: &str, text: &str, width: usize) -> impl Iterator<Item = String> {
    let lines = wrap_to(width.max(1), &label(name), text);
    lines
        .lines()
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_values_and_the_latest_are_kept() {
        let values = [9, 0, 50, 100];

        assert_eq!(spark(values.into_iter(), 3), "▁▄█");
        assert_eq!(spark(values.into_iter(), 0), "");
        assert_eq!(spark([u64::MAX, 0].into_iter(), 9), "█▁");
        assert_eq!(spark([0, 0].into_iter(), 9), "▁▁");
    }

    #[test]
    fn the_spread_shows_rare_round_trips_beside_common_ones() {
        let histogram = [(2_048, 1_000_000), (2_304, 1_000), (4_096, 1)];

        let wide = spread(&histogram, 80);
        let narrow = spread(&histogram, 3);

        let text = |text: &str| Some(text.to_owned());
        assert_eq!(wide, text("2.05 us|█▅      ▁| 4.1 us, most from 2.05 us"));
        assert_eq!(narrow, text("2.05 us|█ ▁| 4.1 us, most from 2.05 us"));
        assert_eq!(spread(&[], 80), None);
        assert_eq!(spread(&[(0, 7)], 0), text("0 ns|█| 0 ns, most from 0 ns"));
    }

    #[test]
    fn rates_have_three_digits() {
        let texts = [0.0, 7.4, 999.0, 1_234.0, 99_900.0, 340e6, 1e12].map(scaled);

        assert_eq!(texts, ["0", "7", "999", "1.2k", "99.9k", "340M", "1000G"]);
    }
}
