//! A folder for a stack's data.

use std::path::{Path, PathBuf};

use uuid::Uuid;

/// A folder that is gone when the test is, however it ends.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A name that nothing has yet; whoever uses it makes the folder.
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("bifrost-{}", Uuid::new_v4())))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
