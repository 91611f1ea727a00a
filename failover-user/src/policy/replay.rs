//! A recorded history, run again: the same inputs give the same actions.

use serde::{Deserialize, Serialize};

use super::{Action, Input, Now, Policy};
use crate::config::Source;

/// One line of a recording in JSON lines: `{"at":1000000,"input":"clock"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// When it was handled.
    pub at: Now,
    /// What.
    #[serde(flatten)]
    pub input: Input,
}

/// What a new policy does with a history. Refused commands lead to no action.
pub fn replay(
    sources: &[Source],
    history: impl Iterator<Item = (Now, Input)>,
) -> Vec<(Now, Action)> {
    let mut policy = Policy::new(sources);
    history
        .flat_map(|(now, input)| {
            policy
                .handle(input, now)
                .unwrap_or_default()
                .into_iter()
                .map(move |action| (now, action))
        })
        .collect()
}
