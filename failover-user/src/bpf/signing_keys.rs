//! The keys of the reflector and of the sessions, as the program has them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use aya::maps::{HashMap, MapData};
use failover_ebpf::abi::{Key, SessionKey, map};

use super::{
    maps::{ignore_absent, open},
    pins::Pins,
};

/// Handles of the maps of keys.
pub struct SigningKeys {
    reflector: HashMap<MapData, u32, Key>,
    sessions: HashMap<MapData, SessionKey, Key>,
    /// What the map of the sessions' keys has.
    known: BTreeSet<SessionKey>,
    /// Keys that replies may be signed with for some time yet, as their requests were: until when (monotonic clock, ns).
    leaving: BTreeMap<SessionKey, u64>,
}

impl SigningKeys {
    /// Opens the pinned maps.
    pub(super) fn open(pins: &Pins) -> anyhow::Result<Self> {
        let sessions: HashMap<MapData, SessionKey, Key> = open(pins, map::SESSION_KEYS)?;
        let known = sessions
            .keys()
            .collect::<Result<_, _>>()
            .context("listing the keys of sessions")?;
        Ok(Self {
            reflector: open(pins, map::KEYS)?,
            sessions,
            known,
            leaving: BTreeMap::new(),
        })
    }

    /// Replaces the reflector's keys. Those that stay are accepted all the time.
    pub fn set_reflector(&mut self, keys: &[(u8, Key)]) -> anyhow::Result<()> {
        for (id, key) in keys {
            self.reflector
                .insert(u32::from(*id), key, 0)
                .with_context(|| format!("writing key {id} of the reflector"))?;
        }
        let stale: Vec<u32> = self
            .reflector
            .keys()
            .filter(|known| {
                !known
                    .as_ref()
                    .is_ok_and(|known| keys.iter().any(|(id, _)| u32::from(*id) == *known))
            })
            .collect::<Result<_, _>>()
            .context("listing the keys of the reflector")?;
        for id in stale {
            ignore_absent(self.reflector.remove(&id))
                .with_context(|| format!("removing key {id} of the reflector"))?;
        }
        Ok(())
    }

    /// Replaces the keys of a session. One that is not among them any more is accepted until `until_ns`: a request that was
    /// signed with it may be under way.
    pub fn set_session(
        &mut self,
        session: u16,
        keys: &[(u8, Key)],
        until_ns: u64,
    ) -> anyhow::Result<()> {
        let session = u32::from(session);
        for (id, key) in keys {
            let place = SessionKey {
                session,
                id: u32::from(*id),
            };
            self.sessions
                .insert(place, key, 0)
                .with_context(|| format!("writing key {id} of session {session}"))?;
            self.known.insert(place);
            self.leaving.remove(&place);
        }
        for place in self.of_session(session) {
            if !keys.iter().any(|(id, _)| u32::from(*id) == place.id) {
                self.leaving.entry(place).or_insert(until_ns);
            }
        }
        Ok(())
    }

    /// Removes the keys of a session that is no more.
    pub fn clear_session(&mut self, session: u16) -> anyhow::Result<()> {
        for place in self.of_session(u32::from(session)) {
            self.remove(place)?;
        }
        Ok(())
    }

    /// Removes the keys of all other sessions than these: an earlier daemon may have left them.
    pub fn retain_sessions(&mut self, sessions: &BTreeSet<u16>) -> anyhow::Result<()> {
        let of_these = |place: &SessionKey| {
            u16::try_from(place.session).is_ok_and(|number| sessions.contains(&number))
        };
        let known = self.known.iter().copied();
        let others: Vec<SessionKey> = known.filter(|place| !of_these(place)).collect();
        for place in others {
            self.remove(place)?;
        }
        Ok(())
    }

    /// Removes the keys whose time has come.
    pub fn expire(&mut self, now: u64) -> anyhow::Result<()> {
        let due: Vec<SessionKey> = self
            .leaving
            .iter()
            .filter(|(_, until_ns)| **until_ns <= now)
            .map(|(place, _)| *place)
            .collect();
        for place in due {
            self.remove(place)?;
        }
        Ok(())
    }

    fn of_session(&self, session: u32) -> Vec<SessionKey> {
        let first = SessionKey { session, id: 0 };
        let last = SessionKey {
            session,
            id: u32::MAX,
        };
        self.known.range(first..=last).copied().collect()
    }

    fn remove(&mut self, place: SessionKey) -> anyhow::Result<()> {
        let SessionKey { session, id } = place;
        ignore_absent(self.sessions.remove(&place))
            .with_context(|| format!("removing key {id} of session {session}"))?;
        self.known.remove(&place);
        self.leaving.remove(&place);
        Ok(())
    }
}
