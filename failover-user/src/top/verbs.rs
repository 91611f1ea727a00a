//! What can be asked of the daemon by a key. A new command is one entry of [`VERBS`].

use crate::{
    cmd::takeover::alive,
    control::protocol::{Request, SourceStatus},
};

/// A command with a key.
#[derive(Debug)]
pub(super) struct Verb {
    /// The key.
    pub(super) key: char,
    /// The word of the command line.
    pub(super) name: &'static str,
    /// What it acts on.
    pub(super) on: On,
    /// What the person has to say yes to.
    pub(super) question: fn(&Target) -> String,
    /// What is asked then.
    pub(super) request: fn(&Target) -> Request,
}

/// What a command acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// The source of the selected row.
    Selected,
    /// The source that waits for an answer: the selected one if it does, otherwise the first.
    Prompt,
}

/// What a command is aimed at, as it stood when the key was pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Name of the source.
    pub(super) source: String,
    /// The selected path, if the paths of the source differ in state: then each fails over by itself.
    pub(super) path: Option<(usize, String)>,
    /// Whether it answers, as far as is known.
    pub(super) alive: bool,
}

/// The commands, in the order in which they are shown.
pub(super) const VERBS: &[Verb] = &[
    Verb {
        key: 'a',
        name: "approve",
        on: On::Prompt,
        question: |target| {
            let source = &target.source;
            format!("Approve: take the addresses of {source} over?")
        },
        request: |target| Request::Approve {
            source: target.source.clone(),
        },
    },
    Verb {
        key: 'd',
        name: "decline",
        on: On::Prompt,
        question: |target| {
            let source = &target.source;
            format!("Decline: leave {source} alone, although it does not answer?")
        },
        request: |target| Request::Decline {
            source: target.source.clone(),
        },
    },
    Verb {
        key: 't',
        name: "takeover",
        on: On::Selected,
        question: takeover,
        request: |target| Request::Takeover {
            source: target.source.clone(),
            path: target.path.as_ref().map(|(path, _)| *path),
            // Otherwise the daemon refuses if the source has come to life since.
            even_if_healthy: target.alive,
        },
    },
    Verb {
        key: 'f',
        name: "failback",
        on: On::Selected,
        question: |target| {
            let source = &target.source;
            format!(
                "Give {source} its addresses back? This host will no longer answer for {source}."
            )
        },
        request: |target| Request::Failback {
            source: target.source.clone(),
            stop_monitoring: false,
        },
    },
    Verb {
        key: 'h',
        name: "hold",
        on: On::Selected,
        question: |target| {
            let source = &target.source;
            format!("Hold: do nothing about {source} by itself from now on?")
        },
        request: |target| Request::Hold {
            source: target.source.clone(),
        },
    },
    Verb {
        key: 'r',
        name: "resume",
        on: On::Selected,
        question: |target| {
            let source = &target.source;
            format!("Resume: protect {source} again?")
        },
        request: |target| Request::Resume {
            source: target.source.clone(),
        },
    },
];

fn takeover(target: &Target) -> String {
    let source = &target.source;
    let whose = match &target.path {
        Some((path, monitor)) => format!("of path {} ({monitor}) of {source}", path + 1),
        None => format!("of {source}"),
    };
    if target.alive {
        format!("{source} answers heartbeats. Take the addresses {whose} over all the same?")
    } else {
        format!("Take the addresses {whose} over?")
    }
}

impl Target {
    /// A source, by one of its paths.
    pub(super) fn new(source: &SourceStatus, path: usize) -> Self {
        let own = source.paths.get(path);
        let differ = source
            .paths
            .iter()
            .any(|other| own.is_some_and(|own| own.state != other.state));
        let states: Vec<_> = match own {
            Some(own) if differ => vec![own.state],
            Some(_) | None => vec![source.state],
        };
        Self {
            source: source.name.clone(),
            path: own
                .filter(|_| differ)
                .map(|own| (path, own.monitor.clone())),
            alive: states.into_iter().any(alive),
        }
    }
}
