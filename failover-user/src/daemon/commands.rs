//! What administrators ask.

use std::{collections::BTreeSet, time::Duration};

use tokio::sync::oneshot;

use super::{Daemon, layout, reload::Asker};
use crate::{
    control::{
        protocol::{Failure, FailureKind, Reply, Request},
        server::Call,
    },
    policy::{Command, Input, State, UnitId},
    reflector::dead_man::HAND_OVER,
};

/// A command that is under way.
#[derive(Debug)]
pub(super) struct Waiting {
    command: Command,
    source: usize,
    units: BTreeSet<UnitId>,
    /// With `failback --stop-monitoring`: send no more heartbeats once the addresses are off the NICs.
    stop_monitoring: bool,
    /// It is still being given to its units: not to be answered yet, whatever has come back.
    being_given: bool,
    /// What has been done so far, to be told at the end.
    done: Done,
    reply: oneshot::Sender<Reply>,
}

#[derive(Debug, Default)]
struct Done {
    held: usize,
    longest_ns: u64,
    error: Option<String>,
    /// A hook has prevented the failback.
    prevented: bool,
    /// It was the answer to the question about a conflict.
    of_conflict: bool,
}

pub(super) fn failure(kind: FailureKind, message: impl Into<String>) -> Reply {
    Reply::Error(Failure {
        kind,
        message: message.into(),
    })
}

impl Daemon {
    pub(super) fn on_call(&mut self, call: Call) {
        let Call { request, reply } = call;
        let now = match request {
            Request::Status { source } => self.answer_status(source.as_deref()),
            Request::Events { .. } => failure(
                FailureKind::BadRequest,
                "events are answered by the control server",
            ),
            Request::Takeover {
                source,
                path,
                even_if_healthy,
            } => {
                return self.begin_takeover(&source, path, even_if_healthy, reply);
            }
            Request::Failback {
                source,
                stop_monitoring,
            } => return self.begin_failback(&source, stop_monitoring, reply),
            Request::Approve { source } => {
                self.begin(&source, None, Command::Approve, reply);
                return;
            }
            Request::Decline { source } => {
                self.begin(&source, None, Command::Decline, reply);
                return;
            }
            Request::Hold { source } => return self.begin_hold(&source, Command::Hold, reply),
            Request::Resume { source } => return self.begin_resume(&source, reply),
            Request::HoldSelf => return self.begin_own_hold(true, reply),
            Request::ResumeSelf => return self.begin_own_hold(false, reply),
            Request::Reload => return self.begin_reload(Asker::Command(reply)),
            Request::Drill { source } => return self.begin_drill(&source, reply),
            Request::Stop { release } => return self.begin_end(release, reply),
        };
        answer(reply, now);
    }

    fn answer_status(&self, source: Option<&str>) -> Reply {
        match source.map(|name| self.find(name)) {
            Some(Err(unknown)) => *unknown,
            Some(Ok(index)) => self.status(Some(index)),
            None => self.status(None),
        }
    }

    /// Index of a source.
    pub(super) fn find(&self, name: &str) -> Result<usize, Box<Reply>> {
        layout::sources(&self.config)
            .find(|(_, source)| source.name == name)
            .map(|(index, _)| index)
            .ok_or_else(|| {
                let known: Vec<&str> = layout::sources(&self.config)
                    .map(|(_, source)| source.name.as_str())
                    .collect();
                let message = match known.as_slice() {
                    [] => format!("there is no source `{name}`: the configuration has none"),
                    known => format!("there is no source `{name}`; there is {}", known.join(", ")),
                };
                Box::new(failure(FailureKind::BadRequest, message))
            })
    }

    fn begin_takeover(
        &mut self,
        name: &str,
        path: Option<usize>,
        even_if_healthy: bool,
        reply: oneshot::Sender<Reply>,
    ) {
        let healthy = |daemon: &Self, unit| {
            matches!(
                daemon.policy.state(unit),
                Some(State::Healthy | State::Suspect)
            )
        };
        let units = self
            .find(name)
            .map(|source| layout::units_of(&self.config, source, path));
        if let Ok(units) = units
            && !even_if_healthy
            && units.iter().any(|unit| healthy(self, *unit))
        {
            let message = format!(
                "{name} answers: for a planned switchover say `failover takeover {name} --yes`"
            );
            return answer(reply, failure(FailureKind::Refused, message));
        }
        self.begin(name, path, Command::Takeover, reply);
    }

    fn begin_failback(&mut self, name: &str, stop_monitoring: bool, reply: oneshot::Sender<Reply>) {
        crate::fault::point("failback:asked");
        // Heartbeats go on until the source has its addresses: they tell whether it can be handed them.
        self.begin_with(name, None, Command::Failback, stop_monitoring, reply);
    }

    /// `hold` and `resume` are answered when they are on the disk: what is done by itself must not come back with a restart.
    fn begin_hold(&mut self, name: &str, command: Command, reply: oneshot::Sender<Reply>) {
        let (_, units) = match self.addressed(name, None) {
            Ok(addressed) => addressed,
            Err(wrong) => return answer(reply, *wrong),
        };
        let mut refusal = None;
        let mut taken = false;
        for unit in units {
            match self.try_feed(Input::Command { unit, command }) {
                Ok(()) => taken = true,
                Err(refused) => refusal = Some(refused.to_string()),
            }
        }
        match refusal {
            Some(refusal) if !taken => answer(reply, failure(FailureKind::Refused, refusal)),
            Some(_) | None => self.answer_when_kept(
                if command == Command::Hold {
                    format!(
                        "{name} is on hold: nothing is done about it until `failover resume {name}`"
                    )
                } else {
                    format!("{name} is protected again")
                },
                reply,
            ),
        }
    }

    /// The end of a hold, or of `failback --stop-monitoring`.
    fn begin_resume(&mut self, name: &str, reply: oneshot::Sender<Reply>) {
        let source = match self.find(name) {
            Ok(source) => source,
            Err(unknown) => return answer(reply, *unknown),
        };
        if !self.unmonitored.remove(&source) {
            return self.begin_hold(name, Command::Resume, reply);
        }
        self.fading.remove(&source);
        for unit in layout::units_of(&self.config, source, None) {
            if self.policy.on_hold(unit)
                && let Err(refused) = self.try_feed(Input::Command {
                    unit,
                    command: Command::Resume,
                })
            {
                tracing::warn!(reason = %refused, "the hold goes on");
            }
        }
        self.remember();
        if let Err(error) = self.watch_all() {
            return answer(reply, failure(FailureKind::Failed, format!("{error:#}")));
        }
        self.answer_when_kept(format!("{name} is monitored again"), reply);
    }

    /// Answers once the memory is on the disk; a daemon that cannot write says so.
    pub(super) fn answer_when_kept(&self, text: String, reply: oneshot::Sender<Reply>) {
        let settled = self.store.settled();
        tokio::spawn(async move {
            let text = match settled.await {
                Ok(()) => text,
                Err(error) => {
                    format!(
                        "{text}; but a restart will not know of it, because the state directory cannot be written: {error}"
                    )
                }
            };
            answer(reply, Reply::Done(text));
        });
    }

    fn begin(
        &mut self,
        name: &str,
        path: Option<usize>,
        command: Command,
        reply: oneshot::Sender<Reply>,
    ) {
        self.begin_with(name, path, command, false, reply);
    }

    /// Gives a command to every unit that it is for. It is done by those that take it; refused if none does.
    fn begin_with(
        &mut self,
        name: &str,
        path: Option<usize>,
        command: Command,
        stop_monitoring: bool,
        reply: oneshot::Sender<Reply>,
    ) {
        let (source, units) = match self.addressed(name, path) {
            Ok(addressed) => addressed,
            Err(wrong) => return answer(reply, *wrong),
        };
        // The wait is set up first: the result may come before `try_feed` returns.
        self.waiting.push(Waiting {
            command,
            source,
            units: units.clone(),
            stop_monitoring,
            being_given: true,
            done: Done::default(),
            reply,
        });
        let mut refusal = None;
        let mut taken = false;
        for unit in units {
            let answers = matches!(command, Command::Approve | Command::Decline);
            let of_conflict = answers && self.policy.state(unit) == Some(State::Conflict);
            match self.try_feed(Input::Command { unit, command }) {
                Ok(()) => {
                    taken = true;
                    // The addresses are here already: no takeover follows.
                    if of_conflict && let Some(waiting) = self.given() {
                        waiting.units.remove(&unit);
                        waiting.done.of_conflict = true;
                    }
                }
                Err(refused) => {
                    refusal = Some(refused.to_string());
                    if let Some(waiting) = self.given() {
                        waiting.units.remove(&unit);
                    }
                }
            }
        }
        self.all_given(command, name, refusal.filter(|_| !taken));
    }

    /// The source that a command names, and the units that it is for.
    fn addressed(
        &self,
        name: &str,
        path: Option<usize>,
    ) -> Result<(usize, BTreeSet<UnitId>), Box<Reply>> {
        let source = self.find(name)?;
        let wrong = |message| Err(Box::new(failure(FailureKind::BadRequest, message)));
        let units = layout::units_of(&self.config, source, path);
        if units.is_empty() {
            let paths = self.config.sources[source].paths.len();
            return wrong(format!("{name} has {paths} paths; --path counts from 1"));
        }
        if path.is_some() && units.iter().any(|unit| unit.path.is_none()) {
            return wrong(format!(
                "{name} is taken over as a whole (trigger is not \"path\"): leave --path out"
            ));
        }
        Ok((source, units))
    }

    /// Every unit has heard of the command: answers it if there is nothing more to wait for.
    fn all_given(&mut self, command: Command, name: &str, refusal: Option<String>) {
        let Some(place) = self.waiting.iter().position(|waiting| waiting.being_given) else {
            return;
        };
        self.waiting[place].being_given = false;
        let early = match refusal {
            Some(refusal) => failure(FailureKind::Refused, refusal),
            None if command == Command::Decline && self.waiting[place].done.of_conflict => {
                Reply::Done(format!("the addresses of {name} are given up"))
            }
            // A restart must not ask again.
            None if command == Command::Decline => {
                let reply = self.waiting.remove(place).reply;
                let text = format!("{name} is left alone until it answers again");
                return self.answer_when_kept(text, reply);
            }
            None => return self.answer_finished(),
        };
        answer(self.waiting.remove(place).reply, early);
    }

    /// The command that is being given to its units; there is one at a time.
    fn given(&mut self) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.being_given)
    }

    /// A takeover has been carried out.
    pub(super) fn settle_takeover(
        &mut self,
        unit: UnitId,
        held: usize,
        took_ns: u64,
        error: Option<&str>,
    ) {
        for waiting in &mut self.waiting {
            if matches!(waiting.command, Command::Takeover | Command::Approve)
                && waiting.units.remove(&unit)
            {
                waiting.done.held += held;
                waiting.done.longest_ns = waiting.done.longest_ns.max(took_ns);
                waiting.done.error = waiting
                    .done
                    .error
                    .take()
                    .or_else(|| error.map(str::to_owned));
            }
        }
        self.answer_finished();
    }

    /// A step of a failback, of which whoever waits for it is told if it failed.
    pub(super) fn note_failback(&mut self, unit: UnitId, result: &anyhow::Result<()>) {
        let Err(error) = result else {
            return;
        };
        for waiting in &mut self.waiting {
            if waiting.command == Command::Failback && waiting.units.contains(&unit) {
                waiting
                    .done
                    .error
                    .get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }

    /// The addresses of a unit are off the NICs.
    pub(super) fn settle_failback(&mut self, unit: UnitId, result: &anyhow::Result<()>) {
        self.note_failback(unit, result);
        for waiting in &mut self.waiting {
            if waiting.command == Command::Failback {
                waiting.units.remove(&unit);
            }
        }
        self.answer_finished();
    }

    /// The addresses of a unit stay here.
    pub(super) fn failback_prevented(&mut self, unit: UnitId, cause: &str) {
        for waiting in &mut self.waiting {
            if waiting.command == Command::Failback && waiting.units.remove(&unit) {
                waiting.done.prevented = true;
                waiting.done.error = Some(cause.to_owned());
            }
        }
        self.answer_finished();
    }

    fn answer_finished(&mut self) {
        for place in (0..self.waiting.len()).rev() {
            if self.waiting[place].units.is_empty() && !self.waiting[place].being_given {
                let waiting = self.waiting.remove(place);
                if waiting.stop_monitoring && !waiting.done.prevented {
                    self.stop_monitoring(waiting.source);
                }
                let name = &self.config.sources[waiting.source].name;
                let text = outcome(name, &waiting);
                answer(waiting.reply, text);
            }
        }
    }

    fn begin_end(&mut self, release: bool, reply: oneshot::Sender<Reply>) {
        if !release && self.is_releasing() {
            let message = "the addresses are being given back, and the daemon ends behind that: `failover stop --release` waits for it";
            return answer(reply, failure(FailureKind::Refused, message));
        }
        if !release {
            answer(
                reply,
                Reply::Done(match &self.config.reflector {
                    None => "the data plane goes on without the daemon until the next one starts"
                        .to_owned(),
                    Some(_) => format!(
                        "the data plane goes on without the daemon until the next one starts; heartbeats to this host are answered for {} more",
                        humantime::format_duration(HAND_OVER)
                    ),
                }),
            );
            return self.hand_over();
        }
        if !self.release(reply) {
            return;
        }
        for unit in self.policy.units().collect::<Vec<_>>() {
            if let Err(refused) = self.try_feed(Input::Command {
                unit,
                command: Command::Release,
            }) {
                tracing::warn!(reason = %refused, "not released");
            }
        }
    }
}

fn outcome(name: &str, waiting: &Waiting) -> Reply {
    let Done {
        held,
        longest_ns,
        error,
        prevented,
        of_conflict,
    } = &waiting.done;
    let takes = matches!(waiting.command, Command::Takeover | Command::Approve);
    match (takes, error) {
        (true, Some(error)) if *held == 0 => failure(
            FailureKind::Failed,
            format!("{name} was not taken over: {error}"),
        ),
        (true, Some(error)) => failure(
            FailureKind::Failed,
            format!("{name} is taken over in part ({held} addresses): {error}"),
        ),
        (true, None) if *held == 0 && *of_conflict => {
            Reply::Done(format!("the addresses of {name} are defended"))
        }
        (true, None) if *held == 0 => failure(
            FailureKind::Failed,
            format!("{name} was not taken over: no address was taken"),
        ),
        (true, None) => {
            let plural = if *held == 1 { "address" } else { "addresses" };
            let took = Duration::from_nanos(*longest_ns);
            Reply::Done(format!(
                "{name} is taken over: {held} {plural} in {took:.1?}"
            ))
        }
        (false, Some(error)) if *prevented => failure(
            FailureKind::Failed,
            format!("{name} was not given back: {error}"),
        ),
        (false, Some(error)) => failure(
            FailureKind::Failed,
            format!("{name} is given back, but: {error}"),
        ),
        (false, None) => Reply::Done(format!("{name} has its addresses back")),
    }
}

/// A client that has gone away needs no answer.
pub(super) fn answer(reply: oneshot::Sender<Reply>, text: Reply) {
    if reply.send(text).is_err() {
        tracing::debug!("a control client has gone before its answer");
    }
}
