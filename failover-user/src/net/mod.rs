//! Everything that the daemon does to the network other than XDP: links, addresses, rules, routes, neighbours,
//! announcements, frames.
//!
//! Nothing here is global: a netlink or packet socket belongs to the network namespace of the thread that opened it, and
//! [`sysctl`] reads and writes the namespace of the thread that calls it.

pub mod announce;
pub mod batch;
mod batch_socket;
pub mod cleanup;
pub mod groups;
pub mod link_watch;
pub mod links;
mod multicast;
pub mod neighbours;
pub mod only_one;
pub mod packet;
mod requests;
mod route_copy;
pub mod route_watch;
pub mod subnet;
pub mod sysctl;
pub mod tables;
pub mod xdp;

use anyhow::Context as _;

/// Marks what is ours: protocol number of our routes (`RTA_PROTOCOL`), rules (`FRA_PROTOCOL`) and addresses
/// (`IFA_PROTO`, Linux 5.18). Assigned to nobody in iproute2's `rt_protos`.
pub const PROTOCOL: u8 = 78;

/// Priority of the rule of each held address (`from ADDRESS lookup TABLE`): behind `local` (0), ahead of `main` (32766)
/// and of the VRF rule (1000).
pub const RULE_PRIORITY: u32 = 780;

/// The routing table of a NIC is this number plus its ifindex: above the tables that have names (0 to 255), below 2^31,
/// and legible: `ip route show table 78000003`.
pub const TABLE_BASE: u32 = 78_000_000;

/// The routing table that replies from the held addresses of a NIC are looked up in.
pub const fn table_of(ifindex: u32) -> u32 {
    TABLE_BASE.wrapping_add(ifindex)
}

/// Opens an rtnetlink connection in the calling thread's network namespace and drives it on the current runtime. It ends
/// when the last clone of the handle is dropped.
///
/// # Errors
/// The socket cannot be opened.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn connect() -> anyhow::Result<rtnetlink::Handle> {
    // Strict checking lets the kernel apply the filters of a dump instead of sending whole tables.
    let (connection, handle, _) =
        rtnetlink::new_connection_with_strict_check().context("cannot open an rtnetlink socket")?;
    tokio::spawn(connection);
    Ok(handle)
}

/// The kernel's error code in an rtnetlink error, positive, if that is what it is.
fn errno(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(message.raw_code().saturating_abs()),
        rtnetlink::Error::UnexpectedMessage(_)
        | rtnetlink::Error::RequestFailed
        | rtnetlink::Error::NamespaceError(_)
        | rtnetlink::Error::InvalidHardwareAddress(_)
        | rtnetlink::Error::InvalidIp(_)
        | rtnetlink::Error::InvalidAddress(..)
        | rtnetlink::Error::InvalidNla(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_nics_are_distinct_and_beyond_the_named_ones() {
        let tables = [table_of(1), table_of(2), table_of(1 << 20)];

        assert!(tables.is_sorted());
        assert!(tables.iter().all(|table| (256..1 << 31).contains(table)));
    }
}
