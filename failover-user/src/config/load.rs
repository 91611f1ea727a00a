//! From a file's name to a checked configuration.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Config, HostFacts, Problems, judge, key_file, program, read, text::SourceText};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What to do about it included.
        reason: String,
    },
    /// The file is no text.
    #[error("{}:{line}:{column}: this is not UTF-8 text; save the file as UTF-8", file.display())]
    NotText {
        /// The file.
        file: PathBuf,
        /// Line of the first octet that is wrong, counted from 1.
        line: usize,
        /// Its column, counted from 1.
        column: usize,
    },
    /// The file says something that it must not.
    #[error(transparent)]
    Invalid(Problems),
}

/// Reads and checks a configuration file. Programs of hooks and key files that `facts` do not know are looked at.
pub fn load(file: &Path, facts: &HostFacts) -> Result<Config, LoadError> {
    let octets = fs::read(file).map_err(|error| LoadError::Unreadable {
        file: file.to_owned(),
        reason: explain(&error),
    })?;
    let text = String::from_utf8(octets).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        let (line, column) = SourceText::new("", &before).position(before.len());
        LoadError::NotText {
            file: file.to_owned(),
            line,
            column,
        }
    })?;
    let reading = read::read(SourceText::new(&file.to_string_lossy(), &text));
    let mut facts = facts.clone();
    program::look(&reading.inventory, &mut facts.programs);
    key_file::look(&reading.inventory, &mut facts.keys);
    judge(reading, &facts).map_err(LoadError::Invalid)
}

fn explain(error: &io::Error) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound {
        return "there is no such file; give its path with -c".to_owned();
    }
    if kind == io::ErrorKind::PermissionDenied {
        return "permission denied; run as root or make the file readable".to_owned();
    }
    if kind == io::ErrorKind::IsADirectory {
        return "it is a directory; give the path of a file with -c".to_owned();
    }
    error.to_string()
}
