//! From a path and its neighbour's MAC to heartbeats.

use std::net::Ipv4Addr;

use failover_ebpf::abi::{Session, ipv4_key, session};

use super::{Daemon, layout};
use crate::{
    config::Probe,
    monitor::{
        Request, Watch, clock,
        frames::{EchoRequest, Endpoints, InitiatorState, SbfdRequest, SbfdSession},
    },
    net::{
        announce::arp_request,
        neighbours::{self, NeighbourEvent},
    },
    policy::{PathId, PathState},
};

impl Daemon {
    /// Asks the kernel for the MAC addresses that are still missing, and for fresh ones where the source is healthy.
    pub(super) async fn resolve(&mut self, only_missing: bool) {
        let mut wanted = Vec::new();
        for (id, _, path) in layout::paths(&self.config) {
            // The address is ours while it is held, and its neighbour entry is not the source's.
            let held = self.policy.holds(layout::unit_of(&self.config, id));
            let known = self.network.mac(&path.nic, path.monitor).is_some();
            let fresh_enough = known && only_missing;
            if !held && !fresh_enough {
                wanted.push((path.nic.clone(), path.monitor));
            }
        }
        for standby in self.standbys() {
            if let Some(link) = self.network.nic_towards(standby) {
                let known = self.network.mac(&link.name, standby).is_some();
                if !(known && only_missing) {
                    wanted.push((link.name.clone(), standby));
                }
            }
        }
        for (nic, ip) in self.witness_neighbours() {
            if !(only_missing && self.network.mac(&nic, ip).is_some()) {
                wanted.push((nic, ip));
            }
        }
        for (nic, ip) in wanted {
            let Some(link) = self.network.links.get(&nic).filter(|link| link.usable()) else {
                continue;
            };
            let ifindex = link.index;
            if let Err(error) = self.ask(ifindex, ip).await {
                tracing::debug!(nic, %ip, error = %format!("{error:#}"), "the kernel cannot be asked for a MAC address");
            }
        }
    }

    /// Asks the kernel for a MAC address, and takes what it has already: it may have told of it before it told of the NIC.
    async fn ask(&mut self, ifindex: u32, ip: Ipv4Addr) -> anyhow::Result<()> {
        neighbours::resolve(&self.netlink, ifindex, ip).await?;
        let mac = neighbours::lookup(&self.netlink, ifindex, ip).await?;
        self.on_neighbour(&NeighbourEvent { ifindex, ip, mac })
    }

    /// Starts heartbeats on a path, or goes on with what has changed. There are none while NIC, own address or the
    /// source's MAC are not known.
    pub(super) fn watch(&mut self, id: PathId) -> anyhow::Result<()> {
        if self.unmonitored.contains(&id.source) {
            return Ok(());
        }
        let Some((nic, endpoints)) = self.endpoints(id) else {
            self.lose_sight(id);
            return Ok(());
        };
        let source = &self.config.sources[id.source];
        let (probe, interval, misses) = (source.probe, source.interval, source.misses);
        let discriminator = source.paths[id.path].discriminator;
        let number = self.layout.session(id);
        let cookie = self.cookie ^ u64::from(number);
        let (kind, request) = match probe {
            Probe::Sbfd => {
                let request = SbfdRequest::new(&SbfdSession {
                    endpoints,
                    source_port: self.sbfd_port.number(),
                    state: InitiatorState::Up,
                    misses: misses as u8,
                    interval_us: interval.as_micros() as u32,
                    remote_discriminator: discriminator,
                });
                (session::SBFD, Request::Sbfd(request))
            }
            Probe::Icmp => {
                let request = EchoRequest::new(&endpoints, number, cookie.to_be_bytes());
                (session::ICMP, Request::Icmp(request))
            }
        };
        let session = Session {
            kind,
            remote_discriminator: discriminator,
            remote: ipv4_key(endpoints.destination.octets()),
            local: ipv4_key(endpoints.source.octets()),
            timeout_ns: interval.as_nanos() as u64,
            cookie: if probe == Probe::Icmp { cookie } else { 0 },
            ..Session::default()
        };
        self.begin_session(number, session)?;
        let stats = self.stats(id);
        let unit = layout::unit_of(&self.config, id);
        self.watched.insert(id);
        self.monitor.watch(Watch {
            path: id,
            unit,
            session: number,
            nic,
            interval,
            misses,
            // For the first heartbeats only: behind an outage of our own link nothing is known of it again.
            remembered: self.remembered.remove(&id),
            request,
            stats,
        });
        Ok(())
    }

    /// Our NIC or our address is gone: the source cannot answer, and its silence says nothing about it.
    fn lose_sight(&mut self, id: PathId) {
        if self.watched.contains(&id) {
            self.on_path(id, PathState::Isolated, 0, clock::now(), 0);
            self.watched.remove(&id);
            self.monitor.unwatch(id);
        }
    }

    /// A source that comes back may have forgotten our MAC, and asks for it in the name of an address that we hold: such a
    /// question our kernel does not answer, and the source could never answer an echo request. It is told.
    pub(super) fn keep_probing(&mut self) {
        let mut frames = Vec::new();
        for (id, source, _) in layout::paths(&self.config) {
            let held = self.policy.holds(layout::unit_of(&self.config, id));
            if held
                && source.probe == Probe::Icmp
                && self.watched.contains(&id)
                && let Some((nic, endpoints)) = self.endpoints(id)
            {
                let asker = (endpoints.source_mac, endpoints.source);
                let asked = (endpoints.destination_mac, endpoints.destination);
                frames.push((nic, arp_request(asker, asked)));
            }
        }
        for (nic, frame) in frames {
            if let Err(error) = self.senders.send(nic, &frame) {
                tracing::debug!(nic, %error, "the source was not told our MAC");
            }
        }
    }

    /// The NIC that heartbeats of a path leave by, and who sends to whom, as far as it is known.
    fn endpoints(&self, id: PathId) -> Option<(u32, Endpoints)> {
        let path = &self.config.sources[id.source].paths[id.path];
        let link = self.network.links.get(&path.nic)?;
        let endpoints = Endpoints {
            source_mac: link.mac,
            destination_mac: self.network.mac(&path.nic, path.monitor)?,
            source: self.network.own_address(&path.nic, path.monitor)?,
            destination: path.monitor,
        };
        Some((link.index, endpoints))
    }

    /// Tells the program what replies to expect. A session that was another one before starts from nothing; one that is
    /// the same goes on, also over a restart.
    pub(super) fn begin_session(&mut self, number: u16, session: Session) -> anyhow::Result<()> {
        let before = self.maps.session(number)?;
        if before == session {
            return Ok(());
        }
        let same_host = (before.kind, before.remote, before.local)
            == (session.kind, session.remote, session.local);
        if !same_host {
            self.maps.set_session(number, Session::default())?;
            self.sessions.clear(number);
        }
        self.maps.set_session(number, session)
    }
}
