//! File events, as the folders and files that we look at see them.
//!
//! Owns the `notify` watches and the translation of raw events into one coalesced [`Batch`]. Each
//! folder is watched by itself, files never: an editor or `mv` replaces the inode that a file
//! watch holds on to. Beside the folders themselves their parents are watched, so that a folder
//! that is removed and re-made, or a link that is swapped, is seen.
//!
//! Not seen by events: writes from another machine, and to files that only a symbolic link in a
//! watched folder leads to (a Kubernetes `..data` swap is seen). The driver's poll is for these.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::hold::{HOLD_FILE, is_held};
use super::origin::is_ignored;
use super::scope::{Batch, Closed, Scope};
use super::writers::{OpenFiles, Probe, Writers};

/// A batch is ripe when no event has come for so long,
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
const DATA_LINK: &str = "..data";

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
    watcher: Option<RecommendedWatcher>,
    probe: Arc<Probe>,
    mode: Mode,
    /// The folders by their real path, each with the paths by which we know it.
    known_as: HashMap<PathBuf, Vec<PathBuf>>,
    /// Folders in which a `.hold` was seen and not seen to go.
    held: BTreeSet<PathBuf>,
    rescan_not_before: Option<Instant>,
    rescan_wait: Duration,
}

/// What has come in from the notify thread, folded as it comes so that its size is bounded.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) touched: HashMap<PathBuf, Touch>,
    pub(super) open_files: OpenFiles,
    pub(super) lost: bool,
    limit_reached: bool,
    first: Option<Instant>,
    last: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    /// When it was last seen.
    at: SystemTime,
    /// The last thing seen makes the file whole: closed after writing, or renamed into place.
    whole: bool,
    /// It may be a new folder.
    appeared: bool,
}

impl Watch {
    /// Sets up the watches. `wake` is called, from another thread, when events begin to come.
    pub fn new(watched: Watched, wake: impl Fn() + Send + 'static) -> Watch {
        let raw = Arc::new(Mutex::new(Raw::default()));
        let shared = Arc::clone(&raw);
        let probe = Arc::new(Probe::new());
        let our_own = Arc::clone(&probe);
        let handler = move |event: notify::Result<Event>| {
            if our_own.note(&event) {
                return;
            }
            if lock(&shared).note(event) {
                wake();
            }
        };
        let watcher = match notify::recommended_watcher(handler) {
            Ok(mut watcher) => {
                if let Err(error) = probe.watch(&mut watcher) {
                    let remedy = "let the server write to the folder for temporary files";
                    tracing::warn!(
                        %error,
                        remedy,
                        "a file rewritten in place is known to be whole by the clock only"
                    );
                }
                Some(watcher)
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    remedy = "sysctl fs.inotify.max_user_instances=1024",
                    "no file events; polling only"
                );
                None
            }
        };
        let mode = if watcher.is_some() { Mode::Events } else { Mode::PollOnly };
        let mut watch = Watch {
            watched,
            raw,
            watcher,
            probe,
            mode,
            known_as: HashMap::new(),
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
        self.mode
    }

    /// Who is writing, by the same events.
    pub fn writers(&self) -> Writers {
        match &self.watcher {
            Some(_) => Writers::new(&self.raw, &self.probe),
            None => Writers::default(),
        }
    }

    /// Changes what is watched.
    pub fn watch_instead(&mut self, watched: Watched) {
        if self.watched != watched {
            self.watched = watched;
            self.rewatch();
        }
    }

    /// Sets all watches again, so that whatever was missed is watched from now on. Walks the
    /// folders.
    pub fn rewatch(&mut self) {
        let before = std::mem::take(&mut self.known_as);
        let Watched { zones, filings, config, files } = self.watched.clone();
        for path in [&zones, &filings, &config].into_iter().chain(&files) {
            self.watch_above(path);
        }
        self.watch_below(&zones);
        self.watch_below(&filings);
        if let Some(watcher) = &mut self.watcher {
            for folder in before.keys().filter(|folder| !self.known_as.contains_key(*folder)) {
                // It may be gone, and its watch with it.
                let _ = watcher.unwatch(folder);
            }
        }
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
        let (first, last) = (raw.first?, raw.last?);
        let mut ripe = (last + QUIET).min(first + LONGEST_WAIT);
        if raw.lost
            && raw.touched.is_empty()
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
        let mut raw = lock(&self.raw).take();
        if raw.limit_reached {
            self.limit_reached();
        }
        let mut batch = Batch::default();
        for (path, touch) in std::mem::take(&mut raw.touched) {
            for path in self.known_paths(&path) {
                self.sort_in(path, touch, &mut batch);
            }
        }
        if raw.lost {
            if self.rescan_not_before.is_some_and(|not_before| now < not_before) {
                let mut waiting = lock(&self.raw);
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

    /// The paths by which we know a real path that an event names.
    fn known_paths(&self, real: &Path) -> Vec<PathBuf> {
        let itself = self.known_as.get(real).into_iter().flatten().cloned();
        let in_folder = real.parent().zip(real.file_name()).and_then(|(folder, name)| {
            Some(self.known_as.get(folder)?.iter().map(move |folder| folder.join(name)))
        });
        itself.chain(in_folder.into_iter().flatten()).collect()
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
            if (!nearest_found || is_link) && self.watch_folder(folder) {
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
                || !self.watch_folder(&folder)
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

    /// True where the folder stands.
    fn watch_folder(&mut self, folder: &Path) -> bool {
        let named = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let Ok(real) = fs::canonicalize(named) else { return false };
        if !real.is_dir() {
            return false;
        }
        if let Some(watcher) = self.watcher.as_mut().filter(|_| self.mode == Mode::Events) {
            match watcher.watch(&real, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => {
                    self.limit_reached();
                }
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "folder cannot be watched");
                }
            }
        }
        let known = self.known_as.entry(real).or_default();
        if !known.iter().any(|path| path == folder) {
            known.push(folder.to_owned());
        }
        true
    }

    fn limit_reached(&mut self) {
        if self.mode == Mode::Events {
            self.mode = Mode::PollOnly;
            tracing::warn!(
                folders = self.known_as.len(),
                remedy = "sysctl fs.inotify.max_user_watches=1048576, then restart",
                "too many folders for the system's limit of file watches; polling only"
            );
        }
    }
}

impl Raw {
    /// All but who is writing, which stays true.
    fn take(&mut self) -> Raw {
        let open_files = std::mem::take(&mut self.open_files);
        std::mem::replace(self, Raw { open_files, ..Raw::default() })
    }

    /// Takes one event in; true where it is the first since the last batch.
    fn note(&mut self, event: notify::Result<Event>) -> bool {
        match event {
            Ok(event) if event.need_rescan() => {
                self.open_files.forget();
                self.lost = true;
            }
            Ok(event) => {
                let Some(fold) = meaning(&event.kind) else { return false };
                let paths = event.paths.into_iter().filter(|path| is_heeded(path));
                let before = self.touched.len();
                let mut any = false;
                for path in paths {
                    any = true;
                    self.open_files.note(&event.kind, &path);
                    let at = SystemTime::now();
                    let unseen = Touch { at, whole: false, appeared: false };
                    let touch = self.touched.entry(path).or_insert(unseen);
                    touch.at = at;
                    fold(touch);
                }
                if !any {
                    return false;
                }
                if before >= MAX_PATHS {
                    self.touched.clear();
                    self.lost = true;
                }
            }
            Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => {
                self.limit_reached = true;
            }
            Err(_) => self.lost = true,
        }
        let now = Instant::now();
        self.last = Some(now);
        let is_first = self.first.is_none();
        self.first.get_or_insert(now);
        is_first
    }
}

/// What an event says of its path; `None` for those that are none of our business, above all that
/// a file was opened or read, by ourselves for one.
fn meaning(kind: &EventKind) -> Option<fn(&mut Touch)> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(|touch| touch.whole = true),
        EventKind::Access(_) => None,
        // Its two halves come as events of their own.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => None,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => {
            Some(|touch| touch.whole = false)
        }
        EventKind::Modify(ModifyKind::Name(_)) => {
            Some(|touch| (touch.whole, touch.appeared) = (true, true))
        }
        EventKind::Create(CreateKind::Folder) => Some(|touch| touch.appeared = true),
        EventKind::Create(_) => Some(|touch| (touch.whole, touch.appeared) = (false, true)),
        EventKind::Modify(ModifyKind::Metadata(_)) => Some(|_| {}),
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => {
            Some(|touch| touch.whole = false)
        }
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
    use notify::event::{DataChange, Flag, RemoveKind};
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

    fn note(watch: &Watch, kind: EventKind, path: &Path) {
        lock(&watch.raw).note(Ok(Event::new(kind).add_path(path.to_owned())));
    }

    fn take_ripe(watch: &mut Watch) -> Batch {
        while watch.ripe_in().is_some_and(|wait| !wait.is_zero()) {
            std::thread::yield_now();
        }
        watch.take()
    }

    fn lose_events(watch: &Watch) {
        lock(&watch.raw).note(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
    }

    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));

    #[test]
    fn a_file_is_whole_only_while_its_close_is_the_last_that_was_seen() {
        let (temp, mut watch) = watch();
        let path = temp.path().join("zones/a.zone");
        let mut take_after = |kinds: &[EventKind]| {
            kinds.iter().for_each(|kind| note(&watch, *kind, &path));
            let batch = take_ripe(&mut watch);
            assert_eq!(batch.zones, Scope::Paths([path.clone()].into()));
            assert!(batch.filings.is_nothing() && !batch.config);
            batch.closed_after_write.into_iter().map(|closed| closed.path).collect::<Vec<_>>()
        };
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        assert_eq!(take_after(&[WRITTEN, CLOSED]), std::slice::from_ref(&path));
        assert_eq!(take_after(&[renamed]), std::slice::from_ref(&path));
        assert!(take_after(&[WRITTEN, CLOSED, WRITTEN]).is_empty());
        assert!(take_after(&[CLOSED, EventKind::Remove(RemoveKind::File)]).is_empty());
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
        note(&watch, WRITTEN, &path);
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
            note(&watch, CLOSED, &temp.path().join(format!("zones/z{number}.zone")));
        }
        assert_eq!(watch.take(), Batch::all());
    }

    #[test]
    fn at_the_systems_limit_the_poll_is_all_there_is() {
        let (_temp, mut watch) = watch();
        assert_eq!(watch.mode(), Mode::Events);
        lock(&watch.raw).note(Err(notify::Error::new(ErrorKind::MaxFilesWatch)));
        assert!(watch.take().is_empty());
        assert_eq!(watch.mode(), Mode::PollOnly);
    }
}
