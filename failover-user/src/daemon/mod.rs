//! The daemon: one tokio loop that hears of everything (the heartbeat thread, administrators, NICs, neighbours, the
//! clock), asks the policy, and does what it says. It is the only place that performs actions.
//!
//! [`start`] makes the pieces, [`reports`] and [`commands`] turn news into inputs, [`actions`] carries out what the policy
//! answers, [`reload`] takes another configuration, [`nics`], [`changes`] and [`watching`] keep up with the network, [`source_side`] looks after this host's own health and
//! addresses, [`status`] and [`story`] tell people.

mod actions;
mod changes;
mod commands;
mod conflicts;
mod defending;
mod discovery;
mod drill;
mod end;
mod forwarding;
mod hooking;
mod identity;
mod inquiring;
mod keys;
mod layout;
mod leftovers;
mod network;
mod nics;
mod plans;
mod port;
mod problems;
mod reload;
mod remembering;
mod reports;
mod restoring;
mod source_side;
mod start;
mod status;
mod story;
mod strays;
mod tcp_source;
mod unmonitored;
mod watching;
mod wavering;
mod witnesses;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use failover_ebpf::abi::Claim;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use self::{
    defending::Neighbourhood,
    forwarding::Forwarding,
    layout::Layout,
    network::Network,
    port::ReservedPort,
    reload::{Asker, Loaded, Reloading},
    story::Told,
    tcp_source::TcpSource,
};
use crate::{
    bpf::{
        claims,
        maps::Maps,
        pins::Pins,
        program::Program,
        shared::{HeardBoard, Sessions},
    },
    config::Config,
    control::server::{Call, Server},
    events::{EventKind, EventLog},
    memory::Store,
    monitor::{Monitor, PathStats, Report, Watch, clock, nics::Nics},
    net::{
        self, batch::BatchSocket, groups::Groups, link_watch::LinkEvent,
        neighbours::NeighbourEvent, only_one::OnlyOne, xdp::Mode,
    },
    policy::{Action, Finding, Input, PathId, PathState, Policy, UnitId, changes_memory},
    reflector::checks::Checked,
};

/// Where a daemon keeps things.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory on a BPF file system for its pins.
    pub bpffs: PathBuf,
    /// Directory for its events.
    pub state_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// The configuration file, for reloads.
    pub config: PathBuf,
}

/// A running daemon.
struct Daemon {
    config: Config,
    pins: Pins,
    program: Program,
    maps: Maps,
    sessions: Sessions,
    monitor: Monitor,
    policy: Policy,
    layout: Layout,
    network: Network,
    netlink: rtnetlink::Handle,
    batches: BatchSocket,
    /// For announcements that are not the heartbeat thread's.
    senders: Nics,
    /// How each managed NIC runs the program.
    attached: BTreeMap<String, Mode>,
    /// Why NICs are not managed that should be.
    unmanageable: BTreeMap<String, String>,
    /// NICs that the heartbeat thread could not open for sending.
    unopened: BTreeSet<String>,
    /// NICs whose routing table could not be filled.
    unrouted: BTreeSet<String>,
    /// NICs that have to do with addresses which are held, and not in the configuration any more.
    kept: BTreeSet<String>,
    /// Held addresses that are missing.
    restoring: restoring::Restoring,
    /// Something that is not held any more may still be on a NIC.
    leftovers: bool,
    /// Multicast groups that are listened to.
    groups: Groups,
    /// Why NICs do not listen to groups that they should.
    unheard: BTreeSet<(String, String)>,
    /// NICs whose packets cannot be sent on, and why.
    no_way_out: BTreeSet<(String, String)>,
    /// NICs that forward, because a standby server is behind them.
    forwarding: Forwarding,
    sbfd_port: ReservedPort,
    tcp_source: TcpSource,
    /// What our ICMP echo requests are known by.
    cookie: u64,
    stats: BTreeMap<PathId, Arc<PathStats>>,
    paths: BTreeMap<PathId, PathState>,
    /// How each path is watched.
    watches: BTreeMap<PathId, Watch>,
    /// Paths with heartbeats. What the thread still has to say of others is old.
    watched: BTreeSet<PathId>,
    /// Paths that had answered an earlier daemon a moment before this one started, and are not watched yet.
    remembered: BTreeSet<PathId>,
    /// When the MAC that heartbeats of a path go to became another one.
    turned_ns: BTreeMap<PathId, u64>,
    /// MAC addresses that were asked for, and the round of questions that is under way.
    found: mpsc::UnboundedSender<watching::Found>,
    resolving: Option<JoinHandle<()>>,
    /// Paths that miss a heartbeat now and then, and units that are suspect because of that.
    missing: wavering::Wavering<PathId>,
    suspect: wavering::Wavering<UnitId>,
    /// Paths of which the verdict stood when they were last judged.
    down: BTreeSet<PathId>,
    /// Paths that are not watched because our own NIC or address was lost.
    lost: BTreeSet<PathId>,
    /// What the next daemon has to know.
    store: Store,
    hooks: hooking::Hooks,
    /// Whether this host answers heartbeats, and uses its own addresses.
    side: source_side::SourceSide,
    /// What the program has heard of addresses.
    board: HeardBoard,
    /// The hosts that this one talks to.
    neighbourhood: Neighbourhood,
    /// Claims of held addresses by hosts that may yet make themselves known, in the order in which they were heard, each with
    /// the time when it is looked at again.
    strangers: VecDeque<(u64, Claim)>,
    /// What was asked about held addresses, by unit.
    inquired: BTreeMap<UnitId, inquiring::Inquired>,
    /// Sources that are not watched, because an administrator said so.
    unmonitored: BTreeSet<usize>,
    /// Those of them that have heartbeats still, because their addresses are going back.
    fading: BTreeSet<usize>,
    /// What people are told about each unit.
    told: BTreeMap<UnitId, Told>,
    events: EventLog,
    /// Commands whose answer waits for the heartbeat thread or for a step of a failback.
    waiting: Vec<commands::Waiting>,
    /// Reloads of the configuration.
    reloading: Reloading,
    /// Drills by source, the latest of each.
    drills: BTreeMap<usize, JoinHandle<()>>,
    /// Drills that wait for what a probe finds.
    drill_probes: Vec<(UnitId, oneshot::Sender<Finding>)>,
    /// The end has been asked for.
    ending: Option<end::Ending>,
    started: String,
}

/// Where news comes from.
struct Sources {
    reports: mpsc::UnboundedReceiver<Report>,
    calls: mpsc::Receiver<Call>,
    loaded: mpsc::UnboundedReceiver<Loaded>,
    links: mpsc::Receiver<LinkEvent>,
    neighbours: mpsc::Receiver<NeighbourEvent>,
    /// What the kernel was asked for. The daemon has a sender itself, so there is always a next one.
    found: mpsc::UnboundedReceiver<watching::Found>,
    claims: mpsc::Receiver<Claim>,
    hooks: mpsc::UnboundedReceiver<hooking::Done>,
    checks: mpsc::UnboundedReceiver<Checked>,
    routes: watch::Receiver<u64>,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// How often missing MAC addresses are asked for.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Known MAC addresses are checked every so many rounds of housekeeping.
const REFRESH_ROUNDS: u64 = 30;
/// How long the last events may take to reach the disk.
const FLUSH: Duration = Duration::from_secs(2);

/// Runs a daemon until it is told to end. `config` has been checked.
///
/// # Errors
///
/// It cannot start (no permission, another daemon, another XDP program on a NIC), or cannot go on.
pub async fn run(config: Config, options: &Options) -> anyhow::Result<()> {
    let server = Server::bind(&options.socket)?;
    let _only_one_here = OnlyOne::claim()?.context(
        "another failover daemon runs in this network namespace: end it with `failover stop`",
    )?;
    let pins = Pins::new(&options.bpffs);
    pins.prepare()?;
    let _only_one = pins.lock()?;
    let events = EventLog::open(Some(&options.state_dir));

    let (call_sender, calls) = mpsc::channel(64);
    let (report_sender, reports) = mpsc::unbounded_channel();
    let forwarding = Forwarding::open(&options.state_dir);
    let (reloading, loaded) = Reloading::new(options.config.clone());
    let (store, memories) = Store::open(&options.state_dir);
    let (hooks, hooks_done) = hooking::Hooks::new();
    let (found_sender, found) = mpsc::unbounded_channel();
    let parts = start::Parts {
        found: found_sender,
        forwarding,
        reloading,
        events: events.clone(),
        reports: report_sender,
        store,
        hooks,
    };
    // Before anything is listed: what changes from then on is told.
    let links = net::link_watch::watch()?;
    let neighbours = net::neighbours::watch()?;
    let (mut daemon, checks) = Daemon::start(config, pins, parts, &memories).await?;
    let mut sources = Sources {
        reports,
        calls,
        loaded,
        links,
        neighbours,
        found,
        claims: claims::forward(&daemon.pins)?,
        hooks: hooks_done,
        checks,
        routes: net::route_watch::watch()?,
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hangup: signal(SignalKind::hangup())?,
    };

    if let Err(error) = crate::readiness::tell() {
        tracing::warn!(%error, "the service manager is not told that the daemon is ready");
    }
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(call_sender, events.clone(), stop.clone()));
    let result = daemon.live(&mut sources).await;
    // Whoever asks from now on is told that the daemon is ending.
    drop(sources);
    let result = result.and(daemon.end().await);
    stop.cancel();
    serving.await.context("the control server")?;
    if !events.flush(FLUSH) {
        tracing::warn!("the last events did not reach the disk");
    }
    result
}

impl Daemon {
    /// The loop.
    async fn live(&mut self, sources: &mut Sources) -> anyhow::Result<()> {
        let mut housekeeping = interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut round = 0u64;
        while !self.may_end() {
            self.side.beat();
            // First, and not by a timer: one that is made anew in each round gets rounded up to the next millisecond, and whoever asks
            // for something again and again before that would keep it from ever being ready.
            self.do_what_is_due();
            if self.may_end() {
                break;
            }
            let wait = self.nothing_is_due_for();
            tokio::select! {
                biased;
                report = sources.reports.recv() => match report {
                    Some(report) => self.on_report(report),
                    None => bail!("the heartbeat thread has ended"),
                },
                event = sources.links.recv() => match event {
                    Some(event) => {
                        let result = self.on_link(event).await;
                        self.note(result);
                    }
                    None => bail!("the kernel no longer tells of NICs"),
                },
                event = sources.neighbours.recv() => match event {
                    Some(event) => {
                        self.neighbourhood.note(&event);
                        let result = self.on_neighbour(&event);
                        self.note(result);
                    }
                    None => bail!("the kernel no longer tells of neighbours"),
                },
                Some(found) = sources.found.recv() => {
                    let result = self.on_found(&found);
                    self.note(result);
                }
                claim = sources.claims.recv() => match claim {
                    Some(claim) => self.on_claim(&claim),
                    None => bail!("the kernel no longer tells of claims"),
                },
                done = sources.hooks.recv() => match done {
                    Some(done) => self.on_hook_done(done),
                    None => bail!("the hooks can no longer report"),
                },
                checked = sources.checks.recv() => match checked {
                    Some(checked) => self.on_checked(checked),
                    None => bail!("the checks can no longer report"),
                },
                _ = sources.terminate.recv() => self.hand_over(),
                _ = sources.interrupt.recv() => self.hand_over(),
                _ = sources.hangup.recv() => self.begin_reload(Asker::Signal),
                // The daemon has a sender itself, so there is always a next one.
                Some(loaded) = sources.loaded.recv() => self.on_loaded(loaded, &mut sources.reports).await,
                () = sleep(wait) => {}
                _ = housekeeping.tick() => {
                    if self.monitor.has_died() {
                        bail!("the heartbeat thread has died");
                    }
                    let result = self.manage_missing().await;
                    self.note(result);
                    self.open_unopened();
                    let result = self.route_unrouted().await;
                    self.note(result);
                    let result = self.remove_leftovers().await;
                    self.note(result);
                    let result = self.maps.signing_keys.expire(clock::now());
                    self.note(result);
                    // At most once a round, however often routes change.
                    if sources.routes.has_changed().context("the kernel no longer tells of routes")? {
                        sources.routes.mark_unchanged();
                        let result = self.prepare_tables().await;
                        self.note(result);
                    }
                    self.keep_probing();
                    self.know_sources();
                    if !self.is_resolving() {
                        self.resolve(!round.is_multiple_of(REFRESH_ROUNDS));
                    }
                    round += 1;
                }
                // Last: everything else comes by itself and ends, and clients may ask without an end.
                call = sources.calls.recv() => match call {
                    Some(call) => self.on_call(call),
                    None => bail!("the control server has ended"),
                },
            }
        }
        Ok(())
    }

    /// What goes wrong while the network changes is told, and the daemon goes on: a NIC may vanish in the middle of anything.
    fn note(&self, result: anyhow::Result<()>) {
        if let Err(error) = result {
            self.record(
                None,
                EventKind::Error,
                serde_json::json!({ "error": format!("{error:#}") }),
            );
        }
    }

    /// Does what is due by the clock.
    fn do_what_is_due(&mut self) {
        let now = clock::now();
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        if is_due(self.deadline()) {
            self.look_at_strangers();
            self.put_back_what_is_due();
            self.feed(Input::Clock);
        }
        if is_due(self.side_deadline()) {
            self.on_side_clock();
        }
    }

    /// How long nothing is due by the clock.
    fn nothing_is_due_for(&self) -> Duration {
        const FAR: Duration = Duration::from_secs(3600);
        let deadlines = [self.deadline(), self.side_deadline()];
        let next = deadlines.into_iter().flatten().min();
        next.map_or(FAR, |at| {
            Duration::from_nanos(at.saturating_sub(clock::now()))
        })
    }

    /// When the policy has to be told the time.
    fn deadline(&self) -> Option<u64> {
        let deadlines = [
            self.policy.next_deadline(),
            self.strangers_due(),
            self.restoring.next(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Tells the policy what happened, and does what it answers.
    fn feed(&mut self, input: Input) {
        if let Err(refused) = self.try_feed(input) {
            // Only commands are refused, and they do not come this way.
            tracing::error!(reason = %refused, "the policy refused what is no command");
        }
    }

    /// The same for a command, which the policy may refuse.
    fn try_feed(&mut self, input: Input) -> Result<(), crate::policy::Refused> {
        tracing::debug!(?input, "input");
        crate::fault::point("policy:input");
        let by_hand = matches!(input, Input::Command { .. });
        let actions = self.policy.handle(input, clock::now())?;
        crate::fault::point("policy:decided");
        if by_hand || changes_memory(&actions) {
            self.remember();
        }
        self.carry_out(actions);
        Ok(())
    }

    /// Does what the policy says, and tells it what came of it.
    fn carry_out(&mut self, actions: Vec<Action>) {
        let results: Vec<Input> = actions
            .into_iter()
            .filter_map(|action| self.act(action))
            .collect();
        for result in results {
            self.feed(result);
        }
        self.end_heartbeats();
    }

    fn act(&mut self, action: Action) -> Option<Input> {
        tracing::debug!(?action, "action");
        self.perform(action)
    }

    /// Addresses of standby servers.
    fn standbys(&self) -> BTreeSet<std::net::IpAddr> {
        layout::standbys(&self.config)
    }

    fn stats(&mut self, path: PathId) -> Arc<PathStats> {
        Arc::clone(self.stats.entry(path).or_default())
    }
}
