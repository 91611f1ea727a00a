//! Where outages happen: a client, a source and a target on one switch, and a service on both hosts.

use crate::lab::{Host, Lab, Nic, Service};

/// The address that fails over.
pub(super) const ADDRESS: &str = "10.0.0.10";

/// Where clients ask.
pub(super) const SERVICE: &str = "10.0.0.10:7000";

const PORT: u16 = 7000;

/// The network. Fields are dropped in their order.
#[derive(Debug)]
pub(super) struct Stage {
    _services: [Service; 2],
    pub(super) source_nic: Nic,
    pub(super) client: Host,
    pub(super) source: Host,
    pub(super) target: Host,
    pub(super) lab: Lab,
}

impl Stage {
    /// Hosts with an address of their own each; nobody has [`ADDRESS`] yet.
    pub(super) fn new() -> Self {
        let lab = Lab::new();
        let switch = lab.switch("switch");
        let [client, source, target] = ["client", "source", "target"].map(|name| lab.host(name));

        lab.plug(&client, "ens1", &switch, "10.0.0.1/24");
        lab.plug(&target, "ens1", &switch, "10.0.0.2/24");

        let source_nic = lab.plug(&source, "ens1", &switch, "10.0.0.3/24");
        let services = [&source, &target].map(|host| Service::start(host, PORT, &[ADDRESS]));

        Self {
            _services: services,
            source_nic,
            client,
            source,
            target,
            lab,
        }
    }
}
