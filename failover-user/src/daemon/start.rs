//! From nothing, or from what an earlier daemon left, to a running daemon.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
};

use anyhow::Context as _;
use failover_ebpf::abi::{Held, Settings, held, settings};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::{
    Daemon,
    defending::Neighbourhood,
    forwarding::Forwarding,
    hooking::Hooks,
    layout::{self, Layout},
    network::Network,
    port::ReservedPort,
    reload::Reloading,
    restoring::Restoring,
    source_side::SourceSide,
    story::{Told, timestamp},
    tcp_source::TcpSource,
    watching::Found,
    wavering::Wavering,
};
use crate::{
    bpf::{
        self,
        maps::Maps,
        pins::Pins,
        program::Program,
        shared::{HeardBoard, Sessions},
    },
    config::{Config, Deliver, default_discriminator},
    events::{EventKind, EventLog},
    memory::{Memories, Store},
    monitor::{Monitor, Report, nics::Nics, scheduling},
    net::{
        self, RULE_PRIORITY,
        batch::{Batch, BatchSocket, Builder},
        groups::Groups,
        table_of,
    },
    policy::{Cause, Input, Policy, UnitId},
    reflector::checks::Checked,
};

/// What a daemon is made of beside its configuration and the data plane.
pub(super) struct Parts {
    pub(super) found: UnboundedSender<Found>,
    pub(super) forwarding: Forwarding,
    pub(super) reloading: Reloading,
    pub(super) events: EventLog,
    pub(super) reports: UnboundedSender<Report>,
    pub(super) store: Store,
    pub(super) hooks: Hooks,
}

impl Daemon {
    /// Loads or adopts the data plane, starts the heartbeat thread, and takes note of what is held.
    pub(super) async fn start(
        config: Config,
        pins: Pins,
        parts: Parts,
        memories: &Memories,
    ) -> anyhow::Result<(Self, UnboundedReceiver<Checked>)> {
        let Parts {
            found,
            forwarding,
            reloading,
            events,
            reports,
            store,
            hooks,
        } = parts;
        let mut program = Program::load(&pins)?;
        if let Err(error) = bpf::log::forward(&mut program) {
            tracing::warn!(error = %format!("{error:#}"), "messages of the eBPF program are not logged");
        }
        let maps = Maps::open(&pins)?;
        let held = maps.addresses.all()?;
        let slots = held.iter().map(|(ip, held)| (*ip, held.slot)).collect();
        let earlier = maps.settings()?;
        let sbfd_port = ReservedPort::reserve(earlier.sbfd_source_port)?;
        let tcp_source = TcpSource::reserve(&earlier)?;

        let (side, checks) = SourceSide::new(&pins, memories.own_hold)?;
        scheduling::lock_memory();
        let monitor = Monitor::start(&pins, layout::shortest_interval(&config), reports)?;
        let policy = Policy::new(&config.sources);
        let told = policy.units().map(|unit| (unit, Told::new())).collect();

        let mut daemon = Self {
            layout: Layout::new(&config, &slots),
            sessions: Sessions::open(&pins)?,
            program,
            maps,
            monitor,
            policy,
            network: Network::default(),
            netlink: net::connect()?,
            batches: BatchSocket::open()?,
            senders: Nics::new()?,
            attached: BTreeMap::new(),
            unmanageable: BTreeMap::new(),
            unopened: BTreeSet::new(),
            unrouted: BTreeSet::new(),
            kept: BTreeSet::new(),
            restoring: Restoring::default(),
            leftovers: true,
            groups: Groups::default(),
            unheard: BTreeSet::new(),
            no_way_out: BTreeSet::new(),
            forwarding,
            sbfd_port,
            tcp_source,
            cookie: random()?,
            stats: BTreeMap::new(),
            paths: BTreeMap::new(),
            watches: BTreeMap::new(),
            watched: BTreeSet::new(),
            remembered: BTreeSet::new(),
            turned_ns: BTreeMap::new(),
            found,
            resolving: None,
            missing: Wavering::default(),
            suspect: Wavering::default(),
            down: BTreeSet::new(),
            lost: BTreeSet::new(),
            store,
            hooks,
            side,
            board: HeardBoard::open(&pins)?,
            neighbourhood: Neighbourhood::default(),
            strangers: VecDeque::new(),
            inquired: BTreeMap::new(),
            unmonitored: BTreeSet::new(),
            fading: BTreeSet::new(),
            told,
            events,
            waiting: Vec::new(),
            reloading,
            drills: BTreeMap::new(),
            drill_probes: Vec::new(),
            ending: None,
            started: timestamp(),
            pins,
            config,
        };
        daemon.network.links = net::links::list(&daemon.netlink)
            .await?
            .into_iter()
            .map(|link| (link.name.clone(), link))
            .collect();
        daemon.kept = daemon.nics_of_strays(&held);
        daemon.know_own_macs()?;
        daemon.write_settings()?;
        daemon.listen()?;
        daemon.begin_source_side()?;
        daemon.manage_nics().await?;
        crate::fault::point("start:attached");
        daemon.set_off(&held, memories).await?;
        Ok((daemon, checks))
    }

    /// What the program has to know before it sees a frame, and whenever the reflector's addresses change.
    pub(super) fn write_settings(&mut self) -> anyhow::Result<()> {
        let mut flags = settings::CONFIGURED;
        let mut min_rx_us = 0;
        if let Some(reflector) = &self.config.reflector {
            let own: Vec<IpAddr> = self.own_addresses(&reflector.nics).collect();
            let discriminators: Vec<u32> = match reflector.discriminator {
                Some(discriminator) => vec![discriminator],
                None => own
                    .iter()
                    .copied()
                    .filter_map(default_discriminator)
                    .collect(),
            };
            flags |= settings::REFLECT;
            if reflector.initiators.is_empty() {
                flags |= settings::ANY_INITIATOR;
            }
            if !reflector.keys.is_empty() {
                flags |= settings::AUTHENTICATE;
            }
            if !reflector.identity.is_empty() {
                flags |= settings::IDENTITY;
            }
            min_rx_us = reflector.min_rx.as_micros() as u32;
            // An address too many is not answered at; that stops neither a start nor whatever else has changed.
            let written = self
                .maps
                .set_reflector(&discriminators, &own, &reflector.initiators);
            self.note(written);
        } else {
            self.maps.set_reflector(&[], &[], &[])?;
        }
        if !self.standbys().is_empty() {
            flags |= settings::FORWARDING;
        }
        let settings = Settings {
            flags,
            sbfd_source_port: u32::from(self.sbfd_port.number()),
            min_rx_us,
            tcp_source_port: if layout::asks_by_tcp(&self.config) {
                self.tcp_source.port().into()
            } else {
                0
            },
            tcp_cookie: self.tcp_source.cookie().into(),
            reserved: 0,
        };
        self.write_reflector_keys(settings)
    }

    /// Addresses on NICs, except those that are held for somebody else: they are /32 and ours by protocol number, and the
    /// reflector must not answer for them.
    pub(super) fn own_addresses<'a>(
        &'a self,
        nics: &'a [String],
    ) -> impl Iterator<Item = IpAddr> + 'a {
        let held =
            |ip: &IpAddr| !layout::addresses(&self.config).any(|(_, address)| address.ip == *ip);
        self.network
            .links
            .values()
            .filter(|link| nics.contains(&link.name))
            .flat_map(|link| link.addresses.iter().map(|(ip, _)| *ip))
            .filter(held)
    }

    /// Units, adoption, and the first heartbeats.
    async fn set_off(
        &mut self,
        held: &[(IpAddr, Held)],
        memories: &Memories,
    ) -> anyhow::Result<()> {
        for unit in self.policy.units().collect::<Vec<_>>() {
            self.monitor
                .add_unit(unit, self.config.sources[unit.source].trigger);
        }
        self.record(
            None,
            EventKind::Started,
            serde_json::json!({
                "version": env!("CARGO_PKG_VERSION"),
                "pid": std::process::id(),
                "scheduling": self.monitor.scheduling().name(),
                "held": held.iter().map(|(ip, _)| ip.to_string()).collect::<Vec<_>>(),
            }),
        );
        self.tell_of_strays(held);
        self.remove_orphans(held).await?;
        self.recall(memories)?;
        self.adopt(held).await?;
        self.resolve(false);
        self.forget_keys_of_others()?;
        crate::fault::point("start:unwatched");
        self.watch_all()
    }

    /// Goes on with what an earlier daemon, or an earlier configuration, had taken.
    pub(super) async fn adopt(&mut self, held: &[(IpAddr, Held)]) -> anyhow::Result<()> {
        self.remember_macs(held);
        self.remove_misplaced(held).await?;
        self.refresh_plans();
        for (unit, draining) in self.adopted(held) {
            let taken = held
                .iter()
                .filter(|(ip, _)| {
                    layout::addresses_of(&self.config, unit).any(|(_, address)| address.ip == *ip)
                })
                .map(|(_, held)| held.taken_at_unix_ns)
                .min();
            self.told(unit).adopted(taken.unwrap_or(0));
            self.feed(Input::Adopted { unit, draining });
            if !draining {
                // An earlier daemon may have ended in the middle of the takeover.
                self.monitor.take_over(unit, Cause::Adopted);
            }
        }
        crate::fault::point("start:adopted");
        Ok(())
    }

    /// The units that hold addresses, and whether they were giving them back.
    fn adopted(&self, held: &[(IpAddr, Held)]) -> BTreeMap<UnitId, bool> {
        let mut units = BTreeMap::new();
        for (ip, held) in held {
            let mut addresses = layout::addresses(&self.config);
            if let Some((path, _)) = addresses.find(|(_, address)| address.ip == *ip) {
                let draining = units
                    .entry(layout::unit_of(&self.config, path))
                    .or_insert(false);
                *draining |= held.mode == held::DRAIN;
            }
        }
        units
    }

    /// A source that has failed does not answer ARP: its MAC is in the takeover map.
    fn remember_macs(&mut self, held: &[(IpAddr, Held)]) {
        let macs: BTreeMap<IpAddr, [u8; 6]> = held
            .iter()
            .filter(|(_, held)| held.source_mac != [0; 6])
            .map(|(ip, held)| (*ip, held.source_mac))
            .collect();
        let mut known = Vec::new();
        for (id, address) in layout::addresses(&self.config) {
            if let Some(mac) = macs.get(&address.ip) {
                let path = &self.config.sources[id.source].paths[id.path];
                known.push(((path.nic.clone(), path.monitor), *mac));
            }
        }
        self.network.sources.extend(known.iter().cloned());
        self.network.neighbours.extend(known);
    }

    /// Held addresses that the configuration has on another NIC now, or on a standby server: where they were they would
    /// stay for ever.
    async fn remove_misplaced(&mut self, held: &[(IpAddr, Held)]) -> anyhow::Result<()> {
        let marked = net::cleanup::addresses(&self.netlink).await?;
        let rules = net::cleanup::rules(&self.netlink).await?;
        let proxies = net::cleanup::proxies(&self.netlink).await?;
        let mut batch = Batch::builder();
        for (ip, entry) in held {
            let Some((_, address)) =
                layout::addresses(&self.config).find(|(_, address)| address.ip == *ip)
            else {
                continue;
            };
            // A NIC that is absent gets its addresses when it comes back.
            let nic = self.network.links.get(&address.target_nic);
            let wanted = nic.map(|link| link.index);
            let deliver_here = address.deliver == Deliver::Local;
            let here = marked
                .iter()
                .filter(|(_, marked)| marked == ip)
                .map(|(index, _)| *index);
            for index in here.chain([entry.nic]).collect::<BTreeSet<_>>() {
                if Some(index) != wanted || !deliver_here {
                    batch = batch.unhold(index, *ip);
                }
            }
            for (index, proxied) in proxies.iter().filter(|(_, proxied)| proxied == ip) {
                if Some(*index) != wanted || deliver_here {
                    batch = batch.remove_proxy(*index, *proxied);
                }
            }
            let tables = rules
                .iter()
                .filter(|(source, _)| source == ip)
                .map(|(_, table)| *table);
            for table in tables.filter(|table| wanted.map(table_of) != Some(*table)) {
                batch = batch.remove_rule(*ip, table, RULE_PRIORITY);
            }
        }
        self.undo(batch)
            .context("removing addresses from where the configuration has them no more")
    }

    pub(super) fn undo(&mut self, batch: Builder) -> anyhow::Result<()> {
        let batch = batch.build();
        if batch.requests().is_empty() {
            return Ok(());
        }
        Ok(self.batches.execute(&batch)?)
    }
}

/// A number that nobody else knows.
pub(super) fn random() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .context("no random number")?;
    Ok(u64::from_ne_bytes(bytes))
}
