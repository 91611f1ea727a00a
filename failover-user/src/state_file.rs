//! Files of the state directory that are replaced as a whole: a crash leaves the old one or the new one, never half of one.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Replaces a file, or makes it, and its directory too. When this returns, the new content survives a crash of the host.
///
/// # Errors
/// The new content cannot be written, or it is not sure that it lasts. The file has its old content or its new one.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let beside = beside(path, "new");
    if let Err(error) = write(&beside, content) {
        // What there is of it takes room that may be what is missing. Failing that, the next attempt overwrites it.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    crate::fault::point("state:written");
    fs::rename(&beside, path)?;
    // The rename is in the directory.
    File::open(dir)?.sync_all()
}

/// Moves a file that is of no use out of the way, behind whose name `why` is put. Returns where it is now.
///
/// # Errors
/// It cannot be moved.
pub fn put_aside(path: &Path, why: &str) -> io::Result<PathBuf> {
    let aside = beside(path, why);
    fs::rename(path, &aside)?;
    Ok(aside)
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_with_its_directory_and_then_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep").join("file");

        replace(&path, b"a longer text").unwrap();
        replace(&path, b"short").unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_left_beside_a_file_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(beside(&path, "new"), "half of a much longer te").unwrap();

        replace(&path, b"whole").unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        replace(&path, b"old").unwrap();
        // Writing to it is refused, as on a full disk.
        std::os::unix::fs::symlink("/dev/full", beside(&path, "new")).unwrap();

        let refused = replace(&path, b"new").unwrap_err();

        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
