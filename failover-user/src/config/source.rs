//! `[[source]]`

use std::time::Duration;

use super::{
    inventory::Named,
    item::Item,
    keys::Kind,
    path,
    problem::Complaint,
    reader::{Collector, Section},
    settings::Settings,
    types::{Failback, L2Alive, OnConflict, OnFailure, Probe, Source, Trigger},
};

/// The longest `name`, characters.
const MAX_NAME: usize = 64;

/// Reads the `number`th source, counted from 1; `None` if something in it is wrong.
pub(super) fn read(
    item: &Item<'_>,
    number: usize,
    defaults: &Settings,
    out: &mut Collector,
) -> Option<Source> {
    let entries = item.table("[source]", out)?;
    let name = entries.get("name").and_then(|name| name.get_ref().as_str());
    let mut place = item.place.clone();
    place.key = match name.map(|name| (name, check_name(name))) {
        Some((name, Ok(()))) => format!("source \"{name}\""),
        Some((_, Err(_))) | None => format!("source {number}"),
    };
    let section = Section::open(Kind::Source, entries, place, out);

    let name = section
        .require("name", "name = \"web1\"", out)
        .and_then(|item| {
            let check = |text: &str| check_name(text).map(|()| text.to_owned());
            let name = item.parsed("a name", "web1", check, out)?;
            out.inventory.names.push(Named {
                at: item.place,
                name: name.clone(),
            });
            Some(name)
        });
    let settings = Settings::read(&section, Kind::Hooks, out).or(defaults);
    let probe = settings.probe.unwrap_or(Probe::Sbfd);

    let keys = match settings.keys {
        Some(keys) if probe == Probe::Sbfd => keys,
        // Those of the defaults are for the sources that can have one.
        Some(_) | None => Vec::new(),
    };
    if let Some(item) = section.get("key")
        && probe != Probe::Sbfd
    {
        let complaint = Complaint::new("only heartbeats of S-BFD can be signed");
        let help = "remove it, or write `probe = \"sbfd\"`";
        out.complain(&item.place, complaint.help(help));
    }

    let tables = section.get("path").map(|item| {
        let tables = item.tables("source.path", out);
        if tables.is_empty() && matches!(item.value, toml::de::DeValue::Array(_)) {
            out.miss(&item.place, no_path());
        }
        tables
    });
    if tables.is_none() {
        out.miss(&section.place, no_path());
    }
    let tables = tables.unwrap_or_default();
    let expected = tables.len();
    let paths: Vec<_> = tables
        .iter()
        .enumerate()
        .filter_map(|(i, item)| {
            let key = format!("{}, path {}", section.place.key, i + 1);
            path::read(item, key, number, probe, out)
        })
        .collect();
    if paths.len() < expected {
        return None;
    }

    Some(Source {
        name: name?,
        probe,
        interval: settings.interval.unwrap_or(Duration::from_millis(10)),
        misses: settings.misses.unwrap_or(3),
        on_failure: settings.on_failure.unwrap_or(OnFailure::Ask),
        trigger: settings.trigger.unwrap_or(Trigger::All),
        failback: settings.failback.unwrap_or(Failback::Manual),
        failback_after: settings.failback_after.unwrap_or(Duration::from_secs(60)),
        l2_alive: settings.l2_alive.unwrap_or(L2Alive::Ask),
        on_conflict: settings.on_conflict.unwrap_or(OnConflict::Defend),
        hooks: settings.hooks.finish(),
        announce_every: settings.announce_every.unwrap_or(Duration::from_secs(60)),
        keys,
        paths,
    })
}

fn no_path() -> Complaint {
    Complaint::new("it has no path")
        .help("add a [[source.path]] with monitor, target_nic and addresses")
}

fn check_name(name: &str) -> Result<(), Complaint> {
    let help = format!("use 1 to {MAX_NAME} letters, digits, \"-\", \"_\" and \".\"");
    if name.is_empty() {
        return Err(Complaint::new("the name is empty").help(help));
    }
    if name.chars().count() > MAX_NAME {
        return Err(Complaint::new("the name is too long").help(help));
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    match name.chars().find(|c| !allowed(c)) {
        Some(c) => Err(
            Complaint::new(format!("a name cannot have '{}' in it", c.escape_debug())).help(help),
        ),
        None => Ok(()),
    }
}
