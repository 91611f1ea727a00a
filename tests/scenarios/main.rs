//! The scenario tier: real packets between namespaces. Needs root.

mod conflicts;
mod decisions;
mod demo;
mod detection;
mod drill;
mod failback;
mod followed;
mod forward;
mod guards;
mod hooks;
mod killed;
mod lab_works;
mod lifecycle;
mod network_changes;
mod pair;
mod readme;
mod refusals;
mod reload;
mod several;
mod takeover;
mod top;
