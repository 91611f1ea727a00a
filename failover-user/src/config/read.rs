//! One pass over a file: the values, what it names, and everything that is wrong.

use toml::de::DeValue;

use super::{
    daemon,
    inventory::Inventory,
    keys::Kind,
    problem::{Complaint, Found, Place, Problems},
    reader::{Collector, Section},
    reflector,
    settings::Settings,
    source,
    syntax::Syntax,
    text::SourceText,
    types::Config,
    witness,
};

/// What could be made of a file.
pub(super) struct Reading {
    pub(super) source: SourceText,
    /// Present when every value could be read.
    config: Option<Config>,
    pub(super) inventory: Inventory,
    found: Vec<Found>,
    syntax: Syntax,
}

/// Reads a whole file.
pub(super) fn read(source: SourceText) -> Reading {
    let (tree, syntax) = Syntax::parse(&source);
    let mut out = Collector {
        broken: syntax.is_broken(),
        ..Collector::default()
    };
    let place = Place {
        key: String::new(),
        span: 0..0,
    };
    let file = Section::open(Kind::File, &tree, place, &mut out);

    let daemon = daemon::read(file.get("daemon").as_ref(), &mut out);
    let defaults = file.get("defaults").and_then(|item| {
        let entries = item.table("defaults", &mut out)?;
        let section = Section::open(Kind::Defaults, entries, item.place, &mut out);
        Some(Settings::read(&section, Kind::DefaultHooks, &mut out))
    });
    let defaults = defaults.unwrap_or_default();
    let tables = file.get("witness");
    let tables = tables.map_or(Vec::new(), |item| item.tables("witness", &mut out));
    let witnesses: Vec<_> = tables
        .iter()
        .enumerate()
        .filter_map(|(i, item)| witness::read(item, i + 1, &mut out))
        .collect();
    let tables = file.get("source");
    let tables = tables.map_or(Vec::new(), |item| item.tables("source", &mut out));
    let sources: Vec<_> = tables
        .iter()
        .enumerate()
        .filter_map(|(i, item)| source::read(item, i + 1, &defaults, &mut out))
        .collect();
    let reflector = file.get("reflector");
    let no_source = file
        .get("source")
        .is_none_or(|item| matches!(item.value, DeValue::Array(list) if list.is_empty()));
    let idle = no_source && reflector.is_none();
    if idle {
        let complaint = Complaint::new("there is nothing to do: no [[source]] and no [reflector]");
        let help = "add a [[source]] to watch, or [reflector] to be watched";
        out.miss(&file.place, complaint.help(help));
    }
    let reflector = reflector.and_then(|item| reflector::read(&item, &mut out));

    let complete = out.found.is_empty() && !syntax.is_broken();
    let mut reading = Reading {
        config: complete.then_some(Config {
            daemon,
            witnesses,
            sources,
            reflector,
        }),
        inventory: out.inventory,
        found: Vec::new(),
        syntax,
        source: source.clone(),
    };
    reading.add(out.found);
    reading.add(reading.inventory.compare());
    reading.add(witness::compare(&reading.inventory, out.broken));
    reading.add(reflector::compare(&reading.inventory));
    reading.found.append(&mut reading.syntax.found);
    reading
}

impl Reading {
    /// Adds problems, without those that are only consequences of syntax errors.
    pub(super) fn add(&mut self, found: Vec<Found>) {
        let believed = |found: &Found| self.syntax.believes(&found.place.span, &self.source);
        self.found.extend(found.into_iter().filter(believed));
    }

    /// The values if nothing is wrong, else all problems.
    pub(super) fn finish(self) -> Result<(Config, SourceText, Inventory), Problems> {
        match self.config {
            Some(config) if self.found.is_empty() => Ok((config, self.source, self.inventory)),
            Some(_) | None => Err(Problems::new(self.source, self.found)),
        }
    }
}
