//! Links, addresses, routes and neighbours of a namespace, by netlink and one ioctl. Nothing here needs iproute2 or
//! ethtool. Functions take the interface index; [`super::Nic`] is the comfortable side of this.

use std::{
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use netlink_packet_route::{
    address::AddressAttribute,
    link::{
        BridgeStpState, InfoBridge, InfoData, InfoVeth, LinkAttribute, LinkFlags, LinkMessage,
        State,
    },
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage},
};
use rtnetlink::{LinkBridge, LinkUnspec, LinkVeth, RouteMessageBuilder};

use super::{Mac, Namespace, clock::wait_until};

/// How long a link may take to come up.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(5);

/// One end of a veth pair.
#[derive(Clone, Debug)]
pub struct End {
    /// Its name, at most 15 octets.
    pub name: String,
    /// Its MAC.
    pub mac: Mac,
    /// Its index. The two ends of a pair need different ones, though they live in different namespaces: the kernel
    /// recognises a link that has a peer by `ifindex != iflink`, and of others it reports a loss of carrier up to a second
    /// late.
    pub index: u32,
}

/// Makes a veth pair with one end here and one end there, both down.
pub fn create_veth(
    near: &Namespace,
    near_end: &End,
    far: &Namespace,
    far_end: &End,
    mtu: u32,
) -> Result<()> {
    let far_fd = far.as_fd().as_raw_fd();
    let peer = LinkUnspec::new_with_index(far_end.index)
        .name(&*far_end.name)
        .address(far_end.mac.0.to_vec())
        .mtu(mtu)
        .setns_by_fd(far_fd)
        .build();
    let pair = LinkVeth::new(&near_end.name, &far_end.name)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .index(near_end.index)
        .address(near_end.mac.0.to_vec())
        .mtu(mtu)
        .build();

    near.netlink(async |handle| Ok(handle.link().add(pair).execute().await?))
        .with_context(|| format!("a veth pair {} - {}", near_end.name, far_end.name))
}

/// Makes a bridge that forwards from the first frame on: no spanning tree, no delay, no multicast snooping.
pub fn create_bridge(namespace: &Namespace, name: &str, index: u32) -> Result<()> {
    let bridge = LinkBridge::new(name)
        .index(index)
        .append_info_data(InfoBridge::ForwardDelay(0))
        .append_info_data(InfoBridge::StpState(BridgeStpState::Disabled))
        .append_info_data(InfoBridge::MulticastSnooping(false))
        .build();

    namespace
        .netlink(async |handle| Ok(handle.link().add(bridge).execute().await?))
        .with_context(|| format!("a bridge {name}"))
}

/// Makes a link a port of a bridge.
pub fn set_master(namespace: &Namespace, index: u32, bridge: u32) -> Result<()> {
    change(
        namespace,
        LinkUnspec::new_with_index(index).controller(bridge).build(),
    )
}

/// Takes a link up or down. Returns when the kernel is done; see [`super::Nic::pull`] for how long that takes.
pub fn set_up(namespace: &Namespace, index: u32, up: bool) -> Result<()> {
    let link = LinkUnspec::new_with_index(index);

    change(namespace, if up { link.up() } else { link.down() }.build())
}

/// Takes the loopback up.
pub fn set_loopback_up(namespace: &Namespace) -> Result<()> {
    set_up(namespace, 1, true)
}

/// Deletes a link; of a veth pair both ends.
pub fn delete(namespace: &Namespace, index: u32) -> Result<()> {
    namespace.netlink(async |handle| Ok(handle.link().del(index).execute().await?))
}

/// Whether a link is up and has carrier (`IFF_LOWER_UP`).
pub fn has_carrier(namespace: &Namespace, index: u32) -> Result<bool> {
    Ok(get(namespace, index)?
        .header
        .flags
        .contains(LinkFlags::LowerUp))
}

/// Frames that a link has had to do with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Received. Of a veth whose ends both carry XDP: taken from its ring and shown to the program.
    pub received: u64,
    /// Sent. Of such a veth: received by the other end.
    pub sent: u64,
    /// Not sent, as the other end's ring was full or it could not receive.
    pub lost: u64,
}

impl Traffic {
    /// What has been added since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            received: self.received - before.received,
            sent: self.sent - before.sent,
            lost: self.lost - before.lost,
        }
    }
}

/// What a link has counted.
pub fn traffic(namespace: &Namespace, index: u32) -> Result<Traffic> {
    get(namespace, index)?
        .attributes
        .iter()
        .find_map(|attribute| {
            let LinkAttribute::Stats64(counted) = attribute else {
                return None;
            };

            Some(Traffic {
                received: counted.rx_packets,
                sent: counted.tx_packets,
                lost: counted.tx_dropped,
            })
        })
        .context("a link without counters")
}

/// Waits until a link is operational: up, with carrier, and known to be so (operstate `up`).
pub fn wait_operational(namespace: &Namespace, index: u32) -> Result<()> {
    let mut last = None;
    let up = wait_until(CARRIER_TIMEOUT, || {
        last = get(namespace, index).ok();

        last.as_ref().is_some_and(|link| {
            link.attributes
                .contains(&LinkAttribute::OperState(State::Up))
        })
    });

    ensure!(
        up,
        "link {index} of {} has not come up: {last:?}",
        namespace.name()
    );

    Ok(())
}

/// Adds an address. It does not matter if it is there.
pub fn add_address(namespace: &Namespace, index: u32, address: (IpAddr, u8)) -> Result<()> {
    namespace
        .netlink(async |handle| {
            let request = handle.address().add(index, address.0, address.1).replace();

            Ok(request.execute().await?)
        })
        .with_context(|| format!("adding {}/{}", address.0, address.1))
}

/// Removes an address.
pub fn remove_address(namespace: &Namespace, index: u32, address: IpAddr) -> Result<()> {
    namespace.netlink(async |handle| {
        let mut found = handle
            .address()
            .get()
            .set_link_index_filter(index)
            .set_address_filter(address)
            .execute();
        let Some(message) = found.try_next().await? else {
            bail!("{address} is not there");
        };

        Ok(handle.address().del(message).execute().await?)
    })
}

/// The addresses of a link with their prefix lengths, in the kernel's order.
pub fn addresses(namespace: &Namespace, index: u32) -> Result<Vec<(IpAddr, u8)>> {
    namespace.netlink(async |handle| {
        let messages: Vec<_> = handle
            .address()
            .get()
            .set_link_index_filter(index)
            .execute()
            .try_collect()
            .await?;

        Ok(messages
            .iter()
            .filter_map(|message| {
                let mut ip = None;

                for attribute in &message.attributes {
                    match (attribute, ip) {
                        (AddressAttribute::Local(local), _) => ip = Some(*local),
                        (AddressAttribute::Address(address), None) => ip = Some(*address),
                        _ => {}
                    }
                }

                Some((ip?, message.header.prefix_len))
            })
            .collect())
    })
}

/// Adds a route to `destination` by `gateway`, or directly by the link if there is none.
pub fn add_route(
    namespace: &Namespace,
    destination: (IpAddr, u8),
    gateway: Option<IpAddr>,
    link: Option<u32>,
) -> Result<()> {
    let mut route =
        RouteMessageBuilder::<IpAddr>::new().destination_prefix(destination.0, destination.1)?;

    if let Some(gateway) = gateway {
        route = route.gateway(gateway)?;
    }

    if let Some(link) = link {
        route = route.output_interface(link);
    }

    let route = route.build();

    namespace
        .netlink(async |handle| Ok(handle.route().add(route).execute().await?))
        .with_context(|| format!("a route to {}/{}", destination.0, destination.1))
}

/// The neighbour tables of a namespace: link, address, MAC if it is known.
pub fn neighbours(namespace: &Namespace) -> Result<Vec<(u32, IpAddr, Option<Mac>)>> {
    Ok(neighbour_messages(namespace)?
        .iter()
        .filter_map(|message| {
            let attributes = &message.attributes;
            let ip = attributes.iter().find_map(|attribute| {
                let NeighbourAttribute::Destination(address) = attribute else {
                    return None;
                };

                if let NeighbourAddress::Inet(ip) = address {
                    Some(IpAddr::V4(*ip))
                } else if let NeighbourAddress::Inet6(ip) = address {
                    Some(IpAddr::V6(*ip))
                } else {
                    None
                }
            });
            let mac = attributes.iter().find_map(|attribute| {
                let NeighbourAttribute::LinkLayerAddress(octets) = attribute else {
                    return None;
                };

                octets[..].try_into().ok().map(Mac)
            });

            Some((message.header.ifindex, ip?, mac))
        })
        .collect())
}

/// Empties the neighbour tables of a namespace.
pub fn flush_neighbours(namespace: &Namespace) -> Result<()> {
    let messages = neighbour_messages(namespace)?;

    namespace.netlink(async |handle| {
        for message in messages {
            // An entry may have gone meanwhile, which is what was wanted.
            drop(handle.neighbours().del(message).execute().await);
        }

        Ok(())
    })
}

/// Gives a link another MAC.
pub fn set_mac(namespace: &Namespace, index: u32, mac: Mac) -> Result<()> {
    let change = LinkUnspec::new_with_index(index)
        .address(mac.0.to_vec())
        .build();

    namespace.netlink(async |handle| Ok(handle.link().change(change).execute().await?))
}

/// Switches transmit checksum offload off (`ethtool -K NAME tx off`). With it on, a local sender's frames cross a veth with
/// unfinished checksums, which a program that redirects them would put on the wire.
pub fn transmit_offload_off(namespace: &Namespace, name: &str) -> Result<()> {
    const ETHTOOL_STXCSUM: u32 = 0x17;

    #[repr(C)]
    struct EthtoolValue {
        cmd: u32,
        data: u32,
    }

    namespace.run(|| {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let mut value = EthtoolValue {
            cmd: ETHTOOL_STXCSUM,
            data: 0,
        };
        // SAFETY: all zeros is a valid `ifreq`.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };

        ensure!(
            name.len() < request.ifr_name.len(),
            "{name} is too long for an interface"
        );

        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }

        request.ifr_ifru.ifru_data = (&raw mut value).cast();

        // SAFETY: `request` is an `ifreq` with a terminated name and a pointer to an `ethtool_value`, both alive.
        let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };

        if done < 0 {
            return Err(std::io::Error::last_os_error())
                .with_context(|| format!("switching transmit offload of {name} off"));
        }

        Ok(())
    })
}

fn change(namespace: &Namespace, message: LinkMessage) -> Result<()> {
    namespace.netlink(async |handle| Ok(handle.link().set(message).execute().await?))
}

fn get(namespace: &Namespace, index: u32) -> Result<LinkMessage> {
    namespace.netlink(async |handle| {
        let mut links = handle.link().get().match_index(index).execute();

        links.try_next().await?.context("no such link")
    })
}

fn neighbour_messages(namespace: &Namespace) -> Result<Vec<NeighbourMessage>> {
    namespace.netlink(async |handle| Ok(handle.neighbours().get().execute().try_collect().await?))
}
