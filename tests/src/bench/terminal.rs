//! A report in lines, for the terminal.

use super::outcome::{Report, Section};

/// What the figures were measured on, and of what.
pub(super) fn head(report: &Report) -> Vec<String> {
    let mut lines = vec![
        format!("machine   {}", report.machine),
        format!("failover  {}", report.failover),
    ];

    for (name, version) in &report.peers {
        lines.push(format!("{name}  {version}"));
    }

    lines.push(format!("runs      {} of each, in turn", report.runs));
    lines
}

/// The figures of a section and what became of its goals.
pub(super) fn section(section: &Section) -> Vec<String> {
    let width = section
        .rows
        .iter()
        .map(|row| row.name.chars().count())
        .max()
        .unwrap_or(0);
    let line = |name: &str, cells: [String; 3]| {
        let cells = cells.map(|cell| format!("  {cell:>9}"));

        format!("{name:<width$}{}", cells.concat())
    };
    let mut lines = vec![line(
        "",
        ["minimum", "median", "maximum"].map(str::to_owned),
    )];

    for row in &section.rows {
        let spread = row.spread();
        let cells = [spread.min, spread.median, spread.max].map(|value| section.unit.show(value));

        lines.push(line(&row.name, cells));
    }

    for goal in &section.goals {
        let word = if goal.is_reached() {
            "reached"
        } else {
            "MISSED "
        };

        lines.push(format!("{word}  {goal}"));
    }

    lines
}

#[cfg(test)]
mod tests {
    use super::{
        super::outcome::{Bound, Goal, Row, Unit},
        *,
    };

    #[test]
    fn figures_stand_below_their_titles_and_goals_say_what_became_of_them() {
        let row = |name: &str, values: &[f64]| Row {
            name: name.to_owned(),
            ours: true,
            values: values.to_vec(),
        };
        let example = Section {
            name: "outage".to_owned(),
            title: "Outage".to_owned(),
            unit: Unit::Nanoseconds,
            rows: vec![
                row("failover, 1 ms x 3", &[4.1e6, 3.9e6, 4.3e6]),
                row("keepalived", &[24e6, f64::INFINITY, 23e6]),
            ],
            goals: vec![Goal {
                what: "shorter than keepalived's".to_owned(),
                unit: Unit::Times,
                bound: Bound::AtLeast(30.0),
                value: 5.9,
            }],
        };

        let lines = section(&example);

        assert_eq!(
            lines,
            [
                "                      minimum     median    maximum",
                "failover, 1 ms x 3    3.90 ms    4.10 ms    4.30 ms",
                "keepalived            23.0 ms    24.0 ms       none",
                "MISSED   shorter than keepalived's: 5.9 times, at least 30.0 times",
            ]
        );
    }
}
