//! The data folder: everything that outlives a stack. For the owner's eyes only, and used by one stack at a time.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where the data of a stack lives.
#[derive(Clone, Debug)]
pub enum Data {
    /// In this folder, which is made when it is not there.
    Dir(PathBuf),
    /// In memory; gone when the stack stops.
    Ephemeral,
}

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("another local stack is using {path}", path = .0.display())]
    InUse(PathBuf),
    #[error("{path}: {1}", path = .0.display())]
    Io(PathBuf, #[source] io::Error),
    #[error("{path} is damaged: {1}", path = .0.display())]
    Damaged(PathBuf, String),
}

/// An open data folder; cheap to clone.
#[derive(Clone)]
pub(crate) struct Folder(Arc<Place>);

enum Place {
    Disk(PathBuf),
    Memory(Mutex<HashMap<String, Vec<u8>>>),
}

/// The right to use a data folder, until it is dropped. Kept by the stack alone, so that what is left of its tasks
/// can't delay the next one.
#[derive(Debug)]
pub(crate) struct Lock(
    #[allow(dead_code, reason = "the lock lasts as long as the file is open")] Option<File>,
);

impl Folder {
    pub(crate) fn open(data: &Data) -> Result<(Self, Lock), FolderError> {
        let path = match data {
            Data::Dir(path) => path,
            Data::Ephemeral => return Ok((Self::ephemeral(), Lock(None))),
        };
        let failed = |error| FolderError::Io(path.clone(), error);
        fs::create_dir_all(path).map_err(failed)?;
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
        let lock =
            private(&path.join("lock"), OpenOptions::new().create(true).append(true)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok((Self(Arc::new(Place::Disk(path.clone()))), Lock(Some(lock)))),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.clone())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    pub(crate) fn ephemeral() -> Self {
        Self(Arc::new(Place::Memory(Mutex::default())))
    }

    /// The path of a file in the folder; `None` when everything is in memory.
    pub(crate) fn path(&self, file: &str) -> Option<PathBuf> {
        match &*self.0 {
            Place::Disk(path) => Some(path.join(file)),
            Place::Memory(_) => None,
        }
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>, FolderError> {
        let content = match &*self.0 {
            Place::Memory(files) => files.lock().unwrap_or_else(PoisonError::into_inner).get(file).cloned(),
            Place::Disk(path) => match fs::read(path.join(file)) {
                Ok(content) => Some(content),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(FolderError::Io(path.join(file), error)),
            },
        };
        let parsed = content.map(|content| serde_json::from_slice(&content)).transpose();
        parsed.map_err(|error| self.damaged(file, &error.to_string()))
    }

    pub(crate) fn write(&self, file: &str, content: &impl Serialize) -> Result<(), FolderError> {
        let content =
            serde_json::to_vec_pretty(content).map_err(|error| self.damaged(file, &error.to_string()))?;
        self.write_bytes(file, content)
    }

    /// Readable by the owner alone, and never half written: it replaces what was there at once.
    pub(crate) fn write_bytes(&self, file: &str, content: Vec<u8>) -> Result<(), FolderError> {
        let path = match &*self.0 {
            Place::Memory(files) => {
                files.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned(), content);
                return Ok(());
            }
            Place::Disk(path) => path.join(file),
        };
        let draft = path.with_extension("new");
        let written = private(&draft, OpenOptions::new().create(true).truncate(true).write(true))
            .and_then(|mut draft| draft.write_all(&content).and_then(|()| draft.sync_all()))
            .and_then(|()| fs::rename(&draft, &path));
        written.map_err(|error| FolderError::Io(path, error))
    }

    pub(crate) fn damaged(&self, file: &str, problem: &str) -> FolderError {
        FolderError::Damaged(self.path(file).unwrap_or_else(|| PathBuf::from(file)), problem.to_owned())
    }
}

fn private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.mode(0o600).open(path)
}

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Reads the kernel's generator, which does not fail once the machine is up.
    assert!(getrandom::fill(&mut bytes).is_ok(), "the system has no randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for each test, removed at its end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("bifrost-data-{}", uuid::Uuid::new_v4())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_serves_one_stack_at_a_time() {
        let scratch = Scratch::new();
        let data = Data::Dir(scratch.0.clone());
        let (folder, lock) = Folder::open(&data).unwrap();
        assert!(matches!(Folder::open(&data), Err(FolderError::InUse(_))));
        drop(lock);
        assert!(Folder::open(&data).is_ok());
        drop(folder);
    }

    #[test]
    fn only_the_owner_can_read_what_is_written() {
        let scratch = Scratch::new();
        let (folder, _lock) = Folder::open(&Data::Dir(scratch.0.clone())).unwrap();
        folder.write("secrets.json", &"secret").unwrap();
        assert_eq!(mode(&scratch.0), 0o700);
        assert_eq!(mode(&scratch.0.join("secrets.json")), 0o600);
        assert_eq!(folder.read::<String>("secrets.json").unwrap().as_deref(), Some("secret"));
    }

    #[test]
    fn a_damaged_file_is_named() {
        let scratch = Scratch::new();
        let (folder, _lock) = Folder::open(&Data::Dir(scratch.0.clone())).unwrap();
        folder.write_bytes("kms.json", b"{".to_vec()).unwrap();
        let error = folder.read::<String>("kms.json").unwrap_err();
        assert!(error.to_string().contains("kms.json is damaged"), "{error}");
    }
}
