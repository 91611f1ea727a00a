//! Network namespaces and what is in them.

use std::{
    fs::File,
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsRawFd as _,
    thread,
    time::Duration,
};

use failover_user::net::{
    self, links,
    sysctl::{self, Version},
};
use futures::TryStreamExt as _;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressFlags},
    route::{RouteAddress, RouteAttribute, RouteMessage},
    rule::RuleMessage,
};
use rtnetlink::{
    Handle, IpVersion, LinkUnspec, LinkVeth, RouteMessageBuilder, packet_route::link::LinkMessage,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use tokio::sync::mpsc;

/// A network namespace. It goes when this and everything in it is dropped.
pub(crate) struct Namespace(File);

impl Namespace {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let file = thread::spawn(|| {
            // SAFETY: a namespace of the network is separated, no file descriptor table.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("network namespaces need root");
            // Link-local addresses would come by themselves, and when they please.
            sysctl::write(Version::V6, "default", "addr_gen_mode", "1").unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Self(file.join().unwrap())
    }

    /// Runs `body` in the namespace, on a thread and a runtime of its own.
    pub(crate) fn run<F: Future>(&self, body: impl FnOnce(Lab) -> F + Send) -> F::Output
    where
        F::Output: Send,
    {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&self.0),
                    Some(LinkNameSpaceType::Network),
                )
                .unwrap();
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(async { body(Lab(net::connect().unwrap())).await })
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Runs `body` in a new namespace.
pub(crate) fn in_namespace<F: Future>(body: impl FnOnce(Lab) -> F + Send) -> F::Output
where
    F::Output: Send,
{
    Namespace::new().run(body)
}

/// What the name of the other end of a [`Lab::nic`] ends with.
pub(crate) const PEER: &str = "~";

/// What can be done in a namespace.
pub(crate) struct Lab(pub(crate) Handle);

impl Lab {
    /// A NIC, switched on, with a carrier: a cable to [`PEER`] of its name in the same namespace. Returns its index.
    pub(crate) async fn nic(&self, name: &str) -> u32 {
        let peer = format!("{name}{PEER}");
        self.0
            .link()
            .add(LinkVeth::new(name, &peer).build())
            .execute()
            .await
            .unwrap();
        self.up(&peer).await;
        self.up(name).await
    }

    /// A cable: `name` here and `peer` in another namespace, both still switched off.
    pub(crate) async fn veth(&self, name: &str, peer: &str, there: &Namespace) {
        self.0
            .link()
            .add(LinkVeth::new(name, peer).build())
            .execute()
            .await
            .unwrap();
        self.change(
            LinkUnspec::new_with_name(peer)
                .setns_by_fd(there.0.as_raw_fd())
                .build(),
        )
        .await;
    }

    pub(crate) async fn up(&self, name: &str) -> u32 {
        self.change(LinkUnspec::new_with_name(name).up().build())
            .await;
        self.link(name).await.index
    }

    pub(crate) async fn down(&self, name: &str) {
        self.change(LinkUnspec::new_with_name(name).down().build())
            .await;
    }

    pub(crate) async fn change(&self, message: LinkMessage) {
        self.0.link().change(message).execute().await.unwrap();
    }

    pub(crate) async fn remove(&self, index: u32) {
        self.0.link().del(index).execute().await.unwrap();
    }

    pub(crate) async fn link(&self, name: &str) -> links::Link {
        let links = links::list(&self.0).await.unwrap();
        links.into_iter().find(|link| link.name == name).unwrap()
    }

    /// Puts an address on a NIC, at once and without duplicate address detection.
    pub(crate) async fn address(&self, index: u32, ip: impl Into<IpAddr>, prefix: u8) {
        let mut request = self.0.address().add(index, ip.into(), prefix);
        let message = request.message_mut();
        if message.header.family == AddressFamily::Inet6 {
            let flags = AddressAttribute::Flags(AddressFlags::Nodad);
            message.attributes.push(flags);
        }
        request.execute().await.unwrap();
    }

    /// A default route in the main table.
    pub(crate) async fn gateway(&self, index: u32, gateway: impl Into<IpAddr>) {
        let route = match gateway.into() {
            IpAddr::V4(gateway) => RouteMessageBuilder::<Ipv4Addr>::new()
                .gateway(gateway)
                .output_interface(index)
                .build(),
            IpAddr::V6(gateway) => RouteMessageBuilder::<Ipv6Addr>::new()
                .gateway(gateway)
                .output_interface(index)
                .build(),
        };
        self.0.route().add(route).replace().execute().await.unwrap();
    }

    /// All IPv4 routes, except those that the kernel makes for each address.
    pub(crate) async fn routes(&self) -> Vec<RouteMessage> {
        self.routes_of(AddressFamily::Inet).await
    }

    /// All routes of a family, except those that the kernel makes for each address.
    pub(crate) async fn routes_of(&self, family: AddressFamily) -> Vec<RouteMessage> {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        let mut routes: Vec<_> = self
            .0
            .route()
            .get(request)
            .execute()
            .try_collect()
            .await
            .unwrap();
        routes.retain(|route| route.header.table != 255);
        routes
    }

    pub(crate) async fn rules(&self) -> Vec<RuleMessage> {
        self.rules_of(IpVersion::V4).await
    }

    pub(crate) async fn rules_of(&self, version: IpVersion) -> Vec<RuleMessage> {
        self.0
            .rule()
            .get(version)
            .execute()
            .try_collect()
            .await
            .unwrap()
    }

    /// The NIC and the gateway that a packet from `from` takes to `to`.
    pub(crate) async fn route<T: Into<IpAddr>>(
        &self,
        from: Option<T>,
        to: T,
    ) -> (u32, Option<IpAddr>) {
        let to = to.into();
        let (family, single) = match to {
            IpAddr::V4(_) => (AddressFamily::Inet, 32),
            IpAddr::V6(_) => (AddressFamily::Inet6, 128),
        };
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        request.header.destination_prefix_length = single;
        request
            .attributes
            .push(RouteAttribute::Destination(to.into()));
        if let Some(from) = from {
            request.header.source_prefix_length = single;
            request
                .attributes
                .push(RouteAttribute::Source(from.into().into()));
        }
        let routes: Vec<_> = self
            .0
            .route()
            .get(request)
            .execute()
            .try_collect()
            .await
            .unwrap();

        let (mut nic, mut gateway) = (0, None);
        for attribute in &routes[0].attributes {
            if let RouteAttribute::Oif(index) = attribute {
                nic = *index;
            } else if let RouteAttribute::Gateway(RouteAddress::Inet(ip)) = attribute {
                gateway = Some(IpAddr::V4(*ip));
            } else if let RouteAttribute::Gateway(RouteAddress::Inet6(ip)) = attribute {
                gateway = Some(IpAddr::V6(*ip));
            }
        }
        (nic, gateway)
    }

    /// A permanent entry of the table of neighbours.
    pub(crate) async fn permanent_neighbour(
        &self,
        index: u32,
        ip: impl Into<IpAddr>,
        mac: [u8; 6],
    ) {
        self.0
            .neighbours()
            .add(index, ip.into())
            .link_layer_address(&mac)
            .execute()
            .await
            .unwrap();
    }
}

/// Waits for an event that is looked for, passing over others.
pub(crate) async fn wait<T: std::fmt::Debug, R>(
    events: &mut mpsc::Receiver<T>,
    mut wanted: impl FnMut(&T) -> Option<R>,
) -> R {
    let mut seen = Vec::new();
    let search = async {
        loop {
            let event = events.recv().await.expect("the watch has ended");
            if let Some(found) = wanted(&event) {
                return found;
            }
            seen.push(event);
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(10), search).await;
    found.unwrap_or_else(|_| panic!("the event did not come; these did: {seen:#?}"))
}
