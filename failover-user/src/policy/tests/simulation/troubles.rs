//! What goes wrong, and what administrators say.

use rand::Rng;

use super::{
    draw::{Trouble, What},
    events::Event,
    network::{Host, MS},
    world::World,
};
use crate::policy::{Command, Input, Now, UnitId};

impl World {
    pub(super) fn trouble(&mut self, number: usize, begins: bool) {
        let Trouble { lasts, what, .. } = self.draw.troubles[number].clone();
        self.note(|_| format!("{} {what:?}", if begins { "TROUBLE" } else { "over:" }));
        self.wake_all();
        let count = |count: &mut u32| {
            *count = if begins { *count + 1 } else { *count - 1 };
            *count
        };
        let mut ends = lasts != Now::MAX;
        if matches!(what, What::Dies | What::Freezes) {
            self.source.since = self.now;
        }
        match what {
            What::Dies => {
                if count(&mut self.source.unpowered) == 0 {
                    self.source_starts(false);
                    self.source_is_back();
                }
            }
            What::Freezes => match count(&mut self.source.frozen) {
                1 if begins => self.source_freezes(),
                0 => self.source_thaws(),
                _ => {}
            },
            What::Mute => {
                count(&mut self.source.mute);
            }
            What::OnHold => {
                count(&mut self.source.on_hold);
            }
            What::Unplugged { lan, host } => {
                let plugged = count(&mut self.network.port(lan, host).unplugged) == 0;
                if plugged && host == Host::Source && self.source.lives() {
                    self.source_is_back();
                }
            }
            What::Flaps { lan, host, times } => {
                ends = false;
                let step = (lasts / (2 * times)).max(MS);
                for flap in 0..2 * times {
                    let plugged = flap % 2 == 1;
                    self.at(self.now + flap * step, Event::Flaps { lan, host, plugged });
                }
            }
            What::Cut { lan, host, way } => {
                count(&mut self.network.port(lan, host).ways[way].cut);
            }
            What::Split { lan, sides } if begins => self.network.split(lan, number, sides),
            What::Split { lan, .. } => self.network.unite(lan, number),
            What::Lossy {
                lan,
                host,
                way,
                loss,
            } => {
                let known = &mut self.network.port(lan, host).ways[way].loss;
                *known = if begins { *known + loss } else { *known - loss };
            }
            What::Late {
                lan,
                host,
                way,
                delay,
            } => {
                let known = &mut self.network.port(lan, host).ways[way].delay;
                *known = if begins {
                    *known + delay
                } else {
                    *known - delay
                };
            }
            What::Killed { target, gently } => {
                ends = false;
                self.kill(target, gently, lasts);
            }
            What::KilledAt { target, point } => {
                ends = false;
                self.targets[target].dies = Some((point, lasts));
            }
            What::Stalled { target } => {
                ends = false;
                let until = &mut self.targets[target].stalled_until;
                *until = (*until).max(self.now + lasts);
            }
            What::Busy { target } => {
                count(&mut self.targets[target].busy);
            }
            What::Says { target, command } => {
                ends = false;
                self.says(target, command, lasts);
            }
        }
        if begins && ends {
            self.at(self.now + lasts, Event::Ends(number));
        }
        self.changed();
    }

    /// Something around is different.
    pub(super) fn changed(&mut self) {
        self.network.refresh(self.now);
        self.source_follows_links();
        self.links_are_back();
        let silent = (0..self.draw.lans)
            .all(|lan| !self.source.lives() || !self.network.has_carrier(lan, Host::Source));
        self.note_witnesses();
        let now = self.now;
        let since = &mut self.checker.silent_since;
        *since = silent.then(|| since.unwrap_or(now));
    }

    fn says(&mut self, target: usize, command: Command, lasts: Now) {
        let units: Vec<UnitId> = match &self.targets[target].daemon {
            Some(daemon) => daemon.policy.units().collect(),
            None => return,
        };
        if command == Command::Release {
            if let Some(daemon) = &mut self.targets[target].daemon {
                daemon.ending = Some(lasts);
            }
            for unit in units {
                self.feed(target, Input::Command { unit, command });
            }
            self.ends_if_released(target);
            return;
        }
        let unit = units[self.rng.random_range(0..units.len())];
        self.feed(target, Input::Command { unit, command });
    }
}
