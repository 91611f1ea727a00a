//! `[daemon]`

use std::path::PathBuf;

use super::{
    item::Item,
    keys::Kind,
    problem::Complaint,
    reader::{Collector, Section},
    types::{DEFAULT_SOCKET, Daemon, XdpMode},
};

/// The longest path of a Unix socket, octets: `sun_path` (unix(7)) has 108, of which one ends it.
const MAX_SOCKET: usize = 107;

const XDP: &[(&str, XdpMode)] = &[
    ("native", XdpMode::Native),
    ("generic", XdpMode::Generic),
    ("auto", XdpMode::Auto),
];

/// Reads the daemon's own settings; refused ones are replaced by their defaults, and reported.
pub(super) fn read(item: Option<&Item<'_>>, out: &mut Collector) -> Daemon {
    let mut daemon = Daemon {
        socket: PathBuf::from(DEFAULT_SOCKET),
        xdp: XdpMode::Auto,
    };
    let Some(item) = item else { return daemon };
    let Some(entries) = item.table("daemon", out) else {
        return daemon;
    };
    let section = Section::open(Kind::Daemon, entries, item.place.clone(), out);
    let socket = section
        .get("socket")
        .and_then(|item| item.parsed("a path", DEFAULT_SOCKET, check_socket, out));
    if let Some(socket) = socket {
        daemon.socket = socket;
    }
    if let Some(xdp) = section.get("xdp").and_then(|item| item.choice(XDP, out)) {
        daemon.xdp = xdp;
    }
    daemon
}

fn check_socket(path: &str) -> Result<PathBuf, Complaint> {
    let help = format!("write an absolute path, such as \"{DEFAULT_SOCKET}\"");
    let shown = path.escape_debug();
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        let complaint = Complaint::new(format!("\"{shown}\" is not the absolute path of a file"));
        return Err(complaint.help(help));
    }
    if path.len() > MAX_SOCKET {
        let complaint = Complaint::new(format!("the path has {} octets", path.len()));
        return Err(complaint.help(format!(
            "a Unix socket's path has at most {MAX_SOCKET}; choose a shorter one"
        )));
    }
    Ok(PathBuf::from(path))
}
