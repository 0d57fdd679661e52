//! File events, as the folders and files that we look at see them.
//!
//! Owns which folders are watched, and the translation of raw events into one coalesced [`Batch`].
//! Each folder is watched by itself, files never: an editor or `mv` replaces the inode that a file
//! watch holds on to. Beside the folders themselves their parents are watched, so that a folder
//! that is removed and re-made, or a link that is swapped, is seen.
//!
//! Not seen by events: writes from another machine, and to files that only a symbolic link in a
//! watched folder leads to (a Kubernetes `..data` swap is seen). The driver's poll is for these.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, PipeWriter};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use inotify::EventMask;

use super::folder_watch::{FolderWatch, KnownFolders};
use super::hold::{HOLD_FILE, is_held};
use super::origin::is_ignored;
use super::queue::{self, FileEvent, Queue};
use super::scope::{Batch, Closed, Scope};
use super::writers::{OpenFiles, Writers};

/// A batch is ripe when no event has come for so long, or none that makes a file whole since the
/// last one that did: who writes on and on to one file does not keep the others waiting;
const QUIET: Duration = Duration::from_millis(5);
/// or when its first event is so old.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// Above this many paths in one batch a full look is cheaper.
const MAX_PATHS: usize = 65_536;
/// Lost events need a look at everything; when they are lost again soon after it, the next such
/// look waits, from `FIRST` doubling up to `LONGEST`.
const FIRST_RESCAN_WAIT: Duration = Duration::from_secs(1);
const LONGEST_RESCAN_WAIT: Duration = Duration::from_secs(60);
/// Kubernetes swaps this link to change all files of a mounted folder at once.
pub(super) const DATA_LINK: &str = "..data";

/// What is to be watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The zones folder, with all folders below.
    pub zones: PathBuf,
    /// The filings folder, with all folders below.
    pub filings: PathBuf,
    /// The configuration file.
    pub config: PathBuf,
    /// Further single files that the configuration names.
    pub files: Vec<PathBuf>,
}

/// Whether the system tells of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By events; the poll is a safety net.
    Events,
    /// Not, or not for all folders: the poll is all there is.
    PollOnly,
}

/// The watches, and the events that have come and not been taken.
#[derive(Debug)]
pub struct Watch {
    watched: Watched,
    raw: Arc<Mutex<Raw>>,
    /// Dropped, it ends the thread that waits for events.
    _closing: Option<PipeWriter>,
    /// Folders in which a `.hold` was seen and not seen to go.
    held: BTreeSet<PathBuf>,
    rescan_not_before: Option<Instant>,
    rescan_wait: Duration,
}

/// The queue of events, and what has come out of it, folded as it comes so that its size is bounded.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// `None` where the system gives none.
    pub(super) queue: Option<Queue>,
    pub(super) folders: KnownFolders,
    pub(super) open_files: OpenFiles,
    pub(super) pending: Pending,
}

/// What has not been taken yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) touched: HashMap<PathBuf, Touch>,
    lost: bool,
    first: Option<Instant>,
    last: Option<Instant>,
    last_whole: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    /// When it was last seen.
    at: SystemTime,
    /// The last thing seen makes the file whole: closed after writing, or renamed into place.
    whole: bool,
    /// It may be a new folder, or one that can be read now.
    appeared: bool,
}

impl Watch {
    /// Sets up the watches. `wake` is called, from another thread, when events begin to come.
    pub fn new(watched: Watched, wake: impl Fn() + Send + 'static) -> Watch {
        let raw = Arc::new(Mutex::new(Raw::default()));
        let closing = match open_queue(&raw, wake) {
            Ok(closing) => Some(closing),
            Err(error) => {
                tracing::warn!(
                    %error,
                    remedy = "sysctl fs.inotify.max_user_instances=1024",
                    "no file events; polling only"
                );
                None
            }
        };
        let mut watch = Watch {
            watched,
            raw,
            _closing: closing,
            held: BTreeSet::new(),
            rescan_not_before: None,
            rescan_wait: FIRST_RESCAN_WAIT,
        };
        watch.rewatch();
        watch
    }

    /// What is watched.
    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// The folders that are held back as far as is known. A look at everything may find one free
    /// before its event says so: then all that stands below is whole.
    pub fn held(&self) -> impl Iterator<Item = &PathBuf> {
        self.held.iter()
    }

    /// Whether events can be relied upon.
    pub fn mode(&self) -> Mode {
        lock(&self.raw).mode()
    }

    /// By this, whoever is about to look into a folder has it watched.
    pub fn folders(&self) -> FolderWatch {
        FolderWatch::new(&self.raw)
    }

    /// Who is writing, by the same events.
    pub fn writers(&self) -> Writers {
        Writers::new(&self.raw)
    }

    /// Changes what is watched.
    pub fn watch_instead(&mut self, watched: Watched) {
        if self.watched != watched {
            self.watched = watched;
            self.rewatch();
        }
    }

    /// Sets the watches again, so that whatever was missed is watched from now on; those below the
    /// zones folder, which may hold a million files, are left to who looks into it next.
    pub fn rewatch(&mut self) {
        let Watched { zones, filings, config, files } = self.watched.clone();
        self.folders().keep(|path| path.starts_with(&zones));
        for path in [&zones, &filings, &config].into_iter().chain(&files) {
            self.watch_above(path);
        }
        self.folders().watch(&zones);
        self.watch_below(&filings);
        lock(&self.raw).watch_known_only();
    }

    /// The same for the filings folder only.
    pub fn rewatch_filings(&mut self) {
        let filings = self.watched.filings.clone();
        self.watch_above(&filings);
        self.watch_below(&filings);
    }

    /// How long until there is a ripe batch, as far as is known; `None` while nothing has come.
    pub fn ripe_in(&self) -> Option<Duration> {
        let now = Instant::now();
        let raw = lock(&self.raw);
        let Pending { touched, lost, first, last, last_whole } = &raw.pending;
        let mut ripe = (last_whole.or(*last)? + QUIET).min((*first)? + LONGEST_WAIT);
        if *lost
            && touched.is_empty()
            && let Some(not_before) = self.rescan_not_before
        {
            ripe = ripe.max(not_before);
        }
        Some(ripe.saturating_duration_since(now))
    }

    /// Takes what has come, ripe or not. New folders are being watched when this returns, so that
    /// a look at them misses nothing.
    pub fn take(&mut self) -> Batch {
        let now = Instant::now();
        let mut raw = lock(&self.raw);
        raw.drain();
        let pending = std::mem::take(&mut raw.pending);
        drop(raw);
        let mut batch = Batch::default();
        for (path, touch) in pending.touched {
            let known_paths = lock(&self.raw).known_paths(&path);
            for path in known_paths {
                self.sort_in(path, touch, &mut batch);
            }
        }
        if pending.lost {
            if self.rescan_not_before.is_some_and(|not_before| now < not_before) {
                let waiting = &mut lock(&self.raw).pending;
                waiting.lost = true;
                waiting.first.get_or_insert(now);
                waiting.last.get_or_insert(now);
            } else {
                let soon_again = self
                    .rescan_not_before
                    .is_some_and(|not_before| now < not_before + LONGEST_RESCAN_WAIT);
                self.rescan_wait = match soon_again {
                    true => (self.rescan_wait * 2).min(LONGEST_RESCAN_WAIT),
                    false => FIRST_RESCAN_WAIT,
                };
                self.rescan_not_before = Some(now + self.rescan_wait);
                tracing::warn!("file events were lost; looking at everything");
                self.rewatch();
                batch.merge(Batch::all());
            }
        }
        batch
    }

    fn sort_in(&mut self, path: PathBuf, touch: Touch, batch: &mut Batch) {
        let Watched { zones, filings, config, files } = &self.watched;
        let single_files = || std::iter::once(config).chain(files);
        let is_data_link = path.file_name() == Some(OsStr::new(DATA_LINK));
        let data_of = path.parent().filter(|_| is_data_link);
        let is_above = |root: &Path| root.starts_with(&path);
        if single_files().any(|file| is_above(file) || data_of.is_some_and(|d| file.starts_with(d)))
        {
            batch.config = true;
        }
        let mut watch_above = Vec::new();
        let mut watch_below = Vec::new();
        for (root, scope) in [(zones, &mut batch.zones), (filings, &mut batch.filings)] {
            if is_above(root) || data_of.is_some_and(|folder| is_strictly_below(root, folder)) {
                *scope = Scope::All;
                if touch.whole {
                    batch.closed_after_write.push(Closed { path: root.clone(), at: touch.at });
                }
                watch_above.push(root.clone());
                watch_below.push(root.clone());
            } else if path.starts_with(root) {
                let in_hidden_folder = path
                    .strip_prefix(root)
                    .ok()
                    .and_then(Path::parent)
                    .is_some_and(|between| between.iter().any(is_ignored));
                let name = path.file_name().unwrap_or_default();
                if in_hidden_folder {
                    continue;
                } else if is_data_link || name == OsStr::new(HOLD_FILE) {
                    let Some(folder) = path.parent() else { continue };
                    if is_held(folder) {
                        self.held.insert(folder.to_owned());
                    } else {
                        self.held.remove(folder);
                    }
                    if folder == root {
                        *scope = Scope::All;
                    } else {
                        scope.add(folder.to_owned());
                    }
                    let closed = Closed { path: folder.to_owned(), at: touch.at };
                    batch.closed_after_write.push(closed);
                    if is_data_link {
                        watch_below.push(folder.to_owned());
                    }
                } else if !is_ignored(name) {
                    scope.add(path.clone());
                    if touch.whole {
                        let closed = Closed { path: path.clone(), at: touch.at };
                        batch.closed_after_write.push(closed);
                    }
                    if touch.appeared && path.is_dir() {
                        watch_below.push(path.clone());
                    }
                }
            }
        }
        if single_files().any(|file| is_strictly_below(file, &path)) {
            watch_above.extend(single_files().cloned());
        }
        for path in watch_above {
            self.watch_above(&path);
        }
        for path in watch_below {
            self.watch_below(&path);
        }
    }

    /// Watches the folders in which `path` can appear, vanish, or be led elsewhere by a link: the
    /// nearest that stands, and each that holds a link on the way.
    fn watch_above(&mut self, path: &Path) {
        let mut nearest_found = false;
        for part in path.ancestors() {
            let Some(folder) = part.parent() else { break };
            let is_link = part.symlink_metadata().is_ok_and(|found| found.is_symlink());
            if (!nearest_found || is_link) && self.folders().watch(folder) {
                nearest_found = true;
            }
        }
    }

    /// Watches `top` and every folder below it.
    fn watch_below(&mut self, top: &Path) {
        let mut seen = HashSet::new();
        let mut open = vec![top.to_owned()];
        while let Some(folder) = open.pop() {
            // Watched first and listed then: what appears in between has an event.
            if !fs::canonicalize(&folder).is_ok_and(|real| seen.insert(real))
                || !self.folders().watch(&folder)
            {
                continue;
            }
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let Ok(kind) = entry.file_type() else { continue };
                if is_ignored(&entry.file_name()) {
                    continue;
                }
                if kind.is_dir() || (kind.is_symlink() && entry.path().is_dir()) {
                    open.push(entry.path());
                }
            }
        }
    }
}

/// Sets up the queue, and a thread that empties it and calls `wake` until what is returned is dropped.
fn open_queue(raw: &Arc<Mutex<Raw>>, wake: impl Fn() + Send + 'static) -> io::Result<PipeWriter> {
    let queue = Queue::new()?;
    let waited_for = queue.as_raw_fd();
    let (closed, closing) = io::pipe()?;
    // Raw holds the queue for as long as it lives itself, and the thread holds Raw.
    lock(raw).queue = Some(queue);
    let raw = Arc::clone(raw);
    std::thread::Builder::new().name("file-events".to_owned()).spawn(move || {
        while queue::wait(waited_for, &closed) {
            if lock(&raw).drain() {
                wake();
            }
        }
    })?;
    Ok(closing)
}

impl Raw {
    /// Takes in all that has come; true where some of it is the first since the last batch.
    pub(super) fn drain(&mut self) -> bool {
        let events = self.queue.as_mut().map(Queue::drain).unwrap_or_default();
        let mut is_first = false;
        for event in events {
            is_first |= self.note(event);
        }
        is_first
    }

    /// True where it is the first since the last batch.
    fn note(&mut self, event: FileEvent) -> bool {
        let FileEvent { path, mask } = event;
        let pending = &mut self.pending;
        if mask.contains(EventMask::Q_OVERFLOW) {
            self.open_files.forget();
            pending.lost = true;
        } else if is_heeded(&path) {
            self.open_files.note(mask, &path);
            let at = SystemTime::now();
            let unseen = Touch { at, whole: false, appeared: false };
            let touch = pending.touched.entry(path).or_insert(unseen);
            if touch.note(mask, at) {
                pending.last_whole = Some(Instant::now());
            }
            if pending.touched.len() > MAX_PATHS {
                pending.touched.clear();
                pending.lost = true;
            }
        } else {
            return false;
        }
        let now = Instant::now();
        pending.last = Some(now);
        let is_first = pending.first.is_none();
        pending.first.get_or_insert(now);
        is_first
    }
}

impl Touch {
    /// Takes in what an event says of the path; true where it makes the file whole.
    fn note(&mut self, mask: EventMask, at: SystemTime) -> bool {
        let arrived = mask.intersects(EventMask::MOVED_TO);
        self.at = at;
        self.appeared |= arrived || mask.intersects(EventMask::CREATE | EventMask::ATTRIB);
        let makes_whole = arrived || mask.intersects(EventMask::CLOSE_WRITE);
        if makes_whole {
            self.whole = true;
        } else if !mask.intersects(EventMask::ATTRIB | EventMask::MOVE_SELF) {
            self.whole = false;
        }
        makes_whole
    }
}

/// False for the names of files that are never read, so that an editor's wake nobody.
fn is_heeded(path: &Path) -> bool {
    path.file_name().is_none_or(|name| {
        name == OsStr::new(HOLD_FILE) || name == OsStr::new(DATA_LINK) || !is_ignored(name)
    })
}

fn is_strictly_below(path: &Path, folder: &Path) -> bool {
    path != folder && path.starts_with(folder)
}

pub(super) fn lock(raw: &Mutex<Raw>) -> MutexGuard<'_, Raw> {
    // What it guards is whole after each statement.
    raw.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Watches `zones`, `config/filings` and `config/beiand.toml` of a temporary folder.
    fn watch() -> (TempDir, Watch) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        for folder in ["zones", "config/filings"] {
            fs::create_dir_all(temp.path().join(folder)).expect("create");
        }
        let watched = Watched {
            zones: temp.path().join("zones"),
            filings: temp.path().join("config/filings"),
            config: temp.path().join("config/beiand.toml"),
            files: Vec::new(),
        };
        (temp, Watch::new(watched, || {}))
    }

    fn note(watch: &Watch, mask: EventMask, path: &Path) {
        lock(&watch.raw).note(FileEvent { path: path.to_owned(), mask });
    }

    fn take_ripe(watch: &mut Watch) -> Batch {
        while watch.ripe_in().is_some_and(|wait| !wait.is_zero()) {
            std::thread::yield_now();
        }
        watch.take()
    }

    fn lose_events(watch: &Watch) {
        lock(&watch.raw).note(FileEvent::lost());
    }

    #[test]
    fn a_file_is_whole_only_while_its_close_is_the_last_that_was_seen() {
        let (temp, mut watch) = watch();
        let path = temp.path().join("zones/a.zone");
        let mut take_after = |masks: &[EventMask]| {
            masks.iter().for_each(|mask| note(&watch, *mask, &path));
            let batch = take_ripe(&mut watch);
            assert_eq!(batch.zones, Scope::Paths([path.clone()].into()));
            assert!(batch.filings.is_nothing() && !batch.config);
            batch.closed_after_write.into_iter().map(|closed| closed.path).collect::<Vec<_>>()
        };
        const WRITTEN: EventMask = EventMask::MODIFY;
        const CLOSED: EventMask = EventMask::CLOSE_WRITE;
        assert_eq!(take_after(&[WRITTEN, CLOSED]), std::slice::from_ref(&path));
        assert_eq!(take_after(&[EventMask::MOVED_TO]), std::slice::from_ref(&path));
        assert!(take_after(&[WRITTEN, CLOSED, WRITTEN]).is_empty());
        assert!(take_after(&[CLOSED, EventMask::DELETE]).is_empty());
    }

    #[test]
    fn who_writes_on_and_on_to_one_file_does_not_keep_the_others_waiting() {
        let (temp, mut watch) = watch();
        let (written, closed) =
            (temp.path().join("zones/b.zone"), temp.path().join("zones/a.zone"));
        note(&watch, EventMask::CLOSE_WRITE, &closed);
        let after = Instant::now();
        while after.elapsed() <= QUIET {
            note(&watch, EventMask::MODIFY, &written);
        }
        note(&watch, EventMask::MODIFY, &written);
        assert_eq!(watch.ripe_in(), Some(Duration::ZERO));
        assert_eq!(watch.take().zones, Scope::Paths([written, closed].into()));
    }

    #[test]
    fn lost_events_mean_a_look_at_everything_and_the_next_such_look_waits() {
        let (temp, mut watch) = watch();
        lose_events(&watch);
        assert_eq!(watch.take(), Batch::all());
        lose_events(&watch);
        assert!(watch.ripe_in().is_some_and(|wait| wait > LONGEST_WAIT));
        // What was not lost does not wait with it.
        let path = temp.path().join("zones/a.zone");
        note(&watch, EventMask::MODIFY, &path);
        assert!(watch.ripe_in().is_some_and(|wait| wait <= LONGEST_WAIT));
        assert_eq!(watch.take().zones, Scope::Paths([path].into()));
        assert!(watch.ripe_in().is_some_and(|wait| wait > LONGEST_WAIT));
        watch.rescan_not_before = Some(Instant::now());
        assert_eq!(watch.take(), Batch::all());
        assert_eq!(watch.rescan_wait, FIRST_RESCAN_WAIT * 2);
    }

    #[test]
    fn more_paths_than_are_worth_keeping_become_everything() {
        let (temp, mut watch) = watch();
        for number in 0..MAX_PATHS + 1 {
            note(
                &watch,
                EventMask::CLOSE_WRITE,
                &temp.path().join(format!("zones/z{number}.zone")),
            );
        }
        assert_eq!(watch.take(), Batch::all());
    }
}
