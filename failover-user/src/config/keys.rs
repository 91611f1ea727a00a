//! Which keys there are, and what to say about others.

use super::problem::Complaint;

/// The kinds of table that a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Daemon,
    Defaults,
    Source,
    Path,
    Address,
    Deliver,
    Reflector,
    Check,
    Hooks,
    DefaultHooks,
    Witness,
    Key,
}

/// Keys that the file format has and this version does not act on. They are refused: a file that asks for a guard must
/// not be run without it.
const UNSUPPORTED: &[(Kind, &str)] = &[(Kind::Daemon, "metrics")];

/// Keys of `[defaults]`, which are those of `[[source]]` that several sources can share.
const SETTINGS: &[&str] = &[
    "probe",
    "interval",
    "misses",
    "on_failure",
    "trigger",
    "failback",
    "failback_after",
    "l2_alive",
    "on_conflict",
    "announce_every",
    "key",
    "hooks",
];

/// Keys of `[source.hooks]` and `[defaults.hooks]`.
const HOOKS: &[&str] = &[
    "before_takeover",
    "after_takeover",
    "before_failback",
    "after_failback",
    "notify",
    "timeout",
    "on_error",
];

impl Kind {
    const ALL: [Self; 13] = [
        Self::File,
        Self::Daemon,
        Self::Defaults,
        Self::Source,
        Self::Path,
        Self::Address,
        Self::Deliver,
        Self::Reflector,
        Self::Check,
        Self::Hooks,
        Self::DefaultHooks,
        Self::Witness,
        Self::Key,
    ];

    /// How a person calls a table of this kind.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::File => "the file",
            Self::Daemon => "[daemon]",
            Self::Defaults => "[defaults]",
            Self::Source => "[[source]]",
            Self::Path => "[[source.path]]",
            Self::Address => "an entry of addresses",
            Self::Deliver => "deliver",
            Self::Reflector => "[reflector]",
            Self::Check => "[[reflector.check]]",
            Self::Hooks => "[source.hooks]",
            Self::DefaultHooks => "[defaults.hooks]",
            Self::Witness => "[[witness]]",
            Self::Key => "`key`",
        }
    }

    /// The keys that are read from it.
    pub(super) fn keys(self) -> Vec<&'static str> {
        match self {
            Self::File => vec!["daemon", "witness", "defaults", "source", "reflector"],
            Self::Daemon => vec!["socket", "xdp"],
            Self::Defaults => SETTINGS.to_vec(),
            Self::Source => [&["name"], SETTINGS, &["path"]].concat(),
            Self::Path => vec!["monitor", "discriminator", "nic", "target_nic", "addresses"],
            Self::Address => vec!["ip", "target_nic", "deliver"],
            Self::Deliver => vec!["forward"],
            Self::Reflector => vec![
                "nics",
                "initiators",
                "discriminator",
                "key",
                "min_rx",
                "dead_man",
                "self_fence",
                "identity",
                "check",
            ],
            Self::Check => vec![
                "tcp", "http", "command", "interval", "timeout", "fall", "rise",
            ],
            Self::Hooks | Self::DefaultHooks => HOOKS.to_vec(),
            Self::Witness => vec!["nic", "address", "probe"],
            Self::Key => vec!["file", "id"],
        }
    }

    fn unsupported(self, key: &str) -> bool {
        UNSUPPORTED.contains(&(self, key))
    }

    /// Why `key` cannot be in a table of this kind; `None`: it can.
    pub(super) fn refuse(self, key: &str) -> Option<Complaint> {
        let keys = self.keys();
        if keys.contains(&key) {
            return None;
        }
        if self.unsupported(key) {
            let complaint = Complaint::new(format!("`{key}` is not supported by this version"));
            return Some(complaint.help("remove it; nothing would act on it"));
        }
        let title = self.title();
        let complaint = Complaint::new(format!("unknown key in {title}"));
        let known = format!("keys of {title} are {}", keys.join(", "));
        if let Some(similar) = nearest(key, &keys) {
            return Some(complaint.help(format!("did you mean `{similar}`? The {known}")));
        }
        let home = Self::ALL
            .into_iter()
            .find(|kind| *kind != Self::Defaults && kind.keys().contains(&key));
        Some(match home {
            Some(home) if home != Self::File => {
                complaint.help(format!("`{key}` is a key of {}. The {known}", home.title()))
            }
            Some(_) | None => complaint.help(format!("the {known}")),
        })
    }
}

/// Every kind of table with its keys, for whoever documents them.
pub fn tables() -> Vec<(&'static str, Vec<&'static str>)> {
    let kinds = Kind::ALL.into_iter();
    kinds.map(|kind| (kind.title(), kind.keys())).collect()
}

/// The candidate that is a likely slip away from `word`.
pub(super) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    candidates
        .iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&word, candidate);
            (distance, *candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(4))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_are_not_refused() {
        for kind in Kind::ALL {
            for key in kind.keys() {
                assert_eq!(kind.refuse(key), None, "{kind:?} {key}");
            }
        }
    }

    #[test]
    fn a_key_is_either_known_or_unsupported() {
        for (kind, key) in UNSUPPORTED {
            let complaint = kind.refuse(key).expect("refused");

            assert_eq!(
                complaint.message,
                format!("`{key}` is not supported by this version")
            );
        }
    }

    #[test]
    fn slips_are_recognised() {
        let keys = Kind::Source.keys();

        for (slip, meant) in [
            ("intervall", Some("interval")),
            ("on-failure", Some("on_failure")),
            ("Misses", Some("misses")),
            ("tirgger", Some("trigger")),
            ("nmae", Some("name")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(slip, &keys), meant, "{slip}");
        }
    }

    #[test]
    fn a_key_of_another_table_is_told_where_it_belongs() {
        let complaint = Kind::Path.refuse("interval").expect("refused");

        let help = complaint.help.expect("help");
        assert!(
            help.starts_with("`interval` is a key of [[source]]. "),
            "{help}"
        );
    }
}
