//! What went wrong on the way of something that is done all the same.

/// Problems, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    /// Takes note of an error, and goes on.
    pub(super) fn keep<T>(&mut self, result: anyhow::Result<T>) -> Option<T> {
        result
            .map_err(|error| self.0.push(format!("{error:#}")))
            .ok()
    }

    /// Each of them.
    pub(super) fn into_vec(self) -> Vec<String> {
        self.0
    }

    /// One error for all, if there was any.
    pub(super) fn into_result(self) -> anyhow::Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(anyhow::anyhow!(self.0.join("; ")))
        }
    }
}
