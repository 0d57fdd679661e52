//! The folders that hold zone files, each stored once and named by a small number.

use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};
use std::path::Path;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FolderId(u32);

impl FolderId {
    /// The folder at this place among [`Folders::paths`].
    pub(super) fn at(index: usize) -> FolderId {
        FolderId(u32::try_from(index).expect("fewer folders than 2^32"))
    }

    /// Its place among [`Folders::paths`].
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The folders that hold zone files, each stored once.
#[derive(Debug, Default)]
pub(super) struct Folders {
    paths: Vec<Arc<Path>>,
    /// In the order of their parts: what is below a folder follows it.
    ids: BTreeMap<Arc<Path>, FolderId>,
    unused: Vec<FolderId>,
}

impl Folders {
    pub(super) fn intern(&mut self, folder: &Path) -> FolderId {
        if let Some(id) = self.id(folder) {
            return id;
        }
        let path: Arc<Path> = folder.into();
        let id = match self.unused.pop() {
            Some(id) => {
                self.paths[id.index()] = Arc::clone(&path);
                id
            }
            None => {
                self.paths.push(Arc::clone(&path));
                FolderId::at(self.paths.len() - 1)
            }
        };
        self.ids.insert(path, id);
        id
    }

    /// What [`Folders::intern`] called it.
    pub(super) fn id(&self, folder: &Path) -> Option<FolderId> {
        self.ids.get(folder).copied()
    }

    /// Puts back the next of [`Folders::paths`] as they were saved.
    pub(super) fn restore(&mut self, folder: &Path) {
        if folder.as_os_str().is_empty() {
            self.unused.push(FolderId::at(self.paths.len()));
        } else {
            self.ids.insert(folder.into(), FolderId::at(self.paths.len()));
        }
        self.paths.push(folder.into());
    }

    /// All of them; an unused place is empty.
    pub(super) fn paths(&self) -> impl ExactSizeIterator<Item = &Arc<Path>> {
        self.paths.iter()
    }

    pub(super) fn path(&self, id: FolderId) -> Arc<Path> {
        Arc::clone(&self.paths[id.index()])
    }

    pub(super) fn any_below(&self, path: &Path) -> bool {
        let mut from_it = self.ids.range::<Path, _>((Included(path), Unbounded));
        from_it.next().is_some_and(|(folder, _)| folder.starts_with(path))
    }

    pub(super) fn free(&mut self, id: FolderId) {
        if self.ids.remove(&self.paths[id.index()]).is_some() {
            self.paths[id.index()] = Path::new("").into();
            self.unused.push(id);
        }
    }
}
