//! What hooks are told.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::policy::Hook;

/// `MAX_ARG_STRLEN`: a longer string makes the whole `execve` fail (E2BIG). It includes name, `=` and the final NUL.
const STRING_MAX: usize = 128 * 1024;

/// What a hook is told. Empty texts and lists do not apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Which hook it is.
    pub hook: Hook,
    /// Name of the source.
    pub source: String,
    /// The path, counted from 1; `None`: the whole source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<usize>,
    /// Addresses that heartbeats go to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub monitor: Vec<IpAddr>,
    /// Addresses with prefix length, as `10.0.0.10/24`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// NICs of this host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nics: Vec<String>,
    /// State of the unit.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// Nothing happens for real.
    pub dry_run: bool,
    /// Name of this host.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// When it happened.
    #[serde(serialize_with = "at")]
    pub at: Timestamp,
}

impl Facts {
    /// Every fact, in the order of the fields: variable, name in JSON, meaning. Those that do not apply are in neither.
    pub const TABLE: [[&str; 3]; 11] = [
        [
            "FAILOVER_HOOK",
            "hook",
            "`before_takeover`, `after_takeover`, `before_failback`, `after_failback` or `notify`",
        ],
        ["FAILOVER_SOURCE", "source", "name of the source"],
        [
            "FAILOVER_PATH",
            "path",
            "number of the path, from 1, when it is about one path only",
        ],
        [
            "FAILOVER_MONITOR",
            "monitor",
            "addresses that heartbeats go to",
        ],
        [
            "FAILOVER_ADDRESSES",
            "addresses",
            "addresses it is about, with their prefix length: `10.0.0.10/24`",
        ],
        ["FAILOVER_NICS", "nics", "NICs of this host that carry them"],
        [
            "FAILOVER_STATE",
            "state",
            "state of the source, or of the path",
        ],
        ["FAILOVER_CAUSE", "cause", "why, in words"],
        [
            "FAILOVER_DRY_RUN",
            "dry_run",
            "`1` or `0`, `true` or `false`: `failover drill`; change nothing, answer as if it were real",
        ],
        ["FAILOVER_HOST", "host", "name of this host"],
        ["FAILOVER_AT", "at", "when, RFC 3339 in UTC"],
    ];

    /// Every variable; those that do not apply are taken out of the environment.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Self::TABLE.into_iter().map(|[variable, ..]| variable)
    }

    /// Variables that apply, and that a program can be given.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let monitor: Vec<String> = self.monitor.iter().map(IpAddr::to_string).collect();
        let values = [
            self.hook.name().to_owned(),
            self.source.clone(),
            self.path.map(|path| path.to_string()).unwrap_or_default(),
            monitor.join(" "),
            self.addresses.join(" "),
            self.nics.join(" "),
            self.state.clone(),
            self.cause.clone(),
            u8::from(self.dry_run).to_string(),
            self.host.clone(),
            stamp(&self.at),
        ];
        Self::names()
            .zip(values)
            .filter(|(name, value)| !value.is_empty() && name.len() + value.len() + 2 <= STRING_MAX)
            // A NUL would end the variable, and is refused at the start of the program.
            .map(|(name, value)| (name, value.replace('\0', "\u{fffd}")))
            .collect()
    }

    /// One line of JSON, with its end.
    pub(super) fn line(&self) -> Vec<u8> {
        // Plain texts, numbers and lists: this cannot fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

fn stamp(at: &Timestamp) -> String {
    format!("{at:.9}")
}

fn at<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&stamp(at))
}
