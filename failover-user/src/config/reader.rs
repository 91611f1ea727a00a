//! Reads keys from a table, one by one, and collects what is wrong instead of stopping there.

use toml::de::DeTable;

use super::{
    inventory::Inventory,
    item::Item,
    keys::Kind,
    problem::{Complaint, Found, Place},
};

/// What reading a file brings to light besides the values.
#[derive(Default)]
pub(super) struct Collector {
    /// Everything that is wrong.
    pub(super) found: Vec<Found>,
    /// What was named, and where: for checks across the file and against the host.
    pub(super) inventory: Inventory,
    /// The file has syntax errors, so a missing key may only have been lost.
    pub(super) broken: bool,
}

impl Collector {
    pub(super) fn complain(&mut self, place: &Place, complaint: Complaint) {
        self.found.push(complaint.at(place));
    }

    /// Something that should be there is not.
    pub(super) fn miss(&mut self, place: &Place, complaint: Complaint) {
        if !self.broken {
            self.complain(place, complaint);
        }
    }

    /// The value, or `None` and a problem at `place`.
    pub(super) fn keep<T>(&mut self, place: &Place, result: Result<T, Complaint>) -> Option<T> {
        result
            .map_err(|complaint| self.complain(place, complaint))
            .ok()
    }
}

/// A table whose keys have been compared with those that its kind has.
pub(super) struct Section<'t> {
    entries: &'t DeTable<'t>,
    /// Its key path, and its header.
    pub(super) place: Place,
    separator: &'static str,
}

impl<'t> Section<'t> {
    /// Opens a table and reports the keys that do not belong there.
    pub(super) fn open(
        kind: Kind,
        entries: &'t DeTable<'t>,
        place: Place,
        out: &mut Collector,
    ) -> Self {
        let separator = match kind {
            Kind::File => "",
            Kind::Source | Kind::Path | Kind::Check | Kind::Witness => ", ",
            Kind::Daemon
            | Kind::Defaults
            | Kind::Address
            | Kind::Deliver
            | Kind::Reflector
            | Kind::Hooks
            | Kind::DefaultHooks
            | Kind::Key => ".",
        };
        let section = Self {
            entries,
            place,
            separator,
        };
        for key in entries.keys() {
            if let Some(complaint) = kind.refuse(key.get_ref()) {
                let place = Place {
                    key: section.path_of(&key.get_ref().escape_debug().to_string()),
                    span: key.span(),
                };
                out.complain(&place, complaint);
            }
        }
        section
    }

    /// The value of `key`, if it is set.
    pub(super) fn get(&self, key: &str) -> Option<Item<'t>> {
        let value = self.entries.get(key)?;
        Some(Item::new(self.path_of(key), value))
    }

    /// The value of `key`, which must be set; `example` is what could be written.
    pub(super) fn require(
        &self,
        key: &str,
        example: &str,
        out: &mut Collector,
    ) -> Option<Item<'t>> {
        let item = self.get(key);
        if item.is_none() {
            let complaint = Complaint::new(format!("`{key}` is missing"));
            out.miss(&self.place, complaint.help(format!("add `{example}`")));
        }
        item
    }

    fn path_of(&self, key: &str) -> String {
        format!("{}{}{key}", self.place.key, self.separator)
    }
}
