//! What the heartbeats of a source prove, and what they do not.

use std::{fmt, time::Duration};

use crate::config::{Probe, Source, duration};

/// A server is asked for a connection as often as that, and no more, without a remark.
const ATTEMPTS: Duration = Duration::from_millis(10);

/// How a person calls a probe.
pub(super) fn title(probe: Probe) -> String {
    match probe {
        Probe::Sbfd => "S-BFD".to_owned(),
        Probe::Icmp => "ICMP echo".to_owned(),
        Probe::Arp => "ARP".to_owned(),
        Probe::Tcp(port) => format!("TCP port {port}"),
    }
}

/// Lines below the source.
pub(super) fn describe(f: &mut fmt::Formatter<'_>, source: &Source) -> fmt::Result {
    let (proof, software) = match source.probe {
        Probe::Sbfd => (
            "the link, the NIC and the kernel work",
            "failover has to run on the source",
        ),
        Probe::Icmp => (
            "the link, the NIC and the IP stack work",
            "no software on the source",
        ),
        Probe::Arp => (
            "the link and the NIC work, and nothing about IP",
            "no software on the source",
        ),
        Probe::Tcp(_) => (
            "something listens at the port",
            "no software on the source; a refused connection is a miss",
        ),
    };
    writeln!(f, "  an answer proves that {proof}; {software}")?;
    match source.probe {
        Probe::Sbfd | Probe::Icmp => Ok(()),
        Probe::Arp => writeln!(
            f,
            "  note: a host that can do no more than ARP counts as healthy; `icmp` and `tcp:PORT` prove more"
        ),
        Probe::Tcp(_) if source.interval >= ATTEMPTS => Ok(()),
        Probe::Tcp(port) => writeln!(
            f,
            "  note: a connection is asked for every {}: port {port} has to bear that, and so have firewalls on the way",
            duration::show(source.interval)
        ),
    }
}
