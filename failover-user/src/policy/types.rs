//! What goes into the policy and what comes out.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::config::L2Alive;

/// Nanoseconds of the monotonic clock.
pub type Now = u64;

/// A path, by its place in the configuration: source, then path within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PathId {
    /// Index into `Config::sources`.
    pub source: usize,
    /// Index into `Source::paths`.
    pub path: usize,
}

/// What fails over together: a whole source, or one path of it (`trigger = "path"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitId {
    /// Index into `Config::sources`.
    pub source: usize,
    /// `None`: every path of the source.
    pub path: Option<usize>,
}

/// State of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No answer yet, and no verdict can be given before the first one.
    Unknown,
    /// It answers.
    Healthy,
    /// At least one request is unanswered, or one path of several has failed.
    Suspect,
    /// The verdict stands, and nothing is being done about it: the administrator declined, or a takeover failed.
    Failed,
    /// The verdict stands; `failover approve` or `decline` decides.
    AwaitingApproval,
    /// Addresses are being assumed.
    TakingOver,
    /// This host holds the addresses.
    TakenOver,
    /// The addresses are going back.
    FailingBack,
    /// Our own link is down: nothing can be said about the source.
    Isolated,
    /// An administrator said so: nothing is done about the source.
    Held,
    /// The verdict stands, and another host has the addresses, or is about to take them.
    HeldElsewhere,
    /// This host holds the addresses, and another one claims one of them.
    Conflict,
}

/// How one path stands, as the heartbeat thread sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathState {
    /// Never answered.
    Unknown,
    /// The latest judged request was answered.
    Up,
    /// Unanswered requests, fewer than `misses`.
    Missing,
    /// The verdict: `misses` in a row.
    Down,
    /// Our own NIC is down or gone.
    Isolated,
}

/// Why something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The source missed its heartbeats.
    Verdict,
    /// An administrator approved.
    Approved,
    /// An administrator asked for it.
    Operator,
    /// The source has been healthy for `failback_after`.
    SourceHealthy,
    /// Found in the takeover map when the daemon started.
    Adopted,
    /// The daemon was told to give everything back.
    Release,
}

/// An administrator's command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Take over now, whatever the state of the source.
    Takeover,
    /// Give the addresses back.
    Failback,
    /// Yes to the prompt.
    Approve,
    /// No to the prompt.
    Decline,
    /// Give the addresses back because the daemon stops with `--release`.
    Release,
    /// Do nothing about the source by itself until [`Command::Resume`].
    Hold,
    /// The end of [`Command::Hold`].
    Resume,
}

/// What was found when a unit's addresses were asked for: by ARP probes (RFC 5227 2.1.1: sender address 0, so that nobody's cache
/// is touched), or by solicitations as in duplicate address detection (RFC 4862 5.4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum Finding {
    /// Nobody answers.
    Silent,
    /// A NIC of the source answers.
    Source {
        /// For which address.
        ip: IpAddr,
    },
    /// Another host answers: it stands in already.
    Other {
        /// For which address.
        ip: IpAddr,
        /// Its MAC.
        mac: String,
    },
    /// Another host probes for the same address: it is about to stand in.
    Rival {
        /// For which address.
        ip: IpAddr,
        /// Its MAC.
        mac: String,
        /// It goes first: its MAC is the lower number.
        first: bool,
    },
}

impl Finding {
    /// Whether a verdict may be acted on at once.
    pub fn allows(&self, l2_alive: L2Alive) -> bool {
        match self {
            Self::Silent | Self::Rival { first: false, .. } => true,
            Self::Source { .. } => l2_alive == L2Alive::Ignore,
            Self::Other { .. } | Self::Rival { first: true, .. } => false,
        }
    }
}

/// Who claims an address that this host holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claimant {
    /// The source.
    Source,
    /// Another failover host: it probes for what it claims. The one with the lower MAC keeps the address.
    Peer {
        /// That is the other one.
        keeps: bool,
    },
    /// Some other host.
    Stranger,
}

/// A program of `[source.hooks]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Before the addresses are taken.
    BeforeTakeover,
    /// After that.
    AfterTakeover,
    /// Before the addresses go back.
    BeforeFailback,
    /// After that.
    AfterFailback,
    /// A person has to know.
    Notify,
}

impl Hook {
    /// Its key in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforeTakeover => "before_takeover",
            Self::AfterTakeover => "after_takeover",
            Self::BeforeFailback => "before_failback",
            Self::AfterFailback => "after_failback",
            Self::Notify => "notify",
        }
    }
}

/// What the next daemon has to know about a unit, beyond what the kernel keeps (takeover map, sessions).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// An administrator's hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hold: bool,
    /// The prompt that is waiting, in the words of `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// Why nothing is done although the verdict stands: the administrator declined, a takeover was aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_alone: Option<String>,
    /// Why the addresses are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
    /// The paths that have answered, by `monitor`: their silence is a failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<IpAddr>,
}

/// Why addresses are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// In the words of `status`.
    pub cause: String,
    /// The source has failed before or since. If not, an administrator took over from one that answers, and an automatic
    /// failback would undo that.
    pub failed: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "kebab-case")]
pub enum Input {
    /// A path changed its state, or counts another miss.
    Path {
        /// Which.
        path: PathId,
        /// Its new state.
        state: PathState,
        /// Unanswered requests in a row.
        missed: u32,
        /// Those among them that the source refused: it is there, its service is not.
        #[serde(default)]
        refused: u32,
    },
    /// The heartbeat thread took a unit over by itself when the verdict stood, or carried out [`Action::TakeOver`].
    TakeoverDone {
        /// Which.
        unit: UnitId,
        /// Why.
        cause: Cause,
        /// Addresses that are held now; 0 with an error: nothing is.
        held: usize,
        /// The first error, if any address could not be taken.
        error: Option<String>,
    },
    /// A takeover that takes longer has begun: [`Input::TakeoverDone`] follows.
    TakeoverBegan {
        /// Which.
        unit: UnitId,
    },
    /// [`Action::Drain`], [`Action::LetGo`], [`Action::RemoveAddresses`] or [`Action::Forget`] was carried out.
    StepDone {
        /// Which.
        unit: UnitId,
        /// The error, if it failed. Failback goes on all the same: half a failback is worse.
        error: Option<String>,
    },
    /// The takeover map held addresses of this unit when the daemon started.
    Adopted {
        /// Which.
        unit: UnitId,
        /// Whether they were already draining.
        draining: bool,
    },
    /// An administrator's command.
    Command {
        /// For which unit.
        unit: UnitId,
        /// What.
        command: Command,
    },
    /// What [`Action::Probe`], or the heartbeat thread's own probe from the first miss on, has found. In the second case it
    /// comes before the [`Input::Path`] that makes the verdict.
    Heard {
        /// Which.
        unit: UnitId,
        /// What.
        finding: Finding,
    },
    /// Another host claims a held address.
    Claim {
        /// Which.
        unit: UnitId,
        /// The address.
        ip: IpAddr,
        /// Its MAC.
        mac: String,
        /// Who.
        by: Claimant,
    },
    /// [`Action::RunHook`] is done. Not given for [`Hook::Notify`].
    HookDone {
        /// Which.
        unit: UnitId,
        /// Which.
        hook: Hook,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// The source says that its own administrator has put it on hold (S-BFD AdminDown, RFC 7880 7.2.3), or that it is in
    /// service again.
    RemoteHold {
        /// By which path.
        path: PathId,
        /// Whether it is on hold.
        on: bool,
    },
    /// [`Action::Yield`] was carried out.
    Yielded {
        /// Which.
        unit: UnitId,
        /// Addresses that the source asks for, and now finds free. None: it has no daemon of ours that waits for them.
        addresses: Vec<IpAddr>,
    },
    /// What an earlier daemon knew. Given once, before anything else, except that [`Input::Adopted`] may come first.
    Remembered {
        /// Which.
        unit: UnitId,
        /// What.
        memory: Memory,
    },
    /// Time has passed.
    Clock,
}

/// What is to be done. Each result comes back as an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// The heartbeat thread may (or may no longer) take the unit over by itself when the verdict stands.
    Arm {
        /// Which.
        unit: UnitId,
        /// Whether it may.
        armed: bool,
    },
    /// Take the unit over now. Answered by [`Input::TakeoverDone`].
    TakeOver {
        /// Which.
        unit: UnitId,
        /// Why.
        cause: Cause,
    },
    /// Failback with the source answering: if it probes for its addresses, let it find them free, and change nothing else.
    /// Answered by [`Input::Yielded`], and then by an [`Input::Claim`] of the source for each address.
    Yield {
        /// Which.
        unit: UnitId,
    },
    /// Failback with the source answering: announce the source's MAC and turn packets round to it.
    /// Answered by [`Input::StepDone`].
    Drain {
        /// Which.
        unit: UnitId,
    },
    /// Failback with the source silent: mark the addresses as going back, so that a daemon that starts now goes on with the
    /// failback. Answered by [`Input::StepDone`].
    LetGo {
        /// Which.
        unit: UnitId,
    },
    /// Remove the addresses from the NICs. Answered by [`Input::StepDone`].
    RemoveAddresses {
        /// Which.
        unit: UnitId,
    },
    /// Delete the entries of the takeover map. Answered by [`Input::StepDone`].
    Forget {
        /// Which.
        unit: UnitId,
    },
    /// Ask who else answers for held addresses: one of each NIC, the one whose turn it is in this round. Whoever does comes as
    /// [`Input::Claim`], unless it is the source, which is told who has its address.
    Inquire {
        /// Which.
        unit: UnitId,
        /// Rounds before this one; the number wraps.
        round: u32,
    },
    /// Announce the held addresses again.
    Announce {
        /// Which.
        unit: UnitId,
    },
    /// Ask by ARP or neighbour discovery who has the addresses. Answered by [`Input::Heard`].
    Probe {
        /// Which.
        unit: UnitId,
    },
    /// Probe for a held address that another host claims (see [`Claimant::Peer`]), and announce it.
    Defend {
        /// Which.
        unit: UnitId,
        /// The address.
        ip: IpAddr,
    },
    /// Tell the hosts that this one knows as neighbours, each alone, where a held address is that another host claims: no
    /// announcement, so that the limit of those does not leave them believing the claim.
    Reassure {
        /// Which.
        unit: UnitId,
        /// The address.
        ip: IpAddr,
    },
    /// Tell another failover host that claims a held address who has it, and nobody else: no announcement, so that the limit
    /// of those does not keep it from giving the address up.
    Introduce {
        /// Which.
        unit: UnitId,
        /// The address.
        ip: IpAddr,
        /// Its MAC, as in [`Input::Claim`].
        mac: String,
    },
    /// Announce the source's MAC for the addresses, so that nobody sends here what is not held here.
    AnnounceSource {
        /// Which.
        unit: UnitId,
    },
    /// Run a program of the administrator's. Answered by [`Input::HookDone`], except for [`Hook::Notify`].
    RunHook {
        /// Which.
        unit: UnitId,
        /// Which.
        hook: Hook,
        /// State of the unit.
        state: State,
        /// Why, in the words of `status`.
        cause: String,
    },
    /// Tell whoever listens that a unit changed its state.
    Transition {
        /// Which.
        unit: UnitId,
        /// From.
        from: State,
        /// To.
        to: State,
        /// Why, in the words of `status`.
        cause: String,
    },
}

/// A command that the state does not allow; the text says why and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);
