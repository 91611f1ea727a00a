//! Where a run leaves what remains of it.

use std::path::{Path, PathBuf};

/// The files of one run: in a directory, told apart by the run's number if there are several runs.
///
/// They are all in one directory, which its owner made: what root leaves in it the owner can then remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    directory: PathBuf,
    run: Option<u32>,
}

impl Files {
    /// Those of the only run.
    pub fn only(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            run: None,
        }
    }

    /// Those of run `number` of several.
    pub fn of_run(directory: &Path, number: u32) -> Self {
        Self {
            directory: directory.to_owned(),
            run: Some(number),
        }
    }

    /// The file `name`, such as `target.log`, of this run.
    pub fn path(&self, name: &str) -> PathBuf {
        match self.run {
            Some(number) => self.directory.join(format!("run-{number:02}-{name}")),
            None => self.directory.join(name),
        }
    }

    /// The picture.
    pub fn picture(&self) -> PathBuf {
        self.path("timeline.svg")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_do_not_overwrite_each_other() {
        let out = Path::new("out");

        let names = [
            Files::only(out),
            Files::of_run(out, 3),
            Files::of_run(out, 12),
        ]
        .map(|files| files.path("target.log"));

        let expected = ["target.log", "run-03-target.log", "run-12-target.log"];
        assert_eq!(names, expected.map(|name| out.join(name)));
    }
}
