//! How much of a watched folder has to be looked at again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

/// Above this many paths a full look is cheaper than remembering them.
const MAX_PATHS: usize = 65_536;

/// What of one watched folder may have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing that is known; only what the reader itself wanted to look at again.
    #[default]
    Nothing,
    /// These paths: files or folders, standing or gone. A folder means everything below it.
    Paths(BTreeSet<PathBuf>),
    /// Everything.
    All,
}

impl Scope {
    /// True where there is nothing to look at.
    pub fn is_nothing(&self) -> bool {
        *self == Scope::Nothing
    }

    /// Takes one more path in.
    pub fn add(&mut self, path: PathBuf) {
        match self {
            Scope::All => {}
            Scope::Nothing => *self = Scope::Paths(BTreeSet::from([path])),
            Scope::Paths(paths) => {
                paths.insert(path);
                if paths.len() > MAX_PATHS {
                    *self = Scope::All;
                }
            }
        }
    }

    /// Takes in all that `other` covers.
    pub fn merge(&mut self, other: Scope) {
        match other {
            Scope::Nothing => {}
            Scope::Paths(paths) => paths.into_iter().for_each(|path| self.add(path)),
            Scope::All => *self = Scope::All,
        }
    }

    /// Drops the single paths for which `keep` says no.
    pub fn retain(&mut self, keep: impl FnMut(&PathBuf) -> bool) {
        if let Scope::Paths(paths) = self {
            paths.retain(keep);
            if paths.is_empty() {
                *self = Scope::Nothing;
            }
        }
    }
}

/// A file that is whole, or a folder that stands for all below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The file or folder.
    pub path: PathBuf,
    /// When that was seen: of a file that was written to after it, it says nothing.
    pub at: SystemTime,
}

/// A burst of file events, as one change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In the zones folder.
    pub zones: Scope,
    /// In the filings folder.
    pub filings: Scope,
    /// Files that are whole: their writer closed them, or they were renamed into place. A folder
    /// (renamed into place, its `.hold` removed, its `..data` link swapped) stands for all below.
    pub closed_after_write: Vec<Closed>,
    /// The configuration file, or one of the single files that it names.
    pub config: bool,
}

impl Batch {
    /// Everything, everywhere.
    pub fn all() -> Batch {
        Batch {
            zones: Scope::All,
            filings: Scope::All,
            closed_after_write: Vec::new(),
            config: true,
        }
    }

    /// True where nothing has to be looked at.
    pub fn is_empty(&self) -> bool {
        self.zones.is_nothing() && self.filings.is_nothing() && !self.config
    }

    /// Takes in all that `other` covers.
    pub fn merge(&mut self, other: Batch) {
        self.zones.merge(other.zones);
        self.filings.merge(other.filings);
        self.closed_after_write.extend(other.closed_after_write);
        self.config |= other.config;
    }
}
