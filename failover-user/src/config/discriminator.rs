//! `discriminator`: an IPv4 address or a number.

use std::net::Ipv4Addr;

use toml::de::DeValue;

use super::{item::Item, problem::Complaint, reader::Collector};

/// A discriminator other than 0 (RFC 7880 section 3: it identifies the reflector, and 0 identifies none).
pub(super) fn read(item: &Item<'_>, out: &mut Collector) -> Option<u32> {
    let help = "write an IPv4 address such as \"10.0.0.10\", or a number from 1 to 4294967295";
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
        | DeValue::Table(_) => Err(item.wrong_type("an IPv4 address or a number").help(help)),
    };
    out.keep(&item.place, result)
}

fn parse(text: &str) -> Result<u32, Complaint> {
    match text.parse::<Ipv4Addr>() {
        Ok(Ipv4Addr::UNSPECIFIED) => Err(Complaint::new("0.0.0.0 is not a discriminator")),
        Ok(ip) => Ok(ip.to_bits()),
        Err(_) if text.parse::<u32>().is_ok() => {
            let complaint = Complaint::new(format!("\"{text}\" is a number in quotes"));
            Err(complaint.help("write it without the quotes"))
        }
        Err(_) => {
            let shown = text.escape_debug();
            Err(Complaint::new(format!(
                "\"{shown}\" is not an IPv4 address"
            )))
        }
    }
}
