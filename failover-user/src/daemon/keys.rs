//! Keys on their way to the program, in an order in which no heartbeat is lost.

use std::time::Duration;

use failover_ebpf::abi::{self, Settings, settings};

use super::{Daemon, layout};
use crate::{config::Key, monitor::clock};

impl Daemon {
    /// Writes settings and the keys of the reflector: while it asks for keys it has them.
    pub(super) fn write_reflector_keys(&mut self, settings: Settings) -> anyhow::Result<()> {
        let keys = self
            .config
            .reflector
            .as_ref()
            .map(|own| for_kernel(&own.keys));
        let keys = keys.unwrap_or_default();
        if settings.flags & settings::AUTHENTICATE == 0 {
            self.maps.set_settings(settings)?;
            self.maps.signing_keys.set_reflector(&keys)
        } else {
            self.maps.signing_keys.set_reflector(&keys)?;
            self.maps.set_settings(settings)
        }
    }

    /// A secret that an earlier daemon had, and that no session of ours has any use for, does not stay in the kernel.
    pub(super) fn forget_keys_of_others(&mut self) -> anyhow::Result<()> {
        let sessions = layout::paths(&self.config)
            .map(|(id, ..)| self.layout.session(id))
            .collect();
        self.maps.signing_keys.retain_sessions(&sessions)
    }

    /// Writes the keys of a session. Those that it had before are accepted as long as a request may be under way that was
    /// signed with one of them.
    pub(super) fn write_session_keys(
        &mut self,
        number: u16,
        keys: &[Key],
        interval: Duration,
    ) -> anyhow::Result<()> {
        // The latest such request may be sent an interval from now, and its reply takes at most another one to be in time.
        let until_ns = clock::now() + 2 * interval.as_nanos() as u64;
        self.maps
            .signing_keys
            .set_session(number, &for_kernel(keys), until_ns)
    }
}

fn for_kernel(keys: &[Key]) -> Vec<(u8, abi::Key)> {
    let keys = keys.iter();
    keys.map(|key| (key.id, key.secret.for_kernel())).collect()
}
