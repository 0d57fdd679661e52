//! Which zone files stand in the zones folder, and which of them changed.
//!
//! Owns the bookkeeping of `**/<origin>.zone`: origin, place, and a fingerprint of size, times and
//! inode. Does not read the files: whether a touched file is equal by content is the Loader's to
//! tell. About 55 bytes a zone: the folder is an index, the file name follows from the origin.
//!
//! When a change counts:
//! - A file that nobody has open for writing counts at once.
//! - A file that somebody writes to does not count until it is closed, however long that takes; nor
//!   does one that is open, until it has been quiet for a minute.
//! - Where the system does not say who has a file open, one that its writer closed counts at once,
//!   and any other when its last change lies `settle` back, or when it has not changed for so long.
//! - On the first scan everything counts as it stands.
//! - A file or folder that is gone removes its zones once it has been gone for [`GONE_GRACE`], so
//!   that delete-and-create does not flap; in a folder known to be whole (its `.hold` went, say) at
//!   once. Gone means: the folders above it stand, it is in none of them, and the zones folder is
//!   the one that was last scanned, before and after the look.
//! - A zones folder that is itself gone, unreadable, or another one and empty removes nothing; nor
//!   does a link that leads nowhere.
//! - What stands there and cannot be read is tried again, ever more seldom.
//! - From a folder with `.hold` downwards nothing changes.

mod books;
mod folders;
mod gone;
mod listing;
mod look;
mod saved;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use self::books::Books;
use self::folders::{FolderId, Folders};
pub use self::saved::{SavedFiles, ZoneFilesToSave, read_chunk};
use super::folder_watch::FolderWatch;
use super::hold;
use super::origin::{self, FileName};
use super::scope::{Closed, Scope};
use super::unread::Unread;
use super::writers::Writers;
use crate::fault::{Fault, Severity};
use crate::feed::Written;
use crate::file_stat::FileStat;
use crate::wire::name::Name;

/// How long a file or folder must be gone before its zones go.
pub const GONE_GRACE: Duration = Duration::from_secs(1);

/// Above this many files under rewrite at once, they are taken as they stand.
const MAX_UNSETTLED: usize = 65_536;
/// Deeper folders are not looked into.
const MAX_DEPTH: usize = 64;

/// One zone and the file that it is to be read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFile {
    /// The zone's origin, in lower case.
    pub origin: Name,
    folder: Arc<Path>,
    unusual_name: Option<Box<OsStr>>,
}

impl ZoneFile {
    /// The zone file at a path, whose name says the origin. Errors: the name says none.
    pub fn at(path: &Path) -> Result<ZoneFile, String> {
        let file_name = path.file_name().unwrap_or_default();
        let origin = match origin::read(file_name) {
            FileName::Zone(origin) => origin,
            FileName::Misnamed(problem) => return Err(problem),
            FileName::Other => return Err("the file name does not end in .zone".to_owned()),
        };
        let unusual_name = (!origin::is_usual(file_name, &origin)).then(|| file_name.into());
        let folder = Arc::from(path.parent().unwrap_or(Path::new("")));
        Ok(ZoneFile { origin, folder, unusual_name })
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        match &self.unusual_name {
            Some(name) => self.folder.join(&**name),
            None => self.folder.join(origin::usual_file_name(&self.origin)),
        }
    }
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneFileChanges {
    /// To be read: new, touched, moved, or including a file that was touched. Each origin once,
    /// in no particular order.
    pub changed: Vec<ZoneFile>,
    /// Zones whose file is gone.
    pub removed: Vec<Name>,
    /// Misnamed files, two files for one zone, unreadable folders. A standing fault is told once.
    pub faults: Vec<Fault>,
    /// Something has been put off: scan again after this long, with `Scope::Nothing` or more.
    pub look_again: Option<Duration>,
}

/// The zone files of one folder tree.
#[derive(Debug)]
pub struct ZoneFiles {
    root: PathBuf,
    settle: Duration,
    writers: Writers,
    folder_watch: FolderWatch,
    folders: Folders,
    zones: Books,
    /// Names of the files that are not called by [`origin::usual_file_name`].
    unusual_names: HashMap<Name, Box<OsStr>>,
    /// Further files for an origin that has one already, by path.
    rivals: BTreeMap<Name, BTreeMap<PathBuf, u64>>,
    /// Misnamed files, unreadable folders and the like, which have been told of.
    told: BTreeMap<PathBuf, Fault>,
    included: HashMap<PathBuf, Included>,
    includes_of: HashMap<Name, Vec<PathBuf>>,
    /// Files under rewrite: fingerprint, and since when it has been that.
    unsettled: HashMap<PathBuf, (u64, Instant)>,
    /// Files and folders that are gone, each the topmost of a path: since when.
    gone: HashMap<PathBuf, Instant>,
    unread: Unread,
    /// The zones folder as it was last scanned.
    scanned_root: Option<Identity>,
    scanned_before: bool,
    /// Number of the scan under way.
    scan: u32,
    is_being_taken_in: bool,
}

#[derive(Debug)]
struct Included {
    fingerprint: u64,
    by: Vec<Name>,
}

/// One scan under way.
struct Pass<'a> {
    now: Instant,
    wall: SystemTime,
    closed: HashMap<&'a Path, &'a Closed>,
    changed: Vec<Name>,
    removed: Vec<Name>,
    faults: Vec<Fault>,
    look_again: Option<Duration>,
    /// Origins for which a second file turned up.
    contested: HashSet<Name>,
    seen_rivals: HashSet<PathBuf>,
    /// Folders that were walked from, and those below that must be left as they are.
    walked: Vec<PathBuf>,
    kept: Vec<PathBuf>,
    visited: HashSet<FolderId>,
    /// What is gone, and not for long enough.
    missing: HashSet<PathBuf>,
}

/// Device and inode of a folder.
type Identity = (u64, u64);

impl Pass<'_> {
    fn come_back_in(&mut self, wait: Duration) {
        self.look_again = Some(self.look_again.map_or(wait, |other| other.min(wait)));
    }

    /// True where the file, or a folder above it, is known to be whole.
    fn is_closed(&self, path: &Path, found: &FileStat) -> bool {
        !self.closed.is_empty()
            && path.ancestors().any(|part| {
                self.closed.get(part).is_some_and(|closed| found.is_as_it_was(closed.at))
            })
    }

    /// True where what is not at `path` is meant not to be: a folder above is known to be whole,
    /// and nothing has come or gone beside the path since.
    fn is_complete_without(&self, path: &Path) -> bool {
        let Some(folder) = path.parent().filter(|_| !self.closed.is_empty()) else { return false };
        fs::metadata(folder).is_ok_and(|found| self.is_closed(folder, &FileStat::of(&found)))
    }
}

impl ZoneFiles {
    /// Over the folder `root`; nothing is looked at yet. `settle` is how long a file that is
    /// rewritten in place must be quiet where its writer's close is not seen.
    pub fn new(root: impl Into<PathBuf>, settle: Duration) -> ZoneFiles {
        ZoneFiles {
            root: root.into(),
            settle,
            writers: Writers::default(),
            folder_watch: FolderWatch::default(),
            folders: Folders::default(),
            zones: Books::default(),
            unusual_names: HashMap::new(),
            rivals: BTreeMap::new(),
            told: BTreeMap::new(),
            included: HashMap::new(),
            includes_of: HashMap::new(),
            unsettled: HashMap::new(),
            gone: HashMap::new(),
            unread: Unread::default(),
            scanned_root: None,
            scanned_before: false,
            scan: 0,
            is_being_taken_in: false,
        }
    }

    /// From now on it can be told whether a file is open for writing, or was written to, and each
    /// folder is watched before it is looked into.
    pub fn meet(&mut self, writers: Writers, folder_watch: FolderWatch) {
        self.writers = writers;
        self.folder_watch = folder_watch;
    }

    /// Number of zones that have a file.
    pub fn len(&self) -> usize {
        self.zones.len()
    }

    /// True where no zone has a file.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// The file of a zone; `origin` in lower case.
    pub fn file(&self, origin: &Name) -> Option<ZoneFile> {
        self.file_of(origin.clone())
    }

    /// Looks at what `scope` names, and at what was put off before. `closed` are the files (and
    /// folders, for all below) that are known to be whole. A changed path costs the same however
    /// many zones there are; a folder costs its own files and one pass over the bookkeeping.
    /// Where [`ZoneFiles::note_taken_in`] has not been called since the last scan, because of a panic,
    /// every file that is looked at counts as changed.
    pub fn scan(&mut self, scope: &Scope, closed: &[Closed]) -> ZoneFileChanges {
        if std::mem::replace(&mut self.is_being_taken_in, true) {
            self.zones.forget_fingerprints();
            self.included.values_mut().for_each(|included| included.fingerprint = 0);
        }
        self.scan_at(scope, closed, Instant::now(), SystemTime::now())
    }

    /// All that the last [`ZoneFiles::scan`] found has been read.
    pub fn note_taken_in(&mut self) {
        self.is_being_taken_in = false;
    }

    /// What the last scan found counts as read, and is still to be, or never was.
    pub fn is_being_taken_in(&self) -> bool {
        self.is_being_taken_in
    }

    /// Remembers that the zone's file was read whole, in seconds after 1970.
    pub fn note_read(&mut self, origin: &Name, at: u32) {
        if let Some(place) = self.zones.get_mut(origin) {
            place.read_at = at;
        }
    }

    /// Remembers that the zone's file, which stands there, or one that it includes could not be read:
    /// a later scan has it read again, though it be the same.
    pub fn note_unread(&mut self, file: &ZoneFile) {
        if let Some(place) = self.zones.get_mut(&file.origin) {
            place.fingerprint = 0;
            self.unread.note(&file.path(), Instant::now());
        }
    }

    /// The zone's file could be read, whatever it says.
    pub fn note_readable(&mut self, file: &ZoneFile) {
        if !self.unread.is_empty() {
            self.unread.forget(&file.path());
        }
    }

    /// What is wrong with files and folders that cannot be taken for zones, or not be looked into, as
    /// things stand.
    pub fn standing_faults(&self) -> impl Iterator<Item = &Fault> {
        self.told.values()
    }

    /// After how long to scan again for what could not be read.
    pub fn try_again_in(&self) -> Option<Duration> {
        self.unread.next_in(Instant::now())
    }

    /// When the zone's file was last read whole, in seconds after 1970; 0 for never.
    pub fn read_at(&self, origin: &Name) -> u32 {
        self.zones.get(origin).map_or(0, |place| place.read_at)
    }

    /// Remembers which files the zone `origin` includes, in place of what was remembered before,
    /// so that a change of one of them has the zone read again.
    pub fn note_includes(&mut self, origin: &Name, files: &[PathBuf]) {
        for path in self.includes_of.remove(origin).unwrap_or_default() {
            if let Some(included) = self.included.get_mut(&path) {
                included.by.retain(|by| by != origin);
                if included.by.is_empty() {
                    self.included.remove(&path);
                }
            }
        }
        if files.is_empty() {
            return;
        }
        let paths: Vec<PathBuf> = files.iter().map(|file| self.as_events_name_it(file)).collect();
        for path in &paths {
            let included = self.included.entry(path.clone()).or_insert_with(|| Included {
                fingerprint: fs::metadata(path)
                    .map_or(0, |found| FileStat::of(&found).fingerprint()),
                by: Vec::new(),
            });
            if !included.by.contains(origin) {
                included.by.push(origin.clone());
            }
        }
        self.includes_of.insert(origin.clone(), paths);
    }

    /// How long to wait where a zone file that was just read, or a file that it includes, is no
    /// longer as the scan found it: what was read may be half of a rewrite. It is looked at again
    /// then; or, where the wait is nothing, when an event comes: its writer closes it, or the
    /// `.hold` goes that has been set since. The included files have been noted.
    pub fn put_off_if_written(
        &mut self,
        file: &ZoneFile,
        includes: &[PathBuf],
    ) -> Option<Duration> {
        let place = self.zones.get_mut(&file.origin)?;
        let path = file.path();
        if hold::held_by(&self.root, &path).is_some() {
            place.fingerprint = 0;
            return Some(Duration::ZERO);
        }
        let Ok(found) = fs::metadata(&path) else {
            // It may come back as it was, and has perhaps not been read.
            place.fingerprint = 0;
            return None;
        };
        let print = FileStat::of(&found).fingerprint();
        let written = self.writers.written(&path);
        let mut included = includes.iter().map(|path| self.writers.written(path));
        let included = included.find(|written| *written != Written::No).unwrap_or(Written::No);
        if matches!(written, Written::Closed | Written::StillOpen) || included == Written::StillOpen
        {
            place.fingerprint = 0;
            return Some(Duration::ZERO);
        }
        if place.fingerprint == print && (written, included) == (Written::No, Written::No) {
            return None;
        }
        place.fingerprint = 0;
        self.unsettled.insert(path, (print, Instant::now()));
        Some(self.settle)
    }

    fn scan_at(
        &mut self,
        scope: &Scope,
        closed: &[Closed],
        now: Instant,
        wall: SystemTime,
    ) -> ZoneFileChanges {
        let mut pass = Pass {
            now,
            wall,
            closed: closed.iter().map(|closed| (closed.path.as_path(), closed)).collect(),
            changed: Vec::new(),
            removed: Vec::new(),
            faults: Vec::new(),
            look_again: None,
            contested: HashSet::new(),
            seen_rivals: HashSet::new(),
            walked: Vec::new(),
            kept: Vec::new(),
            visited: HashSet::new(),
            missing: HashSet::new(),
        };
        self.scan = self.scan.wrapping_add(1);
        match scope {
            Scope::Nothing => {}
            Scope::Paths(paths) => paths.iter().for_each(|path| self.look_at(path, &mut pass)),
            Scope::All => self.look_at_root(&mut pass),
        }
        self.look_at_what_was_put_off(&mut pass);
        if !pass.walked.is_empty() {
            self.sweep(&mut pass);
        }
        self.settle_contests(&mut pass);
        self.scanned_before |= *scope == Scope::All;
        // Gone from one place and found at another: changed.
        pass.removed.retain(|origin| !self.zones.contains(origin));
        ZoneFileChanges {
            changed: each_once(pass.changed).filter_map(|origin| self.file_of(origin)).collect(),
            removed: pass.removed,
            faults: pass.faults,
            look_again: pass.look_again,
        }
    }

    fn file_of(&self, origin: Name) -> Option<ZoneFile> {
        let place = self.zones.get(&origin)?;
        let folder = self.folders.path(place.folder);
        let unusual_name = self.unusual_names.get(&origin).cloned();
        Some(ZoneFile { origin, folder, unusual_name })
    }

    fn tell_misnamed(&mut self, path: &Path, problem: String, pass: &mut Pass<'_>) {
        let remedy = "name the file as its zone, as in example.com.zone (the root: @.zone)";
        self.tell(Fault::of_file(Severity::Error, path, problem, remedy), pass);
    }

    fn tell_once(&mut self, path: &Path, problem: String, pass: &mut Pass<'_>) {
        let remedy = "what was read before stays in service";
        self.tell(Fault::of_file(Severity::Error, path, problem, remedy), pass);
    }

    fn tell(&mut self, fault: Fault, pass: &mut Pass<'_>) {
        if self.told.insert(fault.file.clone(), fault.clone()).is_none() {
            pass.faults.push(fault);
        }
    }

    /// A link in the zones folder that cannot be followed.
    fn tell_unfollowed(&mut self, link: &Path, error: &std::io::Error, pass: &mut Pass<'_>) {
        let is_zone = link.file_name().is_some_and(|name| {
            matches!(origin::read(name), FileName::Zone(_)) || self.folders.any_below(link)
        });
        if is_zone {
            self.tell_once(link, format!("the link leads nowhere: {error}"), pass);
        }
    }

    /// The path of an included file as the events name it: below the root, without `..`.
    fn as_events_name_it(&self, file: &Path) -> PathBuf {
        let real = fs::canonicalize(file).ok();
        let real_root = fs::canonicalize(&self.root).ok();
        match (real, real_root) {
            (Some(real), Some(real_root)) => match real.strip_prefix(real_root) {
                Ok(below) => self.root.join(below),
                Err(_) => file.to_owned(),
            },
            _ => file.to_owned(),
        }
    }
}

/// Without those that came before; in the order in which they stand in their folders, so that their
/// files are quickly found again.
fn each_once(origins: Vec<Name>) -> impl Iterator<Item = Name> {
    let is_first: Vec<bool> = {
        let mut seen = hashbrown::HashSet::with_capacity(origins.len());
        origins.iter().map(|origin| seen.insert(origin.as_wire())).collect()
    };
    let with_first = origins.into_iter().zip(is_first);
    with_first.filter_map(|(origin, is_first)| is_first.then_some(origin))
}

fn leads_back_up(link: &Path, folder: &Path) -> bool {
    match (fs::canonicalize(link), fs::canonicalize(folder)) {
        (Ok(target), Ok(folder)) => folder.starts_with(target),
        _ => false,
    }
}

/// Of a folder; `None` where none stands.
fn identity(folder: &Path) -> Option<Identity> {
    let found = fs::metadata(folder).ok().filter(Metadata::is_dir)?;
    Some((found.dev(), found.ino()))
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;
