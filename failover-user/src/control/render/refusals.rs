//! Heartbeats that were refused because of their signature: nobody else would tell why a source does not answer.

use std::collections::BTreeMap;

use failover_ebpf::verdict::Verdict;
use owo_colors::OwoColorize as _;

use super::units::wrap;

/// Each counter, what it counts (one, several), and what to do.
const REFUSALS: [(Verdict, &str, &str, &str); 10] = [
    (
        Verdict::RequestUnauthenticated,
        "request that was not signed",
        "requests that were not signed",
        "configure the key for this source where they come from",
    ),
    (
        Verdict::RequestAuthentication,
        "request that was signed",
        "requests that were signed",
        "configure the key in [reflector] here",
    ),
    (
        Verdict::RequestBadAuthentication,
        "request with another kind of signature",
        "requests with another kind of signature",
        "have them signed with Meticulous Keyed SHA1",
    ),
    (
        Verdict::RequestUnknownKey,
        "request signed with a key whose id is not configured",
        "requests signed with a key whose id is not configured",
        "compare the ids of both hosts",
    ),
    (
        Verdict::RequestBadDigest,
        "request signed with another secret than ours",
        "requests signed with another secret than ours",
        "compare the key files of both hosts",
    ),
    (
        Verdict::ReplyUnauthenticated,
        "reply that was not signed",
        "replies that were not signed",
        "configure the key in [reflector] of the source",
    ),
    (
        Verdict::ReplyAuthentication,
        "reply that was signed",
        "replies that were signed",
        "configure the key for this source here",
    ),
    (
        Verdict::ReplyBadAuthentication,
        "reply with another kind of signature",
        "replies with another kind of signature",
        "have them signed with Meticulous Keyed SHA1",
    ),
    (
        Verdict::ReplyUnknownKey,
        "reply signed with a key whose id is not configured",
        "replies signed with a key whose id is not configured",
        "compare the ids of both hosts",
    ),
    (
        Verdict::ReplyBadDigest,
        "reply signed with another secret than ours",
        "replies signed with another secret than ours",
        "compare the key files of both hosts",
    ),
];

/// A line for each kind of refusal that there was, since the data plane was loaded.
pub(super) fn refusals(counters: &BTreeMap<String, u64>) -> String {
    let mut text = String::new();
    for (verdict, one, several, to_do) in REFUSALS {
        let name = verdict.name();
        let count = counters.get(name).copied().unwrap_or(0);
        if count == 0 {
            continue;
        }
        let what = if count == 1 { one } else { several };
        let line = wrap("Refused: ", &format!("{count} {what} ({name}): {to_do}"));
        text += &line.yellow().to_string();
    }
    if text.is_empty() {
        text
    } else {
        format!("\n{text}")
    }
}
