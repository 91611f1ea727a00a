//! Key files, as the host has them: what they hold, and who else could know it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags, open};

use super::{
    host::HostFacts,
    inventory::{Inventory, Named},
    problem::{Complaint, Found},
    secret::{LONGEST, NoSecret, Secret},
    types::{Config, Key},
};

/// Octets of a key file that are read: more than any secret has, in hexadecimal digits and with a newline.
const ENOUGH: u64 = 128;

/// Permissions that would let others know the secret, or choose it.
const OTHERS: u32 = 0o066;

/// What the host has at the path of a key file. Symbolic links are followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFacts {
    /// The secret, if nothing is wrong.
    pub secret: Option<Secret>,
    /// Everything that is wrong.
    pub faults: Vec<KeyFault>,
}

/// Something that is wrong with a key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// There is none.
    Absent,
    /// It is a directory, for instance.
    NotAFile,
    /// Others than its owner may read or write it. Its permissions.
    OpenToOthers(u32),
    /// It belongs to this user, who is neither root nor who runs the daemon.
    Owner(u32),
    /// It holds no secret.
    Content(NoSecret),
    /// That cannot be told; the reason.
    Unknown(String),
}

impl KeyFacts {
    /// Reads a key file of this host.
    pub fn of(path: &Path) -> Self {
        match Self::read(path) {
            Ok(facts) => facts,
            Err(error) => Self {
                secret: None,
                faults: vec![fault(&error)],
            },
        }
    }

    fn read(path: &Path) -> io::Result<Self> {
        // A pipe would wait for somebody to write.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file: OwnedFd = open(path, flags, Mode::empty())?;
        let file = File::from(file);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(Self {
                secret: None,
                faults: vec![KeyFault::NotAFile],
            });
        }
        let mut faults = Vec::new();
        let mode = metadata.mode() & 0o7777;
        if mode & OTHERS != 0 {
            faults.push(KeyFault::OpenToOthers(mode));
        }
        let owner = metadata.uid();
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            faults.push(KeyFault::Owner(owner));
        }
        let mut content = zeroize::Zeroizing::new(Vec::with_capacity(ENOUGH as usize));
        file.take(ENOUGH).read_to_end(&mut content)?;
        let secret = Secret::from_file(&content);
        faults.extend(secret.as_ref().err().copied().map(KeyFault::Content));
        Ok(Self {
            secret: secret.ok().filter(|_| faults.is_empty()),
            faults,
        })
    }
}

fn fault(error: &io::Error) -> KeyFault {
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound || kind == io::ErrorKind::NotADirectory {
        KeyFault::Absent
    } else {
        KeyFault::Unknown(error.to_string())
    }
}

/// Reads every key file that is named and not in `known`.
pub(super) fn look(named: &Inventory, known: &mut BTreeMap<PathBuf, KeyFacts>) {
    for file in &named.key_files {
        known
            .entry(PathBuf::from(&file.name))
            .or_insert_with_key(|path| KeyFacts::of(path));
    }
}

/// Says what is wrong with the key files that are named.
pub(super) fn compare(named: &Inventory, facts: &HostFacts) -> Vec<Found> {
    let absent = [KeyFault::Absent];
    let mut found = Vec::new();
    for file in &named.key_files {
        let faults = facts.keys.get(Path::new(&file.name));
        let faults = faults.map_or(&absent[..], |facts| &facts.faults);
        found.extend(
            faults
                .iter()
                .map(|fault| complain(file, fault).at(&file.at)),
        );
    }
    found
}

/// Gives every key of a configuration its secret, as far as it is known.
pub(super) fn fill(config: &mut Config, facts: &HostFacts) {
    let of_sources = config
        .sources
        .iter_mut()
        .flat_map(|source| &mut source.keys);
    let of_reflector = config.reflector.iter_mut().flat_map(|own| &mut own.keys);
    for Key { file, secret, .. } in of_sources.chain(of_reflector) {
        if let Some(known) = facts.keys.get(file).and_then(|facts| facts.secret.as_ref()) {
            *secret = known.clone();
        }
    }
}

fn complain(file: &Named, fault: &KeyFault) -> Complaint {
    let shown = file.name.escape_debug();
    let word = shell_word(&file.name);
    match fault {
        KeyFault::Absent => Complaint::new(format!("there is no file \"{shown}\"")).help(format!(
            "write a secret of 1 to {LONGEST} octets into it, the same on both hosts, and run `chmod 600 {word}`"
        )),
        KeyFault::NotAFile => Complaint::new(format!("\"{shown}\" is not a regular file"))
            .help("write the path of a file that holds the secret"),
        KeyFault::OpenToOthers(mode) => Complaint::new(format!(
            "\"{shown}\" can be read or written by others than its owner (mode {mode:04o})"
        ))
        .help(format!("run `chmod 600 {word}`, and make a new secret if others may have read it")),
        KeyFault::Owner(uid) => Complaint::new(format!("\"{shown}\" belongs to user {uid}"))
            .help(format!("run `chown root {word}`")),
        KeyFault::Content(why) => {
            let (what, help) = match why {
                NoSecret::Empty => (
                    "is empty",
                    format!("write a secret of 1 to {LONGEST} octets into it"),
                ),
                NoSecret::TooLong => (
                    "holds more than a secret",
                    format!("write 1 to {LONGEST} octets into it, or `hex:` and at most {} hex digits", 2 * LONGEST),
                ),
                NoSecret::NotHex => (
                    "has something else than pairs of hex digits behind `hex:`",
                    format!("write `hex:` and 2 to {} hex digits", 2 * LONGEST),
                ),
            };
            Complaint::new(format!("\"{shown}\" {what}")).help(help)
        }
        KeyFault::Unknown(reason) => {
            Complaint::new(format!("\"{shown}\" cannot be read: {reason}"))
                .help("check the configuration as the user that runs the daemon")
        }
    }
}

/// A path as a shell takes it.
fn shell_word(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        format!(
            "'{}'",
            path.escape_debug().to_string().replace('\'', "'\\''")
        )
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use super::*;

    /// A key file with this content and these permissions.
    fn written(directory: &Path, content: &[u8], mode: u32) -> PathBuf {
        let path = directory.join("web1.key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_file_that_only_its_owner_can_read_holds_a_secret() {
        let directory = tempfile::tempdir().unwrap();

        for mode in [0o600, 0o400, 0o700] {
            let path = written(directory.path(), b"secret\n", mode);

            let facts = KeyFacts::of(&path);

            assert_eq!(facts.faults, []);
            assert_eq!(facts.secret, Secret::from_file(b"secret").ok());
        }
    }

    #[test]
    fn everything_that_is_wrong_with_a_file_is_found_at_once() {
        let directory = tempfile::tempdir().unwrap();

        for mode in [0o640, 0o620, 0o604, 0o602] {
            let path = written(directory.path(), b"\n", mode);

            let facts = KeyFacts::of(&path);

            assert_eq!(
                facts.faults,
                [
                    KeyFault::OpenToOthers(mode),
                    KeyFault::Content(NoSecret::Empty)
                ]
            );
            assert_eq!(facts.secret, None);
        }
    }

    #[test]
    fn a_secret_that_others_may_have_read_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path(), b"secret", 0o644);

        assert_eq!(KeyFacts::of(&path).secret, None);
    }

    #[test]
    fn what_is_no_file_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path(), b"secret", 0o600);
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        let endless = directory.path().join("endless");
        symlink(&endless, &endless).unwrap();
        let faults = |path: &Path| KeyFacts::of(path).faults;

        assert_eq!(faults(&link), []);
        assert_eq!(faults(directory.path()), [KeyFault::NotAFile]);
        assert_eq!(faults(&directory.path().join("absent")), [KeyFault::Absent]);
        assert_eq!(faults(&path.join("in")), [KeyFault::Absent]);
        assert!(matches!(faults(&endless)[..], [KeyFault::Unknown(_)]));
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR).unwrap();

        assert_eq!(KeyFacts::of(&pipe).faults, [KeyFault::NotAFile]);
    }

    #[test]
    fn a_path_is_a_word_of_a_command() {
        assert_eq!(shell_word("/etc/a-b_c.key"), "/etc/a-b_c.key");
        assert_eq!(shell_word("/etc/my key"), "'/etc/my key'");
    }
}
