//! A source that knows which addresses are its own, and keeps off them while it has to: in IPv4, in IPv6, and with both in one
//! path.

mod coming_back;
mod early;
mod frozen;
mod handed_back;
mod home;
pub(crate) mod speaking;

use failover_tests::lab::Daemon;
use serde_json::Value;

use crate::pair::PATIENCE;

pub(crate) use home::careful;
use home::{Home, Versions};

/// Standing of each address of the identity, and whether it is fenced.
pub(crate) fn identity(status: &Value) -> Vec<(String, bool)> {
    let identity = status["reflector"]["identity"]
        .as_array()
        .expect("an identity");
    identity
        .iter()
        .map(|address| {
            let standing = address["standing"].as_str().expect("a standing");
            (standing.to_owned(), address["fenced"] == true)
        })
        .collect()
}

pub(crate) fn wait_until_ours(daemon: &Daemon) {
    wait_until_all_are(daemon, "ours", false);
}

pub(crate) fn wait_until_elsewhere(daemon: &Daemon) {
    wait_until_all_are(daemon, "elsewhere", true);
}

#[track_caller]
fn wait_until_all_are(daemon: &Daemon, standing: &str, fenced: bool) {
    let wanted = (standing.to_owned(), fenced);
    daemon.wait_for(
        PATIENCE,
        &format!("the identity to be {standing}"),
        |status| identity(status).iter().all(|one| *one == wanted),
    );
}
