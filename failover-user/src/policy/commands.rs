//! An administrator's commands: carried out, or refused with the reason and what to do instead.

use super::{
    Cause, Command, Refused, State,
    table::{self, On},
    trigger::UnitVerdict,
    unit::{Fresh, Phase, Turn, Unit},
    words,
};

impl Unit {
    /// Carries a command out.
    ///
    /// # Errors
    ///
    /// The state does not allow it.
    pub(super) fn on_command(&mut self, turn: &mut Turn, command: Command) -> Result<(), Refused> {
        match command {
            Command::Takeover => self.on_takeover_command(turn),
            Command::Failback => self.on_failback_command(turn),
            Command::Approve => self.on_approve(turn),
            Command::Decline => self.on_decline(turn),
            Command::Hold => self.on_hold_command(turn),
            Command::Resume => self.on_resume(turn),
            Command::Release => {
                self.on_release(turn);
                Ok(())
            }
        }
    }

    /// Allowed in every state in which nothing is held or under way. That includes `isolated`: the administrator may know
    /// that the source is dead, or be about to plug the cable in again; the cause says what was overridden.
    fn on_takeover_command(&mut self, turn: &mut Turn) -> Result<(), Refused> {
        self.refuse_while_stopping()?;
        match self.state {
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::Isolated
            | State::Failed
            | State::Held
            | State::AwaitingApproval => {
                let cause = words::for_takeover_by_hand(self);
                self.go(turn, State::TakingOver, On::Takeover, cause);
                self.begin_takeover(turn, Cause::Operator, Fresh::No);
                Ok(())
            }
            State::HeldElsewhere => {
                let why = format!("{}: fail back there first, or they would be in use twice", self.cause);
                self.refuse(&why)
            }
            State::Conflict => self.refuse("this host holds its addresses already, and another one claims them; to defend them: failover approve; to give them up: failover failback"),
            State::TakingOver => self.refuse("it is being taken over right now; watch `failover status`"),
            State::TakenOver => self.refuse("this host holds its addresses already; to give them back: failover failback"),
            State::FailingBack => {
                self.refuse("its addresses are going back; take over again when `failover status` shows that it is done")
            }
        }
    }

    fn on_failback_command(&mut self, turn: &mut Turn) -> Result<(), Refused> {
        match self.state {
            State::TakenOver | State::Conflict => {
                self.start_failback(turn, On::Failback, words::FAILBACK);
                Ok(())
            }
            State::TakingOver => {
                self.refuse("it is being taken over right now; fail back when it is taken-over")
            }
            State::FailingBack => {
                self.refuse("its addresses are going back already; watch `failover status`")
            }
            State::AwaitingApproval => self.refuse(
                "this host holds none of its addresses; to end the prompt: failover decline",
            ),
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::Isolated
            | State::Held
            | State::HeldElsewhere
            | State::Failed => self
                .refuse("this host holds none of its addresses, so there is nothing to give back"),
        }
    }

    fn on_approve(&mut self, turn: &mut Turn) -> Result<(), Refused> {
        self.refuse_while_stopping()?;
        match self.state {
            State::AwaitingApproval => {
                self.go(turn, State::TakingOver, On::Approve, words::APPROVED);
                self.begin_takeover(turn, Cause::Approved, Fresh::No);
                Ok(())
            }
            State::Conflict if self.asks_about_conflict() => {
                self.defend_from_now_on(turn);
                Ok(())
            }
            State::Conflict => self.refuse("its addresses are being defended already"),
            State::TakingOver | State::TakenOver => {
                self.refuse("nothing to approve, the takeover was decided already")
            }
            State::FailingBack => self.refuse("nothing to approve, its addresses are going back"),
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::Isolated
            | State::Held
            | State::HeldElsewhere
            | State::Failed => self
                .refuse("nothing waits for approval; to take over all the same: failover takeover"),
        }
    }

    fn on_decline(&mut self, turn: &mut Turn) -> Result<(), Refused> {
        match self.state {
            State::AwaitingApproval => {
                self.phase = Phase::Idle;
                self.go(turn, State::Failed, On::Decline, words::DECLINED);
                Ok(())
            }
            State::Conflict if self.asks_about_conflict() => {
                self.start_failback(turn, On::Decline, words::NOT_DEFENDED);
                Ok(())
            }
            State::Conflict => self
                .refuse("nothing waits for approval; to give the addresses up: failover failback"),
            State::TakingOver | State::TakenOver => {
                self.refuse("too late to decline; to give the addresses back: failover failback")
            }
            State::FailingBack => self.refuse("nothing to decline, its addresses are going back"),
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::Isolated
            | State::Held
            | State::HeldElsewhere
            | State::Failed => self.refuse("nothing waits for approval"),
        }
    }

    /// The daemon stops: gives back what is held, as soon as that is possible, and takes nothing any more.
    fn on_release(&mut self, turn: &mut Turn) {
        self.released = true;
        self.arm(turn);
        match self.state {
            State::TakenOver | State::Conflict => {
                self.start_failback(turn, On::Release, words::STOPPING);
            }
            State::AwaitingApproval => {
                self.phase = Phase::Idle;
                self.go(turn, State::Failed, On::Release, words::STOPPING);
            }
            // The takeover's report begins the failback; a failback goes on.
            State::TakingOver | State::FailingBack => {}
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::Isolated
            | State::Held
            | State::HeldElsewhere
            | State::Failed => {}
        }
    }

    /// From now on this host does nothing about the source by itself; commands are still carried out.
    fn on_hold_command(&mut self, turn: &mut Turn) -> Result<(), Refused> {
        if self.hold {
            return self.refuse("on hold already; to end that: failover resume");
        }
        self.hold = true;
        self.begin_hold(turn, On::Hold);
        Ok(())
    }

    /// The source says that it is on hold for its own administrator, or is in service again.
    pub(super) fn on_remote_hold(&mut self, turn: &mut Turn, path: usize, on: bool) {
        let before = self.paths.remote_hold();
        self.paths.report_hold(path, on);
        match (before, self.paths.remote_hold()) {
            (false, true) if !self.hold => self.begin_hold(turn, On::SourceHold),
            (true, false) if !self.hold => self.end_hold(turn),
            // What an administrator has said here goes on.
            (false, false) | (true, true) | (false, true) | (true, false) => {}
        }
    }

    /// Nothing is done by itself from now on.
    fn begin_hold(&mut self, turn: &mut Turn, on: On) {
        let cause = self.hold_cause();
        match self.state {
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::Isolated
            | State::Failed
            | State::AwaitingApproval
            | State::HeldElsewhere => {
                self.phase = Phase::Idle;
                self.go(turn, State::Held, on, cause);
            }
            // What is under way is finished, and what is held stays: no automatic failback.
            State::TakingOver | State::FailingBack | State::TakenOver | State::Conflict => {
                self.watch_for_failback(turn.now);
            }
            // One of two holds, and the other one may end first.
            State::Held => self.cause = cause.to_owned(),
        }
        self.arm(turn);
    }

    /// The configuration's rules apply again, to things as they are now.
    fn on_resume(&mut self, turn: &mut Turn) -> Result<(), Refused> {
        if !self.hold {
            return self.refuse("not on hold");
        }
        self.hold = false;
        if self.paths.remote_hold() && self.state == State::Held {
            self.cause = words::REMOTE_HOLD.to_owned();
            return Ok(());
        }
        self.end_hold(turn);
        Ok(())
    }

    /// Nobody wants it on hold any more.
    fn end_hold(&mut self, turn: &mut Turn) {
        if self.state != State::Held {
            self.watch_for_failback(turn.now);
            return self.arm(turn);
        }
        let to = match self.paths.verdict() {
            UnitVerdict::Unknown => State::Unknown,
            UnitVerdict::Healthy => State::Healthy,
            UnitVerdict::Suspect => State::Suspect,
            UnitVerdict::Isolated => State::Isolated,
            UnitVerdict::Failed => {
                return self.on_verdict(turn, On::Resume, "", Fresh::No);
            }
        };
        let cause = words::for_paths(self, State::Held);
        self.go(turn, to, On::Resume, cause);
    }

    fn refuse_while_stopping(&self) -> Result<(), Refused> {
        if self.released {
            self.refuse("the daemon is stopping and takes nothing over")
        } else {
            Ok(())
        }
    }

    fn refuse(&self, why: &str) -> Result<(), Refused> {
        Err(Refused(format!(
            "{} is {}: {why}",
            self.label,
            table::name(self.state)
        )))
    }
}
