//! `probe`: a word, or `tcp:PORT`.

use super::{item::Item, keys::nearest, problem::Complaint, reader::Collector, types::Probe};

const WORDS: [(&str, Probe); 3] = [
    ("sbfd", Probe::Sbfd),
    ("icmp", Probe::Icmp),
    ("arp", Probe::Arp),
];
const KNOWN: &str = "\"sbfd\", \"icmp\", \"arp\" or \"tcp:PORT\"";
const PORT: &str = "write a port from 1 to 65535, such as \"tcp:443\"";

/// What a heartbeat is.
pub(super) fn read(item: &Item<'_>, out: &mut Collector) -> Option<Probe> {
    item.parsed("a probe", "sbfd", parse, out)
}

fn parse(text: &str) -> Result<Probe, Complaint> {
    if let Some((_, probe)) = WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(*probe);
    }
    if text == "tcp" {
        return Err(Complaint::new("`tcp` needs a port").help(PORT));
    }
    if let Some(port) = text.strip_prefix("tcp:") {
        return tcp_port(port);
    }
    let complaint = Complaint::new(format!("\"{}\" is not known", text.escape_debug()));
    let help = match nearest(text, &WORDS.map(|(word, _)| word)) {
        Some(word) => format!("did you mean \"{word}\"? It can be {KNOWN}"),
        None => format!("write {KNOWN}"),
    };
    Err(complaint.help(help))
}

fn tcp_port(text: &str) -> Result<Probe, Complaint> {
    let shown = text.escape_debug();
    // `parse` takes a sign as well.
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let complaint = match text.parse::<u16>() {
        Ok(0) => Complaint::new("0 is not a TCP port"),
        Ok(port) if digits => return Ok(Probe::Tcp(port)),
        Err(_) if digits => Complaint::new(format!("{shown} is out of range")),
        Ok(_) | Err(_) => Complaint::new(format!("\"{shown}\" is not a TCP port")),
    };
    Err(complaint.help(PORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_is_read_as_it_is_written() {
        for probe in [
            Probe::Sbfd,
            Probe::Icmp,
            Probe::Arp,
            Probe::Tcp(1),
            Probe::Tcp(443),
            Probe::Tcp(65_535),
        ] {
            assert_eq!(parse(&probe.to_string()), Ok(probe));
        }
    }

    #[test]
    fn what_is_no_probe_is_refused_with_what_to_write() {
        let known = "write \"sbfd\", \"icmp\", \"arp\" or \"tcp:PORT\"";
        let imcp = "did you mean \"icmp\"? It can be \"sbfd\", \"icmp\", \"arp\" or \"tcp:PORT\"";
        for (text, message, help) in [
            ("tcp", "`tcp` needs a port", PORT),
            ("tcp:", "\"\" is not a TCP port", PORT),
            ("tcp:0", "0 is not a TCP port", PORT),
            ("tcp:65536", "65536 is out of range", PORT),
            ("tcp:+80", "\"+80\" is not a TCP port", PORT),
            ("tcp:https", "\"https\" is not a TCP port", PORT),
            ("tcp: 443", "\" 443\" is not a TCP port", PORT),
            ("imcp", "\"imcp\" is not known", imcp),
            ("bfd9000", "\"bfd9000\" is not known", known),
        ] {
            let complaint = parse(text).expect_err(text);

            assert_eq!(complaint.message, message);
            assert_eq!(complaint.help.as_deref(), Some(help), "{text}");
        }
    }
}
