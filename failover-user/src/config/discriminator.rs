//! `discriminator`: an IP address or a number.

use std::net::IpAddr;

use toml::de::DeValue;

use super::{item::Item, problem::Complaint, reader::Collector};

/// The discriminator of a reflector at this address, where none is configured: an IPv4 address as a number, the last 32
/// bits of an IPv6 address. `None`: these are 0, which identifies no reflector.
pub fn default_discriminator(ip: IpAddr) -> Option<u32> {
    let bits = match ip {
        IpAddr::V4(ip) => ip.to_bits(),
        IpAddr::V6(ip) => ip.to_bits() as u32,
    };
    (bits != 0).then_some(bits)
}

/// A discriminator other than 0 (RFC 7880 section 3: it identifies the reflector, and 0 identifies none).
pub(super) fn read(item: &Item<'_>, out: &mut Collector) -> Option<u32> {
    let help = "write an IP address such as \"10.0.0.10\", or a number from 1 to 4294967295";
    let result = match item.value {
        DeValue::String(text) => parse(text).map_err(|complaint| match complaint.help {
            Some(_) => complaint,
            None => complaint.help(help),
        }),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| Complaint::new(format!("{number} is out of range")).help(help))
            .and_then(|number| match number {
                0 => Err(Complaint::new("0 is not a discriminator").help(help)),
                number => Ok(number),
            }),
        DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => Err(item.wrong_type("an IP address or a number").help(help)),
    };
    out.keep(&item.place, result)
}

fn parse(text: &str) -> Result<u32, Complaint> {
    match text.parse::<IpAddr>() {
        Ok(ip) => default_discriminator(ip).ok_or_else(|| match ip {
            IpAddr::V4(_) => Complaint::new(format!("{ip} is not a discriminator")),
            IpAddr::V6(_) => Complaint::new(format!(
                "the last 32 bits of {ip} are 0, which is not a discriminator"
            )),
        }),
        Err(_) if text.parse::<u32>().is_ok() => {
            let complaint = Complaint::new(format!("\"{text}\" is a number in quotes"));
            Err(complaint.help("write it without the quotes"))
        }
        Err(_) => {
            let shown = text.escape_debug();
            Err(Complaint::new(format!("\"{shown}\" is not an IP address")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discriminator_is_what_both_ends_make_of_the_address() {
        for (text, discriminator) in [
            ("10.0.0.10", Some(0x0a00_000a)),
            ("fd00:0:0:1::ab:10", Some(0x00ab_0010)),
            ("fe80::1234:5678", Some(0x1234_5678)),
            ("fd00:0:0:1:1::", None),
        ] {
            let ip = text.parse().unwrap();

            assert_eq!(default_discriminator(ip), discriminator, "{text}");
        }
    }
}
