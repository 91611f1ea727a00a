//! The configuration file, read and checked beside the loop: a disk or a kernel that is slow delays nothing.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    config::{self, Config, HostFacts, LoadError, Style},
    net::{self, links::Link},
};

/// How long reading may take: a file on a server that does not answer must not keep later reloads waiting for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// A good configuration.
#[derive(Debug)]
pub(in crate::daemon) struct Read {
    pub(super) config: Config,
    /// The NICs that it was checked against.
    pub(super) links: Vec<Link>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum Unusable {
    /// What is wrong is in the file.
    #[error(transparent)]
    File(#[from] LoadError),
    /// The file may be good.
    #[error("{0:#}")]
    Host(#[from] anyhow::Error),
}

impl Unusable {
    /// Every problem with its lines of the file, for a person.
    pub(super) fn report(&self) -> String {
        match self {
            Self::File(LoadError::Invalid(problems)) => {
                problems.report(Style::Plain) + &problems.closing_line()
            }
            Self::File(LoadError::Unreadable { .. } | LoadError::NotText { .. })
            | Self::Host(_) => format!("{self}; nothing was changed"),
        }
    }

    /// Every problem in a line, `file:line:column: key: message`, for logs.
    pub(super) fn lines(&self) -> Vec<String> {
        self.to_string().lines().map(str::to_owned).collect()
    }
}

/// Reads the file and checks it against the host as it is now.
pub(super) async fn read(file: PathBuf, handle: rtnetlink::Handle) -> Result<Read, Unusable> {
    let links = net::links::list(&handle).await?;
    let held = net::cleanup::addresses(&handle).await?;
    let nics = links
        .iter()
        .map(|link| (link.name.clone(), link.loopback, link.addresses.clone()));
    let facts = HostFacts::from_links(nics, held.into_iter().map(|(_, ip)| ip));
    let name = file.display().to_string();
    let reading = spawn_blocking(move || config::load(&file, &facts));
    let config = timeout(PATIENCE, reading)
        .await
        .with_context(|| format!("{name} could not be read within {} s", PATIENCE.as_secs()))?
        .with_context(|| format!("reading {name} has failed"))??;
    Ok(Read { config, links })
}
