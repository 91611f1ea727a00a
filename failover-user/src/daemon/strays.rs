//! Addresses that are held, and that the configuration does not have any more: an earlier daemon, with another file, has taken
//! them. They are served as before, until the file has them again or everything is given back.

use std::{collections::BTreeSet, net::IpAddr};

use failover_ebpf::abi::Held;
use serde_json::json;

use super::{Daemon, layout};
use crate::{control::protocol::StrayStatus, events::EventKind};

impl Daemon {
    /// Those of the takeover map's entries.
    fn strays<'a>(
        &'a self,
        held: &'a [(IpAddr, Held)],
    ) -> impl Iterator<Item = &'a (IpAddr, Held)> {
        let configured: BTreeSet<IpAddr> = layout::addresses(&self.config)
            .map(|(_, address)| address.ip)
            .collect();
        held.iter().filter(move |(ip, _)| !configured.contains(ip))
    }

    /// The NICs without which they would not be served.
    pub(super) fn nics_of_strays(&self, held: &[(IpAddr, Held)]) -> BTreeSet<String> {
        self.strays(held)
            .flat_map(|(_, held)| [held.nic, held.out])
            .filter_map(|index| self.network.by_index(index))
            .map(|link| link.name.clone())
            .collect()
    }

    /// Somebody has to know, for nobody looks after them.
    pub(super) fn tell_of_strays(&self, held: &[(IpAddr, Held)]) {
        for (ip, held) in self.strays(held) {
            let error = format!(
                "{ip} is held, and not in the configuration any more: it is served until `failover stop --release`, or until a daemon that is started with it in the file gives it back"
            );
            let nic = self.network.by_index(held.nic);
            let nic = nic.map(|link| link.name.clone());
            let fields = json!({ "what": "stray", "nic": nic, "error": error });
            self.record(None, EventKind::Error, fields);
        }
    }

    /// What `failover status` shows of them.
    pub(super) fn stray_statuses(&self) -> anyhow::Result<Vec<StrayStatus>> {
        let held = self.maps.addresses.all()?;
        let name = |index| {
            let link = self.network.by_index(index);
            link.map_or_else(|| "gone".to_owned(), |link| link.name.clone())
        };
        Ok(self
            .strays(&held)
            .map(|(ip, held)| StrayStatus {
                ip: ip.to_string(),
                nic: name(held.nic),
            })
            .collect())
    }
}
