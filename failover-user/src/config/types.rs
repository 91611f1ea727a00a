//! Checked configuration. Keys, defaults and ranges are documented here, where they are defined.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

pub use super::discriminator::default_discriminator;
use super::secret::Secret;
use crate::policy::Hook;

/// A whole configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[daemon]`
    pub daemon: Daemon,
    /// `[[witness]]`: who says whether our own links work.
    pub witnesses: Vec<Witness>,
    /// `[[source]]`, in the file's order. Names are unique.
    pub sources: Vec<Source>,
    /// `[reflector]`: this host answers heartbeats.
    pub reflector: Option<Reflector>,
}

/// `[daemon]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// `socket`: the control socket. Default [`DEFAULT_SOCKET`]. The command line's `--socket` overrides it.
    pub socket: PathBuf,
    /// `xdp`: how programs are attached. Default `auto`.
    pub xdp: XdpMode,
}

/// Default of `daemon.socket`.
pub const DEFAULT_SOCKET: &str = "/run/failover/control.sock";

/// `xdp = "native" | "generic" | "auto"`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver, or fail.
    Native,
    /// In the kernel's generic hook.
    Generic,
    /// Native if the driver can, generic otherwise, with one warning that says why.
    Auto,
}

/// `[[witness]]`: a host that answers as long as a NIC of ours is not the isolated one, a router for instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// `nic` that it vouches for. Several witnesses of a NIC: one that answers is enough.
    pub nic: String,
    /// `address`, on a subnet of that NIC.
    pub address: IpAddr,
    /// `probe`. Default `icmp`.
    pub probe: WitnessProbe,
}

/// `probe` of a witness: how it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WitnessProbe {
    /// `icmp`: ICMP echo.
    Icmp,
    /// `arp`: an ARP request to an IPv4 address.
    Arp,
    /// `nd`: a neighbour solicitation to an IPv6 address.
    Nd,
}

/// `[[source]]`: a host that is watched and stood in for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `name`: letters, digits, `-`, `_` and `.`; at most 64.
    pub name: String,
    /// `probe`. Default `sbfd`.
    pub probe: Probe,
    /// `interval` between two requests, 50 us to 60 s. Default 10 ms. A request that has no answer by the time the
    /// next one is due is a miss.
    pub interval: Duration,
    /// `misses` in a row that make a verdict, 1 to 255. Default 3.
    pub misses: u32,
    /// `on_failure`. Default `ask`.
    pub on_failure: OnFailure,
    /// `trigger`. Default `all`.
    pub trigger: Trigger,
    /// `failback`. Default `manual`.
    pub failback: Failback,
    /// `failback_after`: how long the source must have been healthy before an automatic failback. Default 60 s.
    pub failback_after: Duration,
    /// `l2_alive`: what to do when heartbeats fail and the source still answers ARP. Default `ask`.
    pub l2_alive: L2Alive,
    /// `on_conflict`: what to do when another host claims an address that is held. Default `defend`.
    pub on_conflict: OnConflict,
    /// `[source.hooks]`
    pub hooks: Hooks,
    /// `announce_every`: how often held addresses are announced again. Default 60 s.
    pub announce_every: Duration,
    /// `key`, one or a list: requests are signed with the first, replies may be signed with any. Empty: neither are signed.
    pub keys: Vec<Key>,
    /// `[[source.path]]`, one per NIC of the source; at least one.
    pub paths: Vec<Path>,
}

/// `key = { file = "/etc/failover/web1.key", id = 1 }`: a secret that both hosts have (RFC 5880 6.7.4, Meticulous Keyed
/// SHA1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// `id` by which packets name it, 0 to 255; unique in its list.
    pub id: u8,
    /// `file` that holds the secret: 1 to 20 octets, or `hex:` and as many pairs of digits.
    pub file: PathBuf,
    /// What the file holds. Only the text of a configuration says nothing of it; then this is empty.
    pub secret: Secret,
}

/// `probe`: what a heartbeat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `sbfd`: S-BFD (RFC 7880), answered by the XDP program on the source.
    Sbfd,
    /// `icmp`: ICMP echo, for a source without our software.
    Icmp,
    /// `arp`: ARP requests, for a source without our software.
    Arp,
    /// `tcp:PORT`: connections to this port that are never opened, for a source without our software.
    Tcp(u16),
}

impl fmt::Display for Probe {
    /// As the configuration has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sbfd => f.write_str("sbfd"),
            Self::Icmp => f.write_str("icmp"),
            Self::Arp => f.write_str("arp"),
            Self::Tcp(port) => write!(f, "tcp:{port}"),
        }
    }
}

/// `on_failure`: what a verdict leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// `automatic`: take over at once.
    Automatic,
    /// `ask`: wait for `failover approve` or `failover decline`.
    Ask,
}

/// `l2_alive`: heartbeats fail, and the source's own MAC still answers ARP for one of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L2Alive {
    /// `ask`: the administrator decides, whatever `on_failure` says.
    Ask,
    /// `refuse`: no takeover as long as it answers.
    Refuse,
    /// `ignore`: take over all the same.
    Ignore,
}

/// `on_conflict`: another host claims an address that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// `defend`: announce it, at most once in ten seconds, and keep it (RFC 5227 2.4 c).
    Defend,
    /// `release`: give the addresses up at once (RFC 5227 2.4 a).
    Release,
    /// `ask`: keep them, and wait for `failover approve` (defend) or `failover decline` (release).
    Ask,
}

/// `[source.hooks]`: programs that are run. Each is a program and its arguments; the program's path is absolute. A key
/// that is not set here is taken from `[defaults.hooks]`, each for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// `before_takeover`, a fencing agent for instance. With it a takeover takes as long as this runs.
    pub before_takeover: Option<Vec<String>>,
    /// `after_takeover`
    pub after_takeover: Option<Vec<String>>,
    /// `before_failback`
    pub before_failback: Option<Vec<String>>,
    /// `after_failback`
    pub after_failback: Option<Vec<String>>,
    /// `notify`: told of everything that a person has to know or decide.
    pub notify: Option<Vec<String>>,
    /// `timeout` of each, 100 ms to 1 h. Default 30 s.
    pub timeout: Duration,
    /// `on_error`: what a `before_*` hook that fails leads to. Default `abort`.
    pub on_error: OnError,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            before_takeover: None,
            after_takeover: None,
            before_failback: None,
            after_failback: None,
            notify: None,
            timeout: Duration::from_secs(30),
            on_error: OnError::Abort,
        }
    }
}

impl Hooks {
    /// Program and arguments of a hook, if it is configured.
    pub fn program(&self, hook: Hook) -> Option<&[String]> {
        match hook {
            Hook::BeforeTakeover => self.before_takeover.as_deref(),
            Hook::AfterTakeover => self.after_takeover.as_deref(),
            Hook::BeforeFailback => self.before_failback.as_deref(),
            Hook::AfterFailback => self.after_failback.as_deref(),
            Hook::Notify => self.notify.as_deref(),
        }
    }
}

/// `on_error`: a `before_*` hook failed, could not be run, or ran into its timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// `abort`: what it precedes does not happen.
    Abort,
    /// `continue`: it happens all the same.
    Continue,
}

/// `trigger`: which failed paths make a failed unit, and what a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// `any`: the source fails as a whole as soon as one path has failed.
    Any,
    /// `all`: the source fails as a whole when every path has failed.
    All,
    /// `path`: each path fails, and is taken over, for itself.
    Path,
}

/// `failback`: how the source gets its addresses back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failback {
    /// `manual`: by `failover failback`.
    Manual,
    /// `automatic`: once the source has been healthy for `failback_after`.
    Automatic,
}

/// `[[source.path]]`: one NIC of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// `monitor`: the address that heartbeats go to. A link-local one (IPv6) is on the link of `nic`.
    pub monitor: IpAddr,
    /// `discriminator` of the source's reflector. Default: what [`default_discriminator`] makes of `monitor`.
    pub discriminator: u32,
    /// `nic`: heartbeats leave here. Default: `target_nic`.
    pub nic: String,
    /// `target_nic`: the addresses are taken here.
    pub target_nic: String,
    /// `addresses`: at least one. No address appears twice in a file.
    pub addresses: Vec<Address>,
}

/// One entry of `addresses`: `"10.0.0.10/24"` or a table `{ ip, target_nic, deliver }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `ip`, the part before the slash.
    pub ip: IpAddr,
    /// The part behind the slash, 1 to 32 or 1 to 128: the subnet that the address lives in.
    pub prefix: u8,
    /// The NIC that takes this address: the entry's own `target_nic` or the path's.
    pub target_nic: String,
    /// `deliver`. Default `local`.
    pub deliver: Deliver,
}

/// `deliver`: where packets for a held address end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliver {
    /// `"local"`: on this host.
    Local,
    /// `{ forward = "10.0.5.20" }`: on a standby server on a directly connected network, which has the address on a
    /// NIC that does not answer ARP for it (a loopback), and this host as its gateway. Of the same family.
    Forward(IpAddr),
}

/// `[reflector]`: the source's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reflector {
    /// `nics` that answer heartbeats; at least one.
    pub nics: Vec<String>,
    /// `initiators` that are answered; empty: any.
    pub initiators: Vec<IpAddr>,
    /// `discriminator`, an IP address or a number. Default: what [`default_discriminator`] makes of each address of `nics`.
    pub discriminator: Option<u32>,
    /// `key`, one or a list: requests have to be signed with one of them, and are answered with the same. Empty: signed
    /// requests are refused.
    pub keys: Vec<Key>,
    /// `min_rx`: faster requests than this are refused (RFC 7880 7.2.3). Default 50 us.
    pub min_rx: Duration,
    /// `dead_man`: a daemon that has not run for so long is dead, and heartbeats are not answered any more, 10 ms to 60 s.
    /// Default 500 ms.
    pub dead_man: Duration,
    /// `self_fence`: a source that is not healthy does not use its `identity`. Default `false`.
    pub self_fence: bool,
    /// `identity`: addresses that this host uses only while no other host does. Default: none.
    pub identity: Vec<Identity>,
    /// `[[reflector.check]]`: heartbeats are answered while all of them succeed.
    pub checks: Vec<Check>,
}

/// One entry of `identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The address.
    pub ip: IpAddr,
    /// Prefix length of its subnet.
    pub prefix: u8,
}

/// `[[reflector.check]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is done.
    pub what: CheckKind,
    /// `interval` between the beginnings of two checks, 10 ms to 1 h. Default 1 s.
    pub interval: Duration,
    /// `timeout` of each, 10 ms to 1 h. Default 1 s.
    pub timeout: Duration,
    /// `fall`: failures in a row that make the host unhealthy, 1 to 1000. Default 3.
    pub fall: u32,
    /// `rise`: successes in a row that make it healthy again, 1 to 1000. Default 2.
    pub rise: u32,
}

/// What a check does; exactly one of these keys is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// `tcp = "127.0.0.1:80"`: a connection is accepted.
    Tcp(SocketAddr),
    /// `http = "http://127.0.0.1:80/health"`: a GET is answered with a status of 200 to 399.
    Http {
        /// Address and port.
        to: SocketAddr,
        /// Path and query.
        path: String,
    },
    /// `command = ["/usr/local/bin/healthy"]`: it ends with exit code 0. Run like a hook, in a process group of its own.
    Command(Vec<String>),
}

impl std::fmt::Display for CheckKind {
    /// As it is called in the status and in events: `tcp 127.0.0.1:80`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(to) => write!(f, "tcp {to}"),
            Self::Http { to, path } => write!(f, "http://{to}{path}"),
            Self::Command(words) => write!(f, "command {}", words.join(" ")),
        }
    }
}
