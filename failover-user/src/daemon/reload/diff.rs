//! What a new configuration changes. Pure.

use super::{super::layout, words};
use crate::config::{Address, Config, Daemon, Path, Source};

/// What becomes of the sources and the rest of a running configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Diff {
    /// Sources that go.
    pub(super) removed: Vec<Removed>,
    /// The sources of the new configuration, in its order.
    pub(super) sources: Vec<Change>,
    /// `[reflector]` is another one.
    pub(super) reflector: bool,
    /// `[[witness]]` are others.
    pub(super) witnesses: bool,
    /// Keys of `[daemon]` that are others, for which the daemon has to be started anew.
    pub(super) restart: Vec<&'static str>,
}

/// A source that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Removed {
    /// Index in the running configuration.
    pub(super) old: usize,
    /// Its name.
    pub(super) name: String,
}

/// A source of the new configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Index in the new configuration.
    pub(super) new: usize,
    /// Its name.
    pub(super) name: String,
    /// What is to be done.
    pub(super) how: How,
}

/// What is to be done for a source. `old` is its index in the running configuration, `keys` are those that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Another name: it is new.
    Add,
    /// Nothing, or its rules and its pace: in place, whatever its state.
    Keep { old: usize, keys: Vec<&'static str> },
    /// Other addresses on the same paths: its heartbeats go on.
    Readdress { old: usize, keys: Vec<&'static str> },
    /// It is watched in another way: the old one goes, a new one comes.
    Replace { old: usize, keys: Vec<&'static str> },
}

/// Why a configuration cannot be applied now, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(String);

/// What `new` changes in `old`, whose removed sources count as none.
pub(super) fn diff(old: &Config, new: &Config) -> Diff {
    let removed = layout::sources(old)
        .filter(|(_, source)| !new.sources.iter().any(|new| new.name == source.name))
        .map(|(old, source)| Removed {
            old,
            name: source.name.clone(),
        })
        .collect();
    let change = |(new, source): (usize, &Source)| Change {
        new,
        name: source.name.clone(),
        how: match layout::sources(old).find(|(_, old)| old.name == source.name) {
            Some((old, before)) => compare(old, before, source),
            None => How::Add,
        },
    };
    Diff {
        removed,
        sources: new.sources.iter().enumerate().map(change).collect(),
        reflector: old.reflector != new.reflector,
        witnesses: old.witnesses != new.witnesses,
        restart: restart(&old.daemon, &new.daemon),
    }
}

impl Diff {
    /// Sources of the running configuration that lose their addresses, or get others. They must hold none.
    pub(super) fn touched(&self) -> impl Iterator<Item = usize> {
        let changed = self.sources.iter().filter_map(|change| match change.how {
            How::Add | How::Keep { .. } => None,
            How::Readdress { old, .. } | How::Replace { old, .. } => Some(old),
        });
        let removed = self.removed.iter().map(|removed| removed.old);
        removed.chain(changed)
    }

    /// Whether it can be applied while the sources for which `held` says so hold addresses, or are about to.
    pub(super) fn check(&self, held: impl Fn(usize) -> bool) -> Result<(), Refusal> {
        let mut reasons = Vec::new();
        for removed in self.removed.iter().filter(|removed| held(removed.old)) {
            reasons.push(refuse(&removed.name, "leave it in the file"));
        }
        for change in &self.sources {
            match &change.how {
                How::Readdress { old, keys } | How::Replace { old, keys } if held(*old) => {
                    let keys: Vec<&str> = keys.iter().copied().filter(is_identity).collect();
                    let keys = words::list(&keys);
                    reasons.push(refuse(&change.name, &format!("leave its {keys} as before")));
                }
                How::Add | How::Keep { .. } | How::Readdress { .. } | How::Replace { .. } => {}
            }
        }
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(Refusal(reasons.join("; ")))
        }
    }
}

fn refuse(name: &str, or: &str) -> String {
    format!(
        "{name} holds addresses, or is about to: give them back first (failover failback {name}), or {or}"
    )
}

/// What a source that is held is known by.
const IDENTITY: [&str; 4] = ["probe", "trigger", "paths", "addresses"];

fn is_identity(key: &&str) -> bool {
    IDENTITY.contains(key)
}

fn compare(old: usize, before: &Source, after: &Source) -> How {
    // Every field is named, so that a new one has to be given its place here.
    let Source {
        name: _,
        probe,
        interval,
        misses,
        on_failure,
        trigger,
        failback,
        failback_after,
        l2_alive,
        on_conflict,
        hooks,
        announce_every,
        keys,
        paths,
    } = before;
    let rules = differing(&[
        ("interval", *interval != after.interval),
        ("misses", *misses != after.misses),
        ("on_failure", *on_failure != after.on_failure),
        ("failback", *failback != after.failback),
        ("failback_after", *failback_after != after.failback_after),
        ("l2_alive", *l2_alive != after.l2_alive),
        ("on_conflict", *on_conflict != after.on_conflict),
        ("hooks", *hooks != after.hooks),
        ("announce_every", *announce_every != after.announce_every),
        // Another secret in the same file is another key, too.
        ("key", *keys != after.keys),
    ]);
    let watching = differing(&[
        ("probe", *probe != after.probe),
        ("trigger", *trigger != after.trigger),
        ("paths", !same_paths(paths, &after.paths)),
    ]);
    let addresses = differing(&[("addresses", !same_addresses(paths, &after.paths))]);
    if !watching.is_empty() {
        let keys = [watching, addresses, rules].concat();
        return How::Replace { old, keys };
    }
    if addresses.is_empty() {
        How::Keep { old, keys: rules }
    } else {
        let keys = [addresses, rules].concat();
        How::Readdress { old, keys }
    }
}

/// Heartbeats go to the same places, from the same NICs.
fn same_paths(before: &[Path], after: &[Path]) -> bool {
    let same = |(before, after): (&Path, &Path)| {
        let Path {
            monitor,
            discriminator,
            nic,
            target_nic: _,
            addresses: _,
        } = before;
        (monitor, discriminator, nic) == (&after.monitor, &after.discriminator, &after.nic)
    };
    before.len() == after.len() && before.iter().zip(after).all(same)
}

/// The same addresses are taken in the same way.
fn same_addresses(before: &[Path], after: &[Path]) -> bool {
    let taken = |paths: &[Path]| -> Vec<(String, Vec<Address>)> {
        let path = |path: &Path| (path.target_nic.clone(), path.addresses.clone());
        paths.iter().map(path).collect()
    };
    taken(before) == taken(after)
}

fn restart(before: &Daemon, after: &Daemon) -> Vec<&'static str> {
    let Daemon { socket, xdp } = before;
    differing(&[
        ("socket", *socket != after.socket),
        ("xdp", *xdp != after.xdp),
    ])
}

fn differing(keys: &[(&'static str, bool)]) -> Vec<&'static str> {
    let differing = keys.iter().filter(|(_, differs)| *differs);
    differing.map(|(key, _)| *key).collect()
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
