//! The configuration: TOML text to checked types.
//!
//! [`types`] is what the rest of the daemon works with: every value in it has been checked. Two steps lead there:
//! [`parse`] says all that the text alone allows, [`check_host`] compares it with the host's NICs,
//! programs and key files. Both are pure; they report every problem at once, each with its place in the file. [`check`] does both,
//! [`load`] reads the file first.

mod address;
mod check;
mod daemon;
mod discriminator;
pub mod duration;
mod hooks;
mod host;
mod inventory;
mod item;
mod key;
mod key_file;
mod keys;
mod load;
mod path;
mod probe;
mod problem;
mod program;
mod read;
mod reader;
mod reflector;
mod report;
mod secret;
mod settings;
mod source;
mod syntax;
mod text;
pub mod types;
mod witness;

pub use hooks::LONGEST_HOOK;
pub use host::{HostFacts, NicFacts};
pub use key_file::{KeyFacts, KeyFault};
pub use keys::tables;
pub use load::{LoadError, load};
pub use problem::{Problem, Problems};
pub use program::ProgramFacts;
pub use report::Style;
pub use secret::{NoSecret, Secret};
pub use text::SourceText;
pub use types::*;

use inventory::Inventory;

/// A configuration whose text is sound, with the places that [`check_host`] may complain about.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The values.
    pub config: Config,
    source: SourceText,
    inventory: Inventory,
}

/// First step: everything that the text alone allows to say. `file` is only a name, for reports.
pub fn parse(file: &str, text: &str) -> Result<Parsed, Problems> {
    let (config, source, inventory) = read::read(SourceText::new(file, text)).finish()?;
    Ok(Parsed {
        config,
        source,
        inventory,
    })
}

/// Second step: does the host have what the file names? Empty if it does.
pub fn check_host(parsed: &Parsed, facts: &HostFacts) -> Problems {
    let found = host::compare(&parsed.inventory, facts);
    Problems::new(parsed.source.clone(), found)
}

/// Both steps in one report: the host is checked for whatever could be read.
pub fn check(file: &str, text: &str, facts: &HostFacts) -> Result<Config, Problems> {
    judge(read::read(SourceText::new(file, text)), facts)
}

fn judge(mut reading: read::Reading, facts: &HostFacts) -> Result<Config, Problems> {
    reading.add(host::compare(&reading.inventory, facts));
    let (mut config, _, _) = reading.finish()?;
    key_file::fill(&mut config, facts);
    Ok(config)
}
