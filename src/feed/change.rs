//! What the feed is asked, and what it answers: the vocabulary between it and those who watch the
//! folder, decide anew and tell people. Hardly any logic.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::store::{SiteKey, covers};
use crate::fault::Fault;
use crate::filing::Facts;
use crate::filing::decide::Target;

/// Where the filings are, and how careful to be with them.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedSettings {
    /// `filings.path`: the folder.
    pub path: PathBuf,
    /// `filings.provider`: this access provider, as the records name it.
    pub provider: String,
    /// `filings.max_bad_lines`: a file with a greater share of bad lines is refused; one bad line
    /// is always borne, or a file of a few lines could have none.
    pub max_bad_lines: f64,
    /// `filings.max_shrink`: a change that loses a greater share of all records waits.
    pub max_shrink: f64,
    /// `filings.settle`: how long a file that is rewritten in place must be quiet.
    pub settle: Duration,
}

/// Where to look for changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    All,
    /// At these files and folders.
    Paths(Vec<PathBuf>),
}

/// What the watcher knows of the writer of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// It was seen at this time that the file is whole: closed, or moved to this path. Of a folder:
    /// that all files below are.
    Closed(PathBuf, SystemTime),
    /// It has made the file, or written to it, and not closed it yet.
    Writing(PathBuf),
}

/// A file that somebody has open for writing is at rest when it has been quiet for so long.
pub const OPEN_REST: Duration = Duration::from_secs(60);
/// An empty file of which it is not known whether somebody has it open must have been quiet for at
/// least so long: who empties a file is about to write to it, and on a busy disk takes a while.
pub const EMPTY_REST: Duration = Duration::from_secs(5);

/// What is known of a file that was just read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It has not been written to meanwhile.
    No,
    /// It has been, or moved, and its writer was done.
    Closed,
    /// Its writer has not closed it, which will be an event.
    StillOpen,
    /// Somebody has it open for writing, of whom no event tells, or none yet.
    Perhaps,
}

/// Tells who is writing to a file.
pub trait Writers: std::fmt::Debug + Send {
    /// Whether anybody has the file at this path open for writing; `None` where that is not known.
    fn is_open(&self, path: &Path) -> Option<bool>;
    /// What was done to the file at this path while it was read, up to the call.
    fn written(&self, path: &Path) -> Written;
}

/// Whether a change that loses many records is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shrink {
    /// It waits.
    Guard,
    /// It is taken in: a person said so, or there is nothing yet to lose.
    Accept,
}

/// A point in time, on the clock that never steps and on the one that files are dated by.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For waiting.
    pub monotonic: Instant,
    /// For comparing with the times of files.
    pub wall: SystemTime,
}

impl Moment {
    /// This moment.
    pub fn now() -> Moment {
        Moment { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    pub(super) fn as_instant(self) -> crate::filing::Instant {
        let since = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        crate::filing::Instant(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

/// Which site domains may have another verdict now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// None.
    None,
    /// These, each once.
    Domains(Vec<SiteKey>),
    /// So many that all should be decided anew.
    All,
}

/// A change that waits for `beiand reload --accept-shrink`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingShrink {
    /// The files that have shrunk, been emptied or gone.
    pub files: Vec<PathBuf>,
    /// How many records would be lost.
    pub records: usize,
    /// Of how many.
    pub of: usize,
    /// The site domains that would lose a record: those of them that are open may close.
    pub sites: Vec<SiteKey>,
}

/// Figures of the feed after a refresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedStats {
    /// Files of which something is in force.
    pub files: usize,
    /// Records that count; see [`super::FilingStore::len`].
    pub records: usize,
    /// Lines that were skipped in the versions in force.
    pub bad_lines: u64,
    /// How long the refresh took.
    pub took: Duration,
}

/// What a refresh did.
#[derive(Clone, Debug)]
pub struct FeedChange {
    /// Whose verdict to take anew.
    pub changed: Changed,
    /// What is wrong with the files that were read this time.
    pub faults: Vec<Fault>,
    /// The files whose present version is refused: their last good one stays in force.
    pub refused: Vec<PathBuf>,
    /// The files and folders that stand there and could not be read.
    pub unread: Vec<PathBuf>,
    /// What waits for a person, for as long as it does.
    pub waiting_shrink: Option<WaitingShrink>,
    /// The folders in which a `.hold` keeps everything as it is.
    pub on_hold: Vec<PathBuf>,
    /// When to refresh again, everywhere, even if nothing is seen to change.
    pub look_again: Option<Duration>,
    /// Figures.
    pub stats: FeedStats,
}

/// Whose record is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedRecord {
    /// The name, in lower-case A-labels without final dot.
    pub name: String,
    /// The site domain that it is in.
    pub site_domain: String,
    /// Where its addresses are.
    pub target: Target,
}

/// Where a record stands. Its texts are in the file, and whoever wants them need not be the one
/// thread that owns the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRecord {
    /// The file.
    pub file: PathBuf,
    /// Its line there.
    pub line: u32,
    /// The name that the record covers, where that is not the site domain.
    pub covers: Option<String>,
    /// What a decision needs of it.
    pub facts: Facts,
}

impl FoundRecord {
    /// True when the record speaks of `name` (A-labels, lower case, no final dot), a name at or
    /// below the site domain.
    pub fn covers_name(&self, name: &str) -> bool {
        covers(self.covers.as_deref(), name)
    }
}
