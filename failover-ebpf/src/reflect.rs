//! The reflector: a request, checked and turned into its reply (RFC 7880 7.2, RFC 7881).

use crate::{
    checksum,
    health::Gate,
    heartbeat::Control,
    verdict::Verdict,
    wire::{
        bfd::{SBFD_PORT, diagnostic, state},
        eth::Eth,
        ip::IpHeader,
    },
};

/// Requests that may come at once before the rate is held against an initiator: a scheduler that was late sends what it
/// owes, and two sessions of one initiator may coincide.
pub const BURST: u64 = 8;

/// Checks what the packet itself can say, in the order of cost.
#[inline(always)]
pub fn check<I: IpHeader>(request: &Control<I>) -> Result<(), Verdict> {
    // RFC 7881: a packet whose source port is 7784 MUST be discarded.
    if request.udp.src() == SBFD_PORT {
        return Err(Verdict::RequestFromReflector);
    }
    let bfd = &request.bfd;
    if bfd.version() != 1 {
        return Err(Verdict::RequestBadVersion);
    }
    // RFC 5880 6.8.6: detect multiplier 0, the M bit and My Discriminator 0 MUST be discarded.
    if bfd.detect_mult() == 0 || bfd.multipoint() || bfd.my_discriminator() == 0 {
        return Err(Verdict::RequestMalformed);
    }
    // RFC 7880 7.2.3: D clear MUST be discarded, which also breaks the loop of appendix A.
    if !bfd.demand() {
        return Err(Verdict::RequestNotDemand);
    }
    Ok(())
}

/// Whether a request that arrives at `now` keeps to one per `interval` on average, and the theoretical arrival time to
/// remember (GCRA). All nanoseconds.
#[inline(always)]
pub const fn admit(theoretical: u64, now: u64, interval: u64) -> Option<u64> {
    let theoretical = if theoretical > now { theoretical } else { now };
    if theoretical - now > BURST * interval {
        return None;
    }
    Some(theoretical + interval)
}

/// What a reply says of the reflector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// State Up.
    Up,
    /// State AdminDown.
    AdminDown,
}

impl Service {
    /// How a reply with it counts.
    #[inline(always)]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Up => Verdict::RequestAnswered,
            Self::AdminDown => Verdict::RequestAdminDown,
        }
    }

    /// State and diagnostic.
    #[inline(always)]
    const fn said(self) -> (u8, u8) {
        match self {
            Self::Up => (state::UP, diagnostic::NONE),
            Self::AdminDown => (state::ADMIN_DOWN, diagnostic::ADMIN_DOWN),
        }
    }
}

/// What a reply says; a host that is not healthy says nothing (RFC 7880 7.2.3: in service MUST be Up, out of service on
/// purpose SHOULD be AdminDown).
#[inline(always)]
pub const fn in_service(gate: Gate) -> Result<Service, Verdict> {
    match gate {
        Gate::Up => Ok(Service::Up),
        Gate::AdminDown => Ok(Service::AdminDown),
        Gate::Silent => Err(Verdict::RequestSilent),
    }
}

/// Turns a request into its reply: everything swapped, D clear, state Up or AdminDown, our Required Min RX, TTL or hop limit
/// 255 (RFC 7881). Checksums follow incrementally.
#[inline(always)]
pub fn reply<I: IpHeader>(
    eth: &mut Eth,
    packet: &mut Control<I>,
    service: Service,
    min_rx_us: u32,
) {
    let before = (
        packet.bfd.first_word(),
        packet.bfd.required_min_rx(),
        packet.bfd.required_min_echo_rx(),
    );
    let (state, diagnostic) = service.said();
    packet.bfd.reflect(state, diagnostic, min_rx_us);
    // Ports, addresses and discriminators only change places, which a sum does not see.
    let sum = match packet.udp.checksum() {
        0 => 0,
        sum => {
            let sum = checksum::update(sum, before.0, packet.bfd.first_word());
            let sum = checksum::update32(sum, before.1, packet.bfd.required_min_rx());
            match checksum::update32(sum, before.2, packet.bfd.required_min_echo_rx()) {
                // RFC 768, RFC 8200 8.1: a computed 0 is sent as all ones, as 0 means "none".
                0 => 0xffff,
                sum => sum,
            }
        }
    };
    packet.udp.turn_round(sum);
    packet.ip.turn_round();
    packet.ip.set_hops(255);
    let (dst, src) = (eth.src(), eth.dst());
    eth.readdress(dst, src);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn requests_at_the_agreed_rate_are_admitted() {
        let mut theoretical = 0;

        for n in 0..1000 {
            theoretical = admit(theoretical, n * MS, MS).expect("on time");
        }
    }

    #[test]
    fn a_burst_is_admitted_and_then_the_rate_holds() {
        let mut theoretical = 0;
        let mut admitted = 0;

        while let Some(next) = admit(theoretical, 5 * MS, MS) {
            theoretical = next;
            admitted += 1;
        }

        assert_eq!(admitted, BURST + 1);
        assert_eq!(admit(theoretical, 5 * MS + MS / 2, MS), None);
        assert!(admit(theoretical, 6 * MS, MS).is_some());
    }

    #[test]
    fn a_pause_earns_no_more_than_the_burst() {
        let mut theoretical = admit(0, 0, MS).expect("first");
        let mut admitted = 0;

        while let Some(next) = admit(theoretical, 3600 * 1000 * MS, MS) {
            theoretical = next;
            admitted += 1;
        }

        assert_eq!(admitted, BURST + 1);
    }
}
