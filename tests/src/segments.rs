//! TCP segments, built with `etherparse` and by hand, independently of the code under test.

use etherparse::{
    IpHeaders, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, PacketBuilder, TcpHeader,
    TcpOptionElement, TcpOptions,
};

use crate::{frames::Flow, frames6::Flow6, lab::Mac};

/// A segment without data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Source port.
    pub from: u16,
    /// Destination port.
    pub to: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Control bits of RFC 9293 3.1.
    pub flags: u8,
    /// Options, filled up to a multiple of four octets.
    pub options: Vec<TcpOptionElement>,
}

impl Segment {
    /// No more data.
    pub const FIN: u8 = 0x01;
    /// A connection begins.
    pub const SYN: u8 = 0x02;
    /// A connection ends at once.
    pub const RST: u8 = 0x04;
    /// Data is to be delivered.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment means something.
    pub const ACK: u8 = 0x10;
    /// Congestion was experienced (RFC 3168).
    pub const ECE: u8 = 0x40;

    /// The frame, with its checksums.
    pub fn frame(&self, flow: &Flow) -> Vec<u8> {
        self.frame_with(flow, &[])
    }

    /// The frame with data.
    pub fn frame_with(&self, flow: &Flow, data: &[u8]) -> Vec<u8> {
        let (from, to) = (flow.from.octets(), flow.to.octets());
        let ip = Ipv4Header::new(0, flow.ttl, IpNumber::TCP, from, to).expect("an empty packet");
        let ip = IpHeaders::Ipv4(ip, Default::default());

        self.framed((flow.from_mac, flow.to_mac), ip, data)
    }

    /// The frame over IPv6.
    pub fn frame6(&self, flow: &Flow6) -> Vec<u8> {
        let ip = ipv6(flow, 0);

        self.framed((flow.from_mac, flow.to_mac), ip, &[])
    }

    /// The reset that answers this segment (RFC 9293 3.10.7.3). IP header: network control traffic, not to be fragmented, a
    /// time to live of 255.
    pub fn reset(&self, flow: &Flow) -> Vec<u8> {
        let back = flow.back();
        let (from, to) = (back.from.octets(), back.to.octets());
        let mut ip = Ipv4Header::new(0, 255, IpNumber::TCP, from, to).expect("an empty packet");
        ip.dscp = 48.try_into().expect("a code point");
        ip.dont_fragment = true;
        let ip = IpHeaders::Ipv4(ip, Default::default());

        self.answer().framed((back.from_mac, back.to_mac), ip, &[])
    }

    /// The same over IPv6.
    pub fn reset6(&self, flow: &Flow6) -> Vec<u8> {
        let back = flow.back();
        let ip = ipv6(&back, 48 << 2);

        self.answer().framed((back.from_mac, back.to_mac), ip, &[])
    }

    fn answer(&self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            sequence: self.acknowledgment,
            acknowledgment: 0,
            flags: Self::RST,
            options: Vec::new(),
        }
    }

    fn framed(&self, (from, to): (Mac, Mac), ip: IpHeaders, data: &[u8]) -> Vec<u8> {
        let is = |flag| self.flags & flag != 0;
        let mut tcp = TcpHeader::new(self.from, self.to, self.sequence, 0);

        tcp.acknowledgment_number = self.acknowledgment;
        tcp.fin = is(Self::FIN);
        tcp.syn = is(Self::SYN);
        tcp.rst = is(Self::RST);
        tcp.psh = is(Self::PSH);
        tcp.ack = is(Self::ACK);
        tcp.ece = is(Self::ECE);
        tcp.window_size = if tcp.rst { 0 } else { 64_240 };
        tcp.options = TcpOptions::try_from_elements(&self.options).expect("options that fit");

        let builder = PacketBuilder::ethernet2(from.0, to.0)
            .ip(ip)
            .tcp_header(tcp);
        let mut frame = Vec::with_capacity(builder.size(data.len()));

        builder.write(&mut frame, data).expect("writing to memory");

        frame
    }
}

fn ipv6(flow: &Flow6, traffic_class: u8) -> IpHeaders {
    let header = Ipv6Header {
        traffic_class,
        flow_label: Ipv6FlowLabel::ZERO,
        payload_length: 0,
        next_header: IpNumber::TCP,
        hop_limit: flow.hops,
        source: flow.from.octets(),
        destination: flow.to.octets(),
    };

    IpHeaders::Ipv6(header, Default::default())
}
