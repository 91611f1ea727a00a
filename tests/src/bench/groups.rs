//! What can be measured.

use anyhow::Result;

use super::{Options, datapath, outage, outcome::Section, peers::Peers};

/// Part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Group {
    /// How long clients are without an answer after a cable was pulled
    Outage,
    /// What a frame costs in the XDP program
    Datapath,
}

impl Group {
    /// Measures it.
    pub(super) fn measure(self, options: &Options, peers: Option<&Peers>) -> Result<Vec<Section>> {
        match self {
            Self::Outage => Ok(vec![outage::measure(options, peers)?]),
            Self::Datapath => datapath::measure(options),
        }
    }
}
