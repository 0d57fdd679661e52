//! The folders that are watched, and the paths by which we know them.
//!
//! Whoever is about to look into a folder has it watched first: what is done to it from then on has
//! an event, so that nothing is missed between the look and the watch, and no folder is read only to
//! find those below it.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::watch::{Mode, Raw, lock};

/// The folders by their real path, each with the paths by which we know it: an event names the real
/// one.
#[derive(Debug, Default)]
pub(super) struct KnownFolders {
    known_as: HashMap<PathBuf, Vec<PathBuf>>,
    /// More than the system watches.
    too_many: bool,
}

/// Has folders watched. By default, none is.
#[derive(Clone, Debug, Default)]
pub struct FolderWatch(Option<Arc<Mutex<Raw>>>);

impl FolderWatch {
    pub(super) fn new(raw: &Arc<Mutex<Raw>>) -> FolderWatch {
        FolderWatch(Some(Arc::clone(raw)))
    }

    /// Watches a folder, again where it is watched already; true where it stands.
    pub fn watch(&self, folder: &Path) -> bool {
        let Some(real) = real_folder(folder) else { return false };
        if let Some(raw) = &self.0 {
            lock(raw).watch(folder, real);
        }
        true
    }

    /// Forgets the paths that are not to be kept, or do not lead where they did.
    pub(super) fn keep(&self, is_kept: impl Fn(&Path) -> bool) {
        let Some(raw) = &self.0 else { return };
        let leads_to = |path: &Path, real: &Path| real_folder(path).is_some_and(|now| now == *real);
        // Of many folders that takes a while, in which events are to be taken from the queue.
        let mut known_as = std::mem::take(&mut lock(raw).folders.known_as);
        known_as.retain(|real, paths| {
            paths.retain(|path| is_kept(path) && leads_to(path, real));
            !paths.is_empty()
        });
        lock(raw).folders.known_as = known_as;
    }
}

impl Raw {
    /// Whether events can be relied upon.
    pub(super) fn mode(&self) -> Mode {
        match self.queue.is_some() && !self.folders.too_many {
            true => Mode::Events,
            false => Mode::PollOnly,
        }
    }

    fn watch(&mut self, folder: &Path, real: PathBuf) {
        let KnownFolders { known_as, too_many } = &mut self.folders;
        let watched = self.queue.as_mut().filter(|_| !*too_many).map(|queue| queue.watch(&real));
        match watched {
            Some(Err(error)) if error.kind() == ErrorKind::StorageFull => {
                *too_many = true;
                tracing::warn!(
                    folders = known_as.len(),
                    remedy = "sysctl fs.inotify.max_user_watches=1048576, then restart",
                    "too many folders for the system's limit of file watches; polling only"
                );
            }
            Some(Err(error)) => {
                tracing::warn!(folder = %folder.display(), %error, "folder cannot be watched");
            }
            Some(Ok(())) | None => {}
        }
        let known = known_as.entry(real).or_default();
        if !known.iter().any(|path| path == folder) {
            known.push(folder.to_owned());
        }
    }

    /// Ends the watches of folders that are not known any more.
    pub(super) fn watch_known_only(&mut self) {
        if let Some(queue) = &mut self.queue {
            queue.keep(|folder| self.folders.known_as.contains_key(folder));
        }
    }

    /// The paths by which we know a real path that an event names.
    pub(super) fn known_paths(&self, real: &Path) -> Vec<PathBuf> {
        let known_as = &self.folders.known_as;
        let itself = known_as.get(real).into_iter().flatten().cloned();
        let in_folder = real.parent().zip(real.file_name()).and_then(|(folder, name)| {
            Some(known_as.get(folder)?.iter().map(move |folder| folder.join(name)))
        });
        itself.chain(in_folder.into_iter().flatten()).collect()
    }
}

/// Where a folder stands, all links followed; `None` where none stands.
fn real_folder(folder: &Path) -> Option<PathBuf> {
    let named = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::canonicalize(named).ok().filter(|real| real.is_dir())
}
