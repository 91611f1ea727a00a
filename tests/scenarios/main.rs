//! The scenario tier: real packets between namespaces. Needs root.

mod lab_works;
mod pair;
mod takeover;
