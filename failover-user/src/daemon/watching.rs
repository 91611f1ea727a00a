//! From a path and its neighbour's MAC to heartbeats.

use std::net::IpAddr;

use failover_ebpf::abi::{Session, initial_sequence, session};
use tokio::sync::mpsc::UnboundedSender;

use super::{Daemon, layout};
use crate::{
    bpf::keys::key,
    config::Probe,
    monitor::{
        Request, Watch, clock,
        frames::{
            EchoRequest, Endpoints, InitiatorState, SbfdRequest, SbfdSession, Signer, TcpRequest,
        },
    },
    net::{
        announce::question,
        neighbours::{self, NeighbourEvent},
    },
    policy::{PathId, PathState},
};

impl Daemon {
    /// Asks the kernel for the MAC addresses that are still missing, and for fresh ones where the source is healthy. It is done
    /// beside the loop: with thousands of paths it takes its time. What is found comes to [`Self::on_found`].
    pub(super) fn resolve(&mut self, only_missing: bool) {
        let wanted = self.wanted(only_missing);
        let (netlink, found) = (self.netlink.clone(), self.found.clone());
        let earlier = self.resolving.take();
        self.resolving = Some(tokio::spawn(async move {
            // One after the other, or a kernel that is slow to answer would have more and more to do.
            if let Some(earlier) = earlier
                && let Err(error) = earlier.await
            {
                tracing::error!(%error, "asking for MAC addresses");
            }
            for (ifindex, ip) in wanted {
                if let Err(error) = ask(&netlink, ifindex, ip, &found).await {
                    tracing::debug!(ifindex, %ip, error = %format!("{error:#}"), "the kernel cannot be asked for a MAC address");
                }
            }
        }));
    }

    /// Whether an earlier round of questions is still under way.
    pub(super) fn is_resolving(&self) -> bool {
        self.resolving
            .as_ref()
            .is_some_and(|round| !round.is_finished())
    }

    /// Whose MAC address is asked for, by NIC (ifindex).
    fn wanted(&self, only_missing: bool) -> Vec<(u32, IpAddr)> {
        let mut wanted = Vec::new();
        for (id, _, path) in layout::paths(&self.config) {
            let known = self.network.mac(&path.nic, path.monitor).is_some();
            let fresh_enough = known && only_missing;
            if !fresh_enough && self.is_to_be_learnt(id) {
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
        let usable = |nic: &String| self.network.links.get(nic).filter(|link| link.usable());
        wanted
            .into_iter()
            .filter_map(|(nic, ip)| Some((usable(&nic)?.index, ip)))
            .collect()
    }

    /// Whether the MAC that the kernel has for a path's source may be the source's. While its addresses are held here, whoever
    /// answers may stand in for it; what was never known is learnt all the same, unless it is this host that has the address.
    pub(super) fn is_to_be_learnt(&self, id: PathId) -> bool {
        let Some(path) = layout::path(&self.config, id) else {
            return false;
        };
        let held = self.policy.holds(layout::unit_of(&self.config, id));
        let known = self.network.mac(&path.nic, path.monitor).is_some();
        // What cannot be read is taken for held.
        let here = || !matches!(self.maps.addresses.get(path.monitor), Ok(None));
        !held || !(known || here())
    }

    /// A question for a MAC address is under way, or is answered.
    pub(super) fn on_found(&mut self, found: &Found) -> anyhow::Result<()> {
        match found {
            Found::Asked { ifindex, ip } => {
                self.ask_by_hand(*ifindex, *ip);
                Ok(())
            }
            Found::Known(event) => self.on_neighbour(event),
        }
    }

    /// The kernel asks for an IPv6 neighbour from a link-local address only, which a NIC does not have until duplicate
    /// address detection is done (RFC 4862 5.4), and may never have. The answer to this question it takes all the same.
    fn ask_by_hand(&mut self, ifindex: u32, ip: IpAddr) {
        let Some(link) = self.network.by_index(ifindex).filter(|_| ip.is_ipv6()) else {
            return;
        };
        if let Some(IpAddr::V6(own)) = self.network.own_address(&link.name, ip)
            && let Err(error) = self
                .senders
                .send(ifindex, &question(ip, link.mac, Some(own)))
        {
            tracing::debug!(nic = link.name, %ip, %error, "a MAC address is not asked for");
        }
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
        let keys = source.keys.clone();
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
                    signer: keys.first().map(|key| Signer {
                        id: key.id,
                        secret: key.secret.clone(),
                    }),
                });
                (session::SBFD, Request::Sbfd(request))
            }
            Probe::Icmp => {
                let request = EchoRequest::new(&endpoints, number, cookie.to_be_bytes());
                (session::ICMP, Request::Icmp(request))
            }
            Probe::Arp => (session::ARP, Request::Arp(endpoints.question())),
            Probe::Tcp(port) => {
                let request = TcpRequest::new(
                    &endpoints,
                    self.tcp_source.port(),
                    port,
                    initial_sequence(self.tcp_source.cookie(), number, 0),
                );
                (session::TCP, Request::Tcp(request))
            }
        };
        let session = Session {
            kind,
            remote_discriminator: discriminator,
            remote: key(endpoints.destination),
            local: key(endpoints.source),
            timeout_ns: interval.as_nanos() as u64,
            cookie: if probe == Probe::Icmp { cookie } else { 0 },
            remote_port: match probe {
                Probe::Tcp(port) => port.into(),
                Probe::Sbfd | Probe::Icmp | Probe::Arp => 0,
            },
            remote_mac: endpoints.destination_mac,
            authenticated: u32::from(!keys.is_empty()),
            ..Session::default()
        };
        let anew = self.watched.contains(&id) && !self.is_same_host(number, &session)?;
        if anew {
            // Before the program knows: until the thread has heard of it, it would take refused answers for missing ones.
            self.unwatch(id);
        }
        // Before the program asks for them.
        self.write_session_keys(number, &keys, interval)?;
        self.begin_session(number, session)?;
        let (mut remembered, mut outage) = (self.remembered.remove(&id), None);
        if self.lost.remove(&id) {
            outage = Some(self.down.contains(&id));
        } else if anew {
            match self.paths.get(&id) {
                Some(PathState::Up | PathState::Missing) => remembered = true,
                Some(PathState::Down | PathState::Isolated) => {
                    outage = Some(self.down.contains(&id));
                }
                Some(PathState::Unknown) | None => {}
            }
        }
        let stats = self.stats(id);
        let unit = layout::unit_of(&self.config, id);
        self.watched.insert(id);
        let watch = Watch {
            path: id,
            unit,
            session: number,
            nic,
            interval,
            misses,
            // For the first heartbeats only: behind an outage of our own link nothing is known of it again.
            remembered,
            outage,
            request,
            stats,
        };
        // Anything that changes at a NIC leads here for every path, and the heartbeat thread has other things to do.
        let before = self.watches.get(&id);
        if before.is_none_or(|before| !watch.adds_nothing_to(before)) {
            self.watches.insert(id, watch.clone());
            self.monitor.watch(watch);
        }
        Ok(())
    }

    /// Ends heartbeats on a path.
    pub(super) fn unwatch(&mut self, id: PathId) {
        self.watches.remove(&id);
        self.monitor.unwatch(id);
    }

    /// Our NIC or our address is gone: the source cannot answer, and its silence says nothing about it.
    fn lose_sight(&mut self, id: PathId) {
        if self.watched.contains(&id) {
            self.on_path(id, PathState::Isolated, (0, 0), clock::now(), 0);
            self.watched.remove(&id);
            self.lost.insert(id);
            self.unwatch(id);
        }
    }

    /// A source that comes back may have forgotten our MAC, and asks for it in the name of an address that we hold: such a
    /// question our kernel does not answer, and the source could never answer what it has no route for. It is told.
    pub(super) fn keep_probing(&mut self) {
        let mut frames = Vec::new();
        for (id, source, _) in layout::paths(&self.config) {
            let held = self.policy.holds(layout::unit_of(&self.config, id));
            if held
                && answered_by_the_stack(source.probe)
                && self.watched.contains(&id)
                && let Some((nic, endpoints)) = self.endpoints(id)
            {
                frames.push((nic, endpoints.question()));
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
        if !same_host(&before, &session) {
            self.maps.set_session(number, Session::default())?;
            self.sessions.clear(number);
        }
        self.maps.set_session(number, session)
    }

    /// Whether what the program expects on a session so far is between the same two hosts.
    fn is_same_host(&self, number: u16, session: &Session) -> anyhow::Result<bool> {
        Ok(same_host(&self.maps.session(number)?, session))
    }
}

/// What has come of a question for a MAC address.
#[derive(Debug)]
pub(super) enum Found {
    /// The kernel asks, and takes an answer from now on.
    Asked { ifindex: u32, ip: IpAddr },
    /// It has it already.
    Known(NeighbourEvent),
}

/// Asks the kernel for a MAC address, and takes what it has already: it may have told of it before it told of the NIC.
async fn ask(
    netlink: &rtnetlink::Handle,
    ifindex: u32,
    ip: IpAddr,
    found: &UnboundedSender<Found>,
) -> anyhow::Result<()> {
    neighbours::resolve(netlink, ifindex, ip).await?;
    // The daemon goes away only together with the process.
    let _ = found.send(Found::Asked { ifindex, ip });
    let mac = neighbours::lookup(netlink, ifindex, ip).await?;
    let _ = found.send(Found::Known(NeighbourEvent { ifindex, ip, mac }));
    Ok(())
}

fn same_host(before: &Session, session: &Session) -> bool {
    (before.kind, before.remote, before.local) == (session.kind, session.remote, session.local)
}

/// Whether the source needs to know our MAC for its answer: a reflector and ARP answer by that of the request.
fn answered_by_the_stack(probe: Probe) -> bool {
    match probe {
        Probe::Icmp | Probe::Tcp(_) => true,
        Probe::Sbfd | Probe::Arp => false,
    }
}
