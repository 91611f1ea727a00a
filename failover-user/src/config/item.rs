//! One value of a file: read as this or that type, or refused with a reason.

use std::{ops::RangeInclusive, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    duration,
    keys::nearest,
    problem::{Complaint, Place, enumerate},
    reader::Collector,
};

/// A value and where it stands.
pub(super) struct Item<'t> {
    pub(super) place: Place,
    pub(super) value: &'t DeValue<'t>,
}

impl<'t> Item<'t> {
    pub(super) fn new(key: String, value: &'t Spanned<DeValue<'t>>) -> Self {
        Self {
            place: Place {
                key,
                span: value.span(),
            },
            value: value.get_ref(),
        }
    }

    /// A string; `expected` names what it should hold, such as "a NIC's name", and `example` is one.
    pub(super) fn text(
        &self,
        expected: &str,
        example: &str,
        out: &mut Collector,
    ) -> Option<&'t str> {
        if let DeValue::String(text) = self.value {
            return Some(text);
        }
        let complaint = self.wrong_type(expected);
        out.complain(
            &self.place,
            complaint.help(format!("write it like \"{example}\"")),
        );
        None
    }

    /// A string that `parse` makes a value of.
    pub(super) fn parsed<T>(
        &self,
        expected: &str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
        out: &mut Collector,
    ) -> Option<T> {
        let text = self.text(expected, example, out)?;
        out.keep(&self.place, parse(text))
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, words: &[(&str, T)], out: &mut Collector) -> Option<T> {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let quoted: Vec<_> = known.iter().map(|word| format!("\"{word}\"")).collect();
        let options = enumerate(&quoted, "or");
        let DeValue::String(text) = self.value else {
            let complaint = self.wrong_type("one of several words");
            out.complain(&self.place, complaint.help(format!("write {options}")));
            return None;
        };
        let found = words.iter().find(|(word, _)| word == text);
        if found.is_none() {
            let complaint = Complaint::new(format!("\"{}\" is not known", text.escape_debug()));
            out.complain(
                &self.place,
                match nearest(text, &known) {
                    Some(word) => {
                        complaint.help(format!("did you mean \"{word}\"? It can be {options}"))
                    }
                    None => complaint.help(format!("write {options}")),
                },
            );
        }
        found.map(|(_, value)| *value)
    }

    /// A whole number.
    pub(super) fn integer(&self, range: RangeInclusive<u32>, out: &mut Collector) -> Option<u32> {
        let (min, max) = (range.start(), range.end());
        let help = format!("write a whole number from {min} to {max}");
        let DeValue::Integer(number) = self.value else {
            let complaint = self.wrong_type("a whole number");
            let numeric =
                matches!(self.value, DeValue::String(text) if text.parse::<u32>().is_ok());
            let help = if numeric {
                "write it without the quotes".to_owned()
            } else {
                help
            };
            out.complain(&self.place, complaint.help(help));
            return None;
        };
        let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let inside = value
            .and_then(|value| u32::try_from(value).ok())
            .filter(|value| range.contains(value));
        if inside.is_none() {
            let complaint = Complaint::new(format!("{number} is out of range"));
            out.complain(&self.place, complaint.help(help));
        }
        inside
    }

    /// `true` or `false`.
    pub(super) fn truth(&self, out: &mut Collector) -> Option<bool> {
        if let DeValue::Boolean(value) = self.value {
            return Some(*value);
        }
        let complaint = self.wrong_type("true or false");
        out.complain(&self.place, complaint.help("write it without quotes"));
        None
    }

    /// A duration of whole microseconds.
    pub(super) fn duration(
        &self,
        range: RangeInclusive<Duration>,
        out: &mut Collector,
    ) -> Option<Duration> {
        let bounds = format!(
            "it can be {} to {}",
            duration::show(*range.start()),
            duration::show(*range.end())
        );
        let DeValue::String(text) = self.value else {
            let complaint = match self.value {
                DeValue::Integer(number) => Complaint::new(format!("{number} has no unit")).help(
                    format!("write it in quotes with a unit, such as \"{number}ms\" or \"{number}s\"; {bounds}"),
                ),
                DeValue::String(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_) => self.wrong_type("a duration").help(format!(
                    "write a whole number and its unit in quotes, such as \"10ms\"; {bounds}"
                )),
            };
            out.complain(&self.place, complaint);
            return None;
        };
        let value = out.keep(&self.place, duration::parse(text))?;
        if !range.contains(&value) {
            let complaint = Complaint::new(format!("{} is out of range", duration::show(value)));
            out.complain(&self.place, complaint.help(bounds));
            return None;
        }
        if value.subsec_nanos() % 1_000 != 0 {
            let complaint = Complaint::new(format!(
                "{} is not whole microseconds",
                duration::show(value)
            ));
            out.complain(&self.place, complaint.help("the smallest step is 1us"));
            return None;
        }
        Some(value)
    }

    /// The members of a list, each with its own place.
    pub(super) fn list(
        &self,
        expected: &str,
        example: &str,
        out: &mut Collector,
    ) -> Option<Vec<Item<'t>>> {
        let DeValue::Array(list) = self.value else {
            let complaint = self.wrong_type(expected);
            out.complain(&self.place, complaint.help(format!("write `{example}`")));
            return None;
        };
        let members = list.iter().enumerate();
        Some(
            members
                .map(|(i, value)| Item::new(format!("{}[{}]", self.place.key, i + 1), value))
                .collect(),
        )
    }

    /// A table written `[header]` or in braces.
    pub(super) fn table(&self, header: &str, out: &mut Collector) -> Option<&'t DeTable<'t>> {
        if let DeValue::Table(entries) = self.value {
            return Some(entries);
        }
        let complaint = self.wrong_type("a table");
        out.complain(
            &self.place,
            complaint.help(format!("write `[{header}]` once")),
        );
        None
    }

    /// Tables written `[[header]]`. A single `[header]` is a mistake, and read on nevertheless.
    pub(super) fn tables(&self, header: &str, out: &mut Collector) -> Vec<Item<'t>> {
        let help = format!("write `[[{header}]]`, in double brackets");
        let members = match self.value {
            DeValue::Array(_) => self.list("", "", out).unwrap_or_default(),
            DeValue::Table(_) => {
                let complaint = Complaint::new("expected a list of tables, found one table");
                out.complain(&self.place, complaint.help(&help));
                return vec![Item {
                    place: self.place.clone(),
                    value: self.value,
                }];
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {
                let complaint = self.wrong_type("a list of tables");
                out.complain(&self.place, complaint.help(&help));
                return Vec::new();
            }
        };
        let (tables, others): (Vec<_>, Vec<_>) = members
            .into_iter()
            .partition(|item| matches!(item.value, DeValue::Table(_)));
        for other in others {
            let complaint = other.wrong_type("a table");
            out.complain(&other.place, complaint.help(&help));
        }
        tables
    }

    /// "expected …, found …"
    pub(super) fn wrong_type(&self, expected: &str) -> Complaint {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        Complaint::new(format!("expected {expected}, found {found}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{keys::Kind, reader::Section, syntax::Syntax, text::SourceText};

    /// What `read` makes of the value of `daemon.xdp`, and the first complaint.
    fn read<T>(
        value: &str,
        read: impl Fn(&Item<'_>, &mut Collector) -> Option<T>,
    ) -> (Option<T>, Option<String>) {
        let source = SourceText::new("t.toml", &format!("xdp = {value}\n"));
        let (tree, _) = Syntax::parse(&source);
        let mut out = Collector::default();
        let place = Place {
            key: "daemon".to_owned(),
            span: 0..0,
        };
        let section = Section::open(Kind::Daemon, &tree, place, &mut out);
        let result = read(&section.get("xdp").expect("set"), &mut out);
        let message = out.found.pop().map(|found| found.complaint.message);
        (result, message)
    }

    #[test]
    fn whole_numbers_are_read_in_every_notation() {
        for (written, value) in [
            ("1", 1),
            ("+255", 255),
            ("0xff", 255),
            ("0b11", 3),
            ("0o17", 15),
            ("2_5_5", 255),
        ] {
            let result = read(written, |item, out| item.integer(1..=255, out));

            assert_eq!(result, (Some(value), None), "{written}");
        }
    }

    #[test]
    fn other_numbers_are_refused() {
        for (written, reason) in [
            ("0", "0 is out of range"),
            ("256", "256 is out of range"),
            ("-1", "-1 is out of range"),
            ("4294967297", "4294967297 is out of range"),
            (
                "99999999999999999999999",
                "99999999999999999999999 is out of range",
            ),
            ("0x1_00", "0x100 is out of range"),
            ("3.0", "expected a whole number, found a fraction"),
            ("nan", "expected a whole number, found a fraction"),
            ("\"3\"", "expected a whole number, found a string"),
            ("true", "expected a whole number, found true or false"),
            ("2024-01-01", "expected a whole number, found a date"),
        ] {
            let result = read(written, |item, out| item.integer(1..=255, out));

            assert_eq!(result, (None, Some(reason.to_owned())), "{written}");
        }
    }

    #[test]
    fn words_are_compared_exactly() {
        let words = [("auto", 1), ("native", 2)];

        for (written, value, reason) in [
            ("\"native\"", Some(2), None),
            ("\"Native\"", None, Some("\"Native\" is not known")),
            ("\"\"", None, Some("\"\" is not known")),
            (
                "true",
                None,
                Some("expected one of several words, found true or false"),
            ),
        ] {
            let result = read(written, |item, out| item.choice(&words, out));

            assert_eq!(result, (value, reason.map(str::to_owned)), "{written}");
        }
    }

    #[test]
    fn members_of_a_list_are_counted_from_one() {
        let (keys, _) = read("[1, 2]", |item, out| {
            let members = item.list("a list", "[]", out)?;
            Some(members.into_iter().map(|member| member.place.key).collect())
        });

        assert_eq!(
            keys,
            Some(vec!["daemon.xdp[1]".to_owned(), "daemon.xdp[2]".to_owned()])
        );
    }
}
