//! A host's NIC and the cable in it.

use std::{fmt, net::IpAddr, sync::Arc};

use super::{Host, Must, Namespace, clock::now_ns, link, topology::parse_prefix, xdp_pass::Gate};

/// A MAC address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(
    /// Its octets, in the order they are sent.
    pub [u8; 6],
);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, octet) in self.0.iter().enumerate() {
            write!(f, "{}{octet:02x}", if position > 0 { ":" } else { "" })?;
        }

        Ok(())
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A NIC of a [`Host`], cabled to a switch port or to another host. Clones are the same NIC.
#[derive(Clone, Debug)]
pub struct Nic(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    host: Host,
    end: link::End,
    far: Arc<Namespace>,
    far_end: link::End,
    gate: Gate,
}

impl Nic {
    pub(super) fn new(
        host: Host,
        end: link::End,
        far: Arc<Namespace>,
        far_end: link::End,
        gate: Gate,
    ) -> Self {
        Self(Arc::new(Inner {
            host,
            end,
            far,
            far_end,
            gate,
        }))
    }

    /// Its name, e.g. `ens1`.
    pub fn name(&self) -> &str {
        &self.0.end.name
    }

    /// Its MAC.
    pub fn mac(&self) -> Mac {
        self.0.end.mac
    }

    /// Its index.
    pub fn index(&self) -> u32 {
        self.0.end.index
    }

    /// The host it is in.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// Where the other end of the cable is: the switch's namespace, or the other host's.
    pub fn far(&self) -> &Arc<Namespace> {
        &self.0.far
    }

    /// Index of the other end of the cable, in [`Nic::far`].
    pub fn far_index(&self) -> u32 {
        self.0.far_end.index
    }

    /// Cuts the cable so that no frame passes in either direction, without loss of carrier: what a host sees when
    /// something behind its switch fails. Returns the instant of the cut, `CLOCK_MONOTONIC` ns, exact to well below a
    /// microsecond: the cut is one store to memory.
    pub fn cut(&self) -> u64 {
        self.0.gate.close()
    }

    /// Undoes [`Nic::cut`]. Returns the instant.
    pub fn heal(&self) -> u64 {
        self.0.gate.open()
    }

    /// Pulls the cable: both ends lose carrier. Returns the instant from which on no frame passed, `CLOCK_MONOTONIC` ns.
    ///
    /// Taking a veth down by netlink is not an instant. Measured under 5,000 requests a second (2 cores, kernel 6.18, 15
    /// runs each): the call takes 1.0 to 2.0 ms, once 11 ms, as the kernel waits for RCU grace periods, and requests go
    /// on being answered for 0.2 to 0.9 ms of it. So the cable is [cut](Nic::cut) first, which is an instant, and the far
    /// end is taken down after it. This method returns when both are done (1 to 4 ms), with the instant of the first: in
    /// none of the runs was a request answered that was sent after it, and answers that had already passed the cable
    /// arrived within 32 us. The host notices the loss of carrier 1.4 to 6 ms after the cut.
    #[track_caller]
    pub fn pull(&self) -> u64 {
        let at = self.cut();

        link::set_up(&self.0.far, self.far_index(), false).must("pulling a cable");

        at
    }

    /// Plugs the cable in again, and waits until both ends have carrier.
    #[track_caller]
    pub fn replug(&self) {
        link::set_up(&self.0.far, self.far_index(), true).must("plugging a cable in");
        self.heal();
        self.wait_operational();
    }

    /// Takes the NIC down (`ip link set NIC down`). Returns the instant before the call. Frames pass for the
    /// first 0.4 to 0.9 ms of it, and it returns after 0.9 to 1.5 ms (measured as at [`Nic::pull`]).
    #[track_caller]
    pub fn down(&self) -> u64 {
        let at = now_ns();

        link::set_up(self.namespace(), self.index(), false).must("taking a NIC down");

        at
    }

    /// Takes the NIC up again and waits until it has carrier. Routes by a gateway are gone, as on any host; addresses
    /// are not.
    #[track_caller]
    pub fn up(&self) {
        link::set_up(self.namespace(), self.index(), true).must("taking a NIC up");
        self.wait_operational();
    }

    /// Removes the NIC, as unplugging the card or the end of its namespace would. Returns the instant from which on no
    /// frame passed.
    #[track_caller]
    pub fn remove(&self) -> u64 {
        let at = self.cut();

        link::delete(self.namespace(), self.index()).must("removing a NIC");

        at
    }

    /// Gives it another MAC; [`Nic::mac`] goes on naming the first one.
    #[track_caller]
    pub fn set_mac(&self, mac: Mac) {
        link::set_mac(self.namespace(), self.index(), mac).must("another MAC");
    }

    /// Whether it is up and has carrier.
    #[track_caller]
    pub fn has_carrier(&self) -> bool {
        link::has_carrier(self.namespace(), self.index()).must("asking for carrier")
    }

    /// Adds an address such as `10.0.0.10/24`.
    #[track_caller]
    pub fn add_address(&self, address: &str) {
        link::add_address(self.namespace(), self.index(), parse_prefix(address))
            .must("adding an address");
    }

    /// Removes an address such as `10.0.0.10`.
    #[track_caller]
    pub fn remove_address(&self, address: &str) {
        let address = address.parse().must(address);

        link::remove_address(self.namespace(), self.index(), address).must("removing an address");
    }

    /// Its addresses with their prefix lengths.
    #[track_caller]
    pub fn addresses(&self) -> Vec<(IpAddr, u8)> {
        link::addresses(self.namespace(), self.index()).must("listing addresses")
    }

    /// Whether it has an address such as `10.0.0.10`.
    #[track_caller]
    pub fn has_address(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().must(address);

        self.addresses().iter().any(|(ip, _)| *ip == address)
    }

    /// What the far end of its cable has counted: `received` are the frames that have left this NIC, whatever sent them,
    /// and `sent` those that have reached it.
    #[track_caller]
    pub fn wire_traffic(&self) -> link::Traffic {
        link::traffic(&self.0.far, self.far_index()).must("reading a link's counters")
    }

    fn namespace(&self) -> &Namespace {
        self.0.host.namespace()
    }

    #[track_caller]
    pub(super) fn wait_operational(&self) {
        link::wait_operational(self.namespace(), self.index()).must("waiting for carrier");
        link::wait_operational(&self.0.far, self.far_index()).must("waiting for carrier");
    }
}
