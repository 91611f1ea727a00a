//! `key`: what heartbeats are signed with.

use std::path::PathBuf;

use toml::de::DeValue;

use super::{
    inventory::{Named, duplicates},
    item::Item,
    keys::Kind,
    problem::{Complaint, Place},
    reader::{Collector, Section},
    secret::Secret,
    types::Key,
};

const EXAMPLE: &str = "key = { file = \"/etc/failover/web1.key\", id = 1 }";

/// Reads one key, or a list of at most `most`; `None` if something in it is wrong.
pub(super) fn read(item: &Item<'_>, most: u32, out: &mut Collector) -> Option<Vec<Key>> {
    let members = match item.value {
        DeValue::Table(_) => vec![Item {
            place: item.place.clone(),
            value: item.value,
        }],
        DeValue::Array(_) => item.list("", "", out)?,
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {
            let complaint = item.wrong_type("a key, or a list of keys");
            let help = format!("a secret stands in a file of its own: write `{EXAMPLE}`");
            out.complain(&item.place, complaint.help(help));
            return None;
        }
    };
    if members.is_empty() {
        let complaint = Complaint::new("the list is empty");
        let help = format!("write `{EXAMPLE}`, or remove the key");
        out.complain(&item.place, complaint.help(help));
        return None;
    }
    if members.len() > most as usize {
        let complaint = Complaint::new(format!("{} keys are too many", members.len()));
        let help = format!("at most {most} can be in use at once");
        out.complain(&item.place, complaint.help(help));
    }
    let expected = members.len();
    let keys: Vec<(Key, Place)> = members
        .iter()
        .filter_map(|member| read_one(member, out))
        .collect();
    let ids = keys.iter().map(|(key, at)| (key.id, at));
    let repeated = duplicates(ids, |id, _| {
        Complaint::new(format!("{id} is the id of two keys"))
            .help("give each key an id of its own, the same on both hosts")
    });
    out.found.extend(repeated);
    (keys.len() == expected).then(|| keys.into_iter().map(|(key, _)| key).collect())
}

/// A key, and where its id stands.
fn read_one(item: &Item<'_>, out: &mut Collector) -> Option<(Key, Place)> {
    let DeValue::Table(entries) = item.value else {
        let complaint = item.wrong_type("a key");
        let help = "write `{ file = \"/etc/failover/web1.key\", id = 1 }`";
        out.complain(&item.place, complaint.help(help));
        return None;
    };
    let section = Section::open(Kind::Key, entries, item.place.clone(), out);
    let file = section.require("file", "file = \"/etc/failover/web1.key\"", out);
    let file = file.and_then(|item| {
        let file = item.parsed("a path", "/etc/failover/web1.key", check_path, out)?;
        out.inventory.key_files.push(Named {
            at: item.place,
            name: file.clone(),
        });
        Some(file)
    });
    let id = section
        .require("id", "id = 1", out)
        .and_then(|item| Some((item.integer(0..=255, out)?, item.place)));
    let (id, at) = id?;
    let key = Key {
        id: id as u8,
        file: PathBuf::from(file?),
        secret: Secret::default(),
    };
    Some((key, at))
}

fn check_path(path: &str) -> Result<String, Complaint> {
    if path.starts_with('/') && !path.ends_with('/') && !path.contains('\0') {
        return Ok(path.to_owned());
    }
    let shown = path.escape_debug();
    let complaint = Complaint::new(format!("\"{shown}\" is not the absolute path of a file"));
    Err(complaint.help("write it in full, such as \"/etc/failover/web1.key\""))
}
