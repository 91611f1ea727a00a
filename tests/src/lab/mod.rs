//! A network on this machine: hosts, switches and cables that come and go in milliseconds.
//!
//! A scenario builds a [`Lab`], adds hosts and switches, starts [`Daemon`]s, a [`Service`] and a [`Client`] in them and
//! then breaks something:
//!
//! ```no_run
//! use failover_tests::lab::{Client, Lab, Service};
//!
//! let lab = Lab::new();
//! let switch = lab.switch("sw");
//! let source = lab.host("source");
//! let user = lab.host("client");
//! let ens1 = lab.plug(&source, "ens1", &switch, "10.0.0.10/24");
//! lab.plug(&user, "ens1", &switch, "10.0.0.1/24");
//! let _service = Service::start(&source, 7000, &["10.0.0.10"]);
//! let client = Client::start(&user, "10.0.0.10:7000", 5_000);
//! let pulled_ns = ens1.pull();
//! ens1.replug();
//! client.wait_for_answer_by("source", pulled_ns);
//! let report = client.finish();
//! println!("{:?} without an answer", report.outage());
//! ```
//!
//! Everything lives in anonymous namespaces that only this process holds, so it is gone when the process is, however
//! that ends. Two labs share nothing.
//!
//! What cannot be built or asked makes the lab panic with the reason: for a test that is the right end, and the log of
//! every [`Daemon`] is printed on the way out.

pub mod bpf;
pub mod bpffs;
pub mod capture;
pub mod client;
pub mod clock;
pub mod daemon;
pub mod discovery;
pub mod flood;
pub mod link;
pub mod namespace;
pub mod nic;
pub mod report;
pub mod service;
pub mod tcp;
pub mod terminal;
pub mod topology;
mod word;
pub mod xdp_pass;

pub use capture::{Capture, Direction, Frame};
pub use client::Client;
pub use daemon::Daemon;
pub use flood::Flood;
pub use namespace::Namespace;
pub use nic::{Mac, Nic};
pub use report::{Report, Span};
pub use service::Service;
pub use tcp::{Stream, StreamReport};
pub use terminal::Terminal;
pub use topology::{Host, Lab, Switch};

/// What the lab does with an error: panic, at the caller's line, with what was attempted and the whole chain of causes.
pub(crate) trait Must<T> {
    /// The value, or a panic that says what failed.
    fn must(self, what: &str) -> T;
}

impl<T, E: Into<anyhow::Error>> Must<T> for Result<T, E> {
    #[track_caller]
    fn must(self, what: &str) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("{what}: {:#}", error.into()),
        }
    }
}
