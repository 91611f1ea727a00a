//! `[[reflector.check]]`: what a healthy source does.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use super::{
    hooks,
    item::Item,
    keys::Kind,
    problem::Complaint,
    reader::{Collector, Section},
    types::{Check, CheckKind},
};

/// `interval` and `timeout` can be this.
const TIMES: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60 * 60);
/// `fall` and `rise` can be this.
const COUNTS: RangeInclusive<u32> = 1..=1000;
/// Where a check goes if its address is written without a port.
const HTTP_PORT: u16 = 80;

/// Reads the `number`th check, counted from 1; `None` if something in it is wrong.
pub(super) fn read(item: &Item<'_>, number: usize, out: &mut Collector) -> Option<Check> {
    let entries = item.table("[reflector.check]", out)?;
    let mut place = item.place.clone();
    place.key = format!("reflector, check {number}");
    let section = Section::open(Kind::Check, entries, place, out);

    let what = what(&section, out);
    let mut time = |key, default| match section.get(key) {
        Some(item) => item.duration(TIMES, out),
        None => Some(default),
    };
    let interval = time("interval", Duration::from_secs(1));
    let timeout = time("timeout", Duration::from_secs(1));
    let mut count = |key, default| match section.get(key) {
        Some(item) => item.integer(COUNTS, out),
        None => Some(default),
    };
    let (fall, rise) = (count("fall", 3), count("rise", 2));
    Some(Check {
        what: what?,
        interval: interval?,
        timeout: timeout?,
        fall: fall?,
        rise: rise?,
    })
}

/// Exactly one of `tcp`, `http` and `command`.
fn what(section: &Section<'_>, out: &mut Collector) -> Option<CheckKind> {
    let set: Vec<_> = ["tcp", "http", "command"]
        .into_iter()
        .filter_map(|key| Some((key, section.get(key)?)))
        .collect();
    if set.is_empty() {
        let complaint = Complaint::new("nothing is checked: none of tcp, http and command is set");
        out.miss(
            &section.place,
            complaint.help("add `tcp = \"127.0.0.1:80\"`, for example"),
        );
        return None;
    }
    let mut kinds = Vec::new();
    for (at, (key, item)) in set.iter().enumerate() {
        if let Some((first, other)) = set.first().filter(|_| at > 0) {
            let complaint = Complaint::new(format!("this check has `{first}` already"));
            let help = "a check is one of tcp, http and command; write another [[reflector.check]]";
            let found = complaint.help(help).at(&item.place).after(&other.place);
            out.found.push(found);
        }
        kinds.push(match *key {
            "tcp" => {
                let to = item.parsed("an address and a port", "127.0.0.1:80", parse_socket, out);
                to.map(|to| {
                    out.inventory.checks.push((to.ip(), item.place.clone()));
                    CheckKind::Tcp(to)
                })
            }
            "http" => {
                let url = item.parsed("a URL", "http://127.0.0.1:80/health", parse_url, out);
                url.map(|(to, path)| {
                    out.inventory.checks.push((to.ip(), item.place.clone()));
                    CheckKind::Http { to, path }
                })
            }
            _ => hooks::command(item, "command", out).map(CheckKind::Command),
        });
    }
    kinds.into_iter().next().flatten()
}

fn parse_socket(text: &str) -> Result<SocketAddr, Complaint> {
    let shown = text.escape_debug();
    let complaint = Complaint::new(format!("\"{shown}\" is not an address and a port"));
    let to: SocketAddr = text.parse().map_err(|_| {
        complaint
            .help("write it like \"127.0.0.1:80\" or \"[::1]:80\"; host names are not looked up")
    })?;
    if to.port() == 0 {
        let complaint = Complaint::new("0 is not a port");
        return Err(complaint.help("write a port from 1 to 65535"));
    }
    Ok(to)
}

/// `http://127.0.0.1:8080/health`, as address and path.
fn parse_url(text: &str) -> Result<(SocketAddr, String), Complaint> {
    let shown = text.escape_debug();
    let example = "write it like \"http://127.0.0.1:80/health\"";
    let Some(rest) = text.strip_prefix("http://") else {
        let message = if text.starts_with("https://") {
            "https is not spoken by this check".to_owned()
        } else {
            format!("\"{shown}\" is not a URL")
        };
        let help = "for https use a command, such as [\"/usr/bin/curl\", \"-fsS\", \"https://127.0.0.1/\"]";
        return Err(Complaint::new(message).help(format!("{example}; {help}")));
    };
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    // What ends a request line early would be another request.
    if !path.bytes().all(|octet| octet.is_ascii_graphic()) || path.contains('#') {
        let complaint = Complaint::new(format!("the path of \"{shown}\" cannot be asked for"));
        return Err(complaint.help("percent-encode spaces and other characters, and leave out `#`"));
    }
    let bare: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let to = match bare.filter(|ip| ip.is_ipv4() || host.starts_with('[')) {
        Some(ip) => SocketAddr::new(ip, HTTP_PORT),
        None => parse_socket(host)?,
    };
    Ok((to, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_an_address_and_a_path() {
        for (url, to, path) in [
            (
                "http://127.0.0.1:8080/health?x=1",
                "127.0.0.1:8080",
                "/health?x=1",
            ),
            ("http://127.0.0.1", "127.0.0.1:80", "/"),
            ("http://[::1]/a", "[::1]:80", "/a"),
            ("http://[::1]:81/", "[::1]:81", "/"),
        ] {
            let to: SocketAddr = to.parse().unwrap();

            assert_eq!(parse_url(url), Ok((to, path.to_owned())), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_host_is_refused_with_a_reason() {
        for (url, reason) in [
            ("127.0.0.1/health", "\"127.0.0.1/health\" is not a URL"),
            ("https://127.0.0.1/", "https is not spoken by this check"),
            (
                "http://localhost/",
                "\"localhost\" is not an address and a port",
            ),
            ("http:///x", "\"\" is not an address and a port"),
            ("http://::1/x", "\"::1\" is not an address and a port"),
            ("http://127.0.0.1:0/", "0 is not a port"),
            (
                "http://127.0.0.1/a b",
                "the path of \"http://127.0.0.1/a b\" cannot be asked for",
            ),
            (
                "http://127.0.0.1/a\r\nx:",
                "the path of \"http://127.0.0.1/a\\r\\nx:\" cannot be asked for",
            ),
        ] {
            let complaint = parse_url(url).expect_err(url);

            assert_eq!(complaint.message, reason);
        }
    }
}
