//! The programs that hooks run, as the host has them.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    host::HostFacts,
    inventory::{Inventory, Named},
    problem::{Complaint, Found},
};

/// What the host has at a path that a hook names. Symbolic links are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramFacts {
    /// A regular file with an execute permission.
    Executable,
    /// A regular file without one.
    NotExecutable,
    /// A directory, for instance.
    NotAFile,
    /// Nothing.
    Absent,
    /// That cannot be told; the reason.
    Unknown(String),
}

impl ProgramFacts {
    /// Looks at `path` on this host.
    pub fn of(path: &Path) -> Self {
        fs::metadata(path).map_or_else(|error| Self::from(&error), |metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for ProgramFacts {
    fn from(metadata: &Metadata) -> Self {
        if !metadata.is_file() {
            Self::NotAFile
        } else if metadata.permissions().mode() & 0o111 == 0 {
            Self::NotExecutable
        } else {
            Self::Executable
        }
    }
}

impl From<&io::Error> for ProgramFacts {
    fn from(error: &io::Error) -> Self {
        let kind = error.kind();
        if kind == io::ErrorKind::NotFound || kind == io::ErrorKind::NotADirectory {
            Self::Absent
        } else {
            Self::Unknown(error.to_string())
        }
    }
}

/// Looks at every program that is named and not in `known`.
pub(super) fn look(named: &Inventory, known: &mut BTreeMap<PathBuf, ProgramFacts>) {
    for program in &named.programs {
        known
            .entry(PathBuf::from(&program.name))
            .or_insert_with_key(|path| ProgramFacts::of(path));
    }
}

/// Compares the programs that are named with what the host has.
pub(super) fn compare(named: &Inventory, facts: &HostFacts) -> Vec<Found> {
    let programs = named.programs.iter();
    programs
        .filter_map(|program| Some(complain(program, facts)?.at(&program.at)))
        .collect()
}

fn complain(program: &Named, facts: &HostFacts) -> Option<Complaint> {
    let shown = program.name.escape_debug();
    let absent = ProgramFacts::Absent;
    let has = facts.programs.get(Path::new(&program.name));
    Some(match has.unwrap_or(&absent) {
        ProgramFacts::Executable => return None,
        ProgramFacts::NotExecutable => Complaint::new(format!("\"{shown}\" is not executable"))
            .help("give it the permission with `chmod +x`"),
        ProgramFacts::NotAFile => Complaint::new(format!("\"{shown}\" is not a regular file"))
            .help("write the path of a program"),
        ProgramFacts::Absent => {
            let complaint = Complaint::new(format!("there is no file \"{shown}\""));
            if program.name.contains(char::is_whitespace) {
                complaint.help("write each argument as a string of its own, behind the program")
            } else {
                complaint.help("install it, or write the path of a program that is there")
            }
        }
        ProgramFacts::Unknown(reason) => {
            Complaint::new(format!("\"{shown}\" cannot be looked at: {reason}"))
                .help("check the configuration as the user that runs the daemon")
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_host_is_asked_what_a_path_leads_to() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, mode: u32| {
            let path = directory.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let program = file("program", 0o755);
        let text = file("text", 0o644);
        let link = directory.path().join("link");
        symlink(&program, &link).unwrap();
        let endless = directory.path().join("endless");
        symlink(&endless, &endless).unwrap();

        assert_eq!(ProgramFacts::of(&program), ProgramFacts::Executable);
        assert_eq!(ProgramFacts::of(&link), ProgramFacts::Executable);
        assert_eq!(ProgramFacts::of(&text), ProgramFacts::NotExecutable);
        assert_eq!(ProgramFacts::of(directory.path()), ProgramFacts::NotAFile);
        assert_eq!(
            ProgramFacts::of(&directory.path().join("absent")),
            ProgramFacts::Absent
        );
        assert_eq!(ProgramFacts::of(&text.join("in")), ProgramFacts::Absent);
        assert!(matches!(
            ProgramFacts::of(&endless),
            ProgramFacts::Unknown(_)
        ));
    }
}
