//! The scenario tier: real packets between namespaces. Needs root.

mod failback;
mod forward;
mod lab_works;
mod lifecycle;
mod pair;
mod several;
mod takeover;
