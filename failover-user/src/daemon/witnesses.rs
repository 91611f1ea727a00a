//! Witnesses: who says that our own links work.

use failover_ebpf::abi::{Session, session};
use serde_json::json;

use super::{Daemon, layout};
use crate::{
    bpf::keys::key,
    config::{Witness, WitnessProbe},
    events::EventKind,
    monitor::{
        WitnessRequest, WitnessWatch,
        frames::{EchoRequest, Endpoints},
    },
    net::announce,
};

/// An echo that takes longer counts as late in the statistics. The heartbeat thread has its own patience.
const TIMEOUT_NS: u64 = 1_000_000_000;

impl Daemon {
    /// Asks all witnesses, as far as NIC, own address and MAC are known, and no others.
    pub(super) fn watch_witnesses(&mut self) {
        self.monitor.keep_witnesses(self.config.witnesses.len());
        for index in 0..self.config.witnesses.len() {
            let result = self.watch_witness(index);
            self.note(result);
        }
    }

    /// The NIC and address of each witness, whose MAC has to be known.
    pub(super) fn witness_neighbours(&self) -> Vec<(String, std::net::IpAddr)> {
        let witnesses = self.config.witnesses.iter();
        witnesses
            .map(|witness| (witness.nic.clone(), witness.address))
            .collect()
    }

    /// Asks a witness, or goes on with what has changed. One that cannot be asked is one that does not answer.
    fn watch_witness(&mut self, index: usize) -> anyhow::Result<()> {
        let Witness {
            nic,
            address,
            probe,
        } = self.config.witnesses[index].clone();
        let endpoints = self.witness_endpoints(&nic, address);
        let request = match (endpoints, probe) {
            (None, WitnessProbe::Icmp | WitnessProbe::Arp | WitnessProbe::Nd) => None,
            (Some(endpoints), WitnessProbe::Icmp) => Some(self.witness_echo(index, &endpoints)?),
            (Some(endpoints), WitnessProbe::Arp | WitnessProbe::Nd) => {
                Some(WitnessRequest::Neighbour {
                    slot: layout::witness_slot(&self.config, index),
                    frame: announce::request(
                        (endpoints.source_mac, endpoints.source),
                        (endpoints.destination_mac, endpoints.destination),
                    ),
                })
            }
        };
        self.monitor.watch_witness(WitnessWatch {
            index,
            address,
            // While it is absent no heartbeat leaves by it; no NIC has the index 0.
            nic: self.network.links.get(&nic).map_or(0, |link| link.index),
            request,
        });
        Ok(())
    }

    fn witness_endpoints(&self, nic: &str, address: std::net::IpAddr) -> Option<Endpoints> {
        Some(Endpoints {
            source_mac: self.network.links.get(nic)?.mac,
            destination_mac: self.network.mac(nic, address)?,
            source: self.network.own_address(nic, address)?,
            destination: address,
        })
    }

    fn witness_echo(
        &mut self,
        index: usize,
        endpoints: &Endpoints,
    ) -> anyhow::Result<WitnessRequest> {
        let number = layout::witness_session(index);
        let cookie = self.cookie ^ u64::from(number);
        self.begin_session(
            number,
            Session {
                kind: session::ICMP,
                remote_discriminator: 0,
                remote: key(endpoints.destination),
                local: key(endpoints.source),
                timeout_ns: TIMEOUT_NS,
                cookie,
                ..Session::default()
            },
        )?;
        Ok(WitnessRequest::Icmp {
            session: number,
            request: EchoRequest::new(endpoints, number, cookie.to_be_bytes()),
        })
    }

    /// A witness has begun to answer, or does not answer any more.
    pub(super) fn on_witness(&self, index: usize, answers: bool) {
        // It may have been removed while the news was on its way.
        let Some(witness) = self.config.witnesses.get(index) else {
            return;
        };
        self.record(
            None,
            EventKind::Witness,
            json!({
                "nic": witness.nic,
                "address": witness.address.to_string(),
                "answers": answers,
            }),
        );
    }

    /// Has the program listen for every address that may be taken, for the witnesses, and for the sources that are watched by
    /// ARP.
    pub(super) fn listen(&mut self) -> anyhow::Result<()> {
        self.maps
            .set_arp_sessions(&self.layout.arp_sessions(&self.config))?;
        self.maps.listen(&self.layout.listened(&self.config))
    }
}
