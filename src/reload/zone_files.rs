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
mod listing;
mod saved;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use self::books::{Books, Place};
use self::folders::{FolderId, Folders};
use self::listing::Listing;
pub use self::saved::{SavedZone, ZoneFilesToSave, read_chunk};
use super::hold;
use super::origin::{self, FileName};
use super::scope::{Closed, Scope};
use super::unread::Unread;
use super::writers::{Writers, Writing};
use crate::fault::{Fault, Severity};
use crate::feed::{EMPTY_REST, OPEN_REST, Written};
use crate::progress::Progress;
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
    /// To be read: new, touched, moved, or including a file that was touched. Each origin once.
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
    fn is_closed(&self, path: &Path, found: &Metadata) -> bool {
        !self.closed.is_empty()
            && path
                .ancestors()
                .any(|part| self.closed.get(part).is_some_and(|closed| closed.holds_for(found)))
    }

    /// True where what is not at `path` is meant not to be: a folder above is known to be whole,
    /// and nothing has come or gone beside the path since.
    fn is_complete_without(&self, path: &Path) -> bool {
        let Some(folder) = path.parent().filter(|_| !self.closed.is_empty()) else { return false };
        fs::metadata(folder).is_ok_and(|found| self.is_closed(folder, &found))
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
        }
    }

    /// From now on it can be told whether a file is open for writing, or was written to.
    pub fn meet(&mut self, writers: Writers) {
        self.writers = writers;
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
    pub fn scan(&mut self, scope: &Scope, closed: &[Closed]) -> ZoneFileChanges {
        self.scan_at(scope, closed, Instant::now(), SystemTime::now())
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
                fingerprint: fs::metadata(path).map_or(0, |found| fingerprint(&found)),
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
        let print = fingerprint(&found);
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
        pass.changed.sort_unstable();
        pass.changed.dedup();
        // Gone from one place and found at another: changed.
        pass.removed.retain(|origin| !self.zones.contains(origin));
        ZoneFileChanges {
            changed: pass.changed.into_iter().filter_map(|origin| self.file_of(origin)).collect(),
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

    fn look_at_root(&mut self, pass: &mut Pass<'_>) {
        let root = self.root.clone();
        let found = identity(&root);
        let problem = match fs::read_dir(&root) {
            Ok(mut entries) => match entries.next() {
                None if !self.zones.is_empty() => "the zones folder is empty".to_owned(),
                _ => {
                    self.told.remove(&root);
                    self.unread.forget(&root);
                    self.scanned_root = found;
                    return self.walk(&root, pass);
                }
            },
            Err(error) => {
                self.unread.note(&root, pass.now);
                format!("the zones folder cannot be read: {error}")
            }
        };
        // Told at each scan of everything: all zones hang on it.
        let remedy = "the zones that were read before stay in service; put the folder back";
        pass.faults.push(Fault::of_file(Severity::Error, root, problem, remedy));
    }

    /// Looks at one path that may have changed.
    fn look_at(&mut self, path: &Path, pass: &mut Pass<'_>) {
        if path == self.root {
            return self.look_at_root(pass);
        }
        if !path.starts_with(&self.root) || hold::held_by(&self.root, path).is_some() {
            return;
        }
        match fs::metadata(path) {
            Ok(found) => {
                self.gone.remove(path);
                let folder = if found.is_dir() { Some(path) } else { path.parent() };
                if let Some(folder) = folder.filter(|folder| self.depth(folder) > MAX_DEPTH) {
                    return self.tell_too_deep(folder, pass);
                }
                self.told.remove(path);
                if found.is_dir() {
                    self.walk(path, pass);
                } else {
                    self.see_file(path, &found, pass);
                }
            }
            Err(error) if is_absence(&error) => {
                self.unread.forget(path);
                self.miss(path, pass);
            }
            Err(error) => self.tell_once(path, format!("it cannot be looked at: {error}"), pass),
        }
    }

    fn look_at_what_was_put_off(&mut self, pass: &mut Pass<'_>) {
        let mut ripe = self.unread.take_ripe(pass.now);
        let unsettled = self.unsettled.iter().map(|(path, (_, since))| (path, since, self.settle));
        let gone = self.gone.iter().map(|(path, since)| (path, since, GONE_GRACE));
        for (path, &since, wait) in unsettled.chain(gone) {
            match wait.checked_sub(pass.now.saturating_duration_since(since)) {
                Some(left) if !left.is_zero() => pass.come_back_in(left),
                _ => ripe.push(path.clone()),
            }
        }
        for path in ripe {
            // Held meanwhile: it is looked at again when the hold goes.
            if hold::held_by(&self.root, &path).is_some() {
                self.unsettled.remove(&path);
                self.gone.remove(&path);
            } else {
                self.look_at(&path, pass);
            }
        }
    }

    /// How many folders below the root a folder is.
    fn depth(&self, folder: &Path) -> usize {
        folder.strip_prefix(&self.root).map_or(0, |below| below.components().count())
    }

    /// Tells of the outermost folder that is not looked into, wherever below it something came.
    fn tell_too_deep(&mut self, folder: &Path, pass: &mut Pass<'_>) {
        let beyond = self.depth(folder).saturating_sub(MAX_DEPTH + 1);
        if let Some(outermost) = folder.ancestors().nth(beyond) {
            self.tell_once(outermost, "folders are nested too deep".to_owned(), pass);
        }
    }

    /// Sees every file below `top`.
    fn walk(&mut self, top: &Path, pass: &mut Pass<'_>) {
        if pass.walked.iter().any(|walked| top.starts_with(walked)) {
            return;
        }
        pass.walked.push(top.to_owned());
        let mut open = vec![(top.to_owned(), self.depth(top))];
        let mut progress = Progress::new("zone files found", None);
        while let Some((folder, depth)) = open.pop() {
            if hold::is_held(&folder) {
                pass.kept.push(folder);
                continue;
            }
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if is_absence(&error) => continue,
                Err(error) => {
                    self.tell_once(&folder, format!("the folder cannot be read: {error}"), pass);
                    self.unread.note(&folder, pass.now);
                    pass.kept.push(folder);
                    continue;
                }
            };
            self.told.remove(&folder);
            self.unread.forget(&folder);
            let id = self.folders.intern(&folder);
            pass.visited.insert(id);
            for (entry, found) in Listing::of(entries) {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        let problem = format!("the folder cannot be read: {error}");
                        self.tell_once(&folder, problem, pass);
                        pass.kept.push(folder.clone());
                        break;
                    }
                };
                let name = entry.file_name();
                let Ok(mut kind) = entry.file_type() else { continue };
                if kind.is_symlink() {
                    match fs::metadata(entry.path()) {
                        Ok(found) => {
                            self.told.remove(&entry.path());
                            kind = found.file_type();
                        }
                        Err(error) => {
                            self.tell_unfollowed(&entry.path(), &error, pass);
                            continue;
                        }
                    }
                    if kind.is_dir() && leads_back_up(&entry.path(), &folder) {
                        let problem = "the link leads back up to a folder that holds it";
                        self.tell_once(&entry.path(), problem.to_owned(), pass);
                        continue;
                    }
                }
                if kind.is_dir() {
                    if origin::is_ignored(&name) {
                        continue;
                    }
                    if depth < MAX_DEPTH {
                        open.push((entry.path(), depth + 1));
                    } else {
                        self.tell_too_deep(&entry.path(), pass);
                    }
                    continue;
                }
                match origin::read(&name) {
                    FileName::Other => {}
                    FileName::Zone(origin) => {
                        // Without metadata it vanished during the scan, and counts as gone.
                        progress.add(1);
                        if let Some(found) = found {
                            self.see_zone(origin, id, &name, &found, pass);
                        }
                    }
                    FileName::Misnamed(problem) => {
                        self.tell_misnamed(&entry.path(), problem, pass);
                    }
                }
            }
        }
        let below: Vec<PathBuf> =
            self.included.keys().filter(|path| path.starts_with(top)).cloned().collect();
        for path in below {
            if let Ok(found) = fs::metadata(&path) {
                self.see_included(&path, &found, pass);
            }
        }
    }

    fn see_file(&mut self, path: &Path, found: &Metadata, pass: &mut Pass<'_>) {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
        self.see_included(path, found, pass);
        match origin::read(name) {
            FileName::Other => {}
            FileName::Misnamed(problem) => self.tell_misnamed(path, problem, pass),
            FileName::Zone(origin) => {
                let id = self.folders.intern(folder);
                self.see_zone(origin, id, name, found, pass);
            }
        }
    }

    /// A zone file stands at this place.
    fn see_zone(
        &mut self,
        origin: Name,
        folder: FolderId,
        name: &OsStr,
        found: &Metadata,
        pass: &mut Pass<'_>,
    ) {
        let print = fingerprint(found);
        let unusual_names = &self.unusual_names;
        let is_here = |place: &Place| {
            place.folder == folder
                && match unusual_names.get(&origin) {
                    Some(unusual) => **unusual == *name,
                    None => origin::is_usual(name, &origin),
                }
        };
        let mut known = self.zones.get_mut(&origin);
        let same_place = known.as_deref().is_some_and(is_here);
        if same_place && let Some(place) = &mut known {
            place.seen_in = self.scan;
        }
        let known = known.copied();
        // A file that its writer has just closed counts even where the fingerprint is the same:
        // the times of two writes in a row can be equal.
        let unchanged = same_place && known.is_some_and(|place| place.fingerprint == print);
        if unchanged && pass.closed.is_empty() && self.unsettled.is_empty() {
            return;
        }
        let path = self.folders.path(folder).join(name);
        if unchanged && !pass.closed.contains_key(path.as_path()) {
            self.unsettled.remove(&path);
            return;
        }
        if !same_place && known.is_some() {
            pass.seen_rivals.insert(path.clone());
            let known = self.rivals.get(&origin).and_then(|rivals| rivals.get(&path));
            if known == Some(&print) {
                return;
            }
        }
        if !self.is_settled(&path, print, found, pass) {
            return;
        }
        self.told.remove(&path);
        if known.is_none() || same_place {
            self.serve(&origin, folder, name, print);
            self.mark_seen(&origin);
            pass.changed.push(origin);
        } else {
            self.rivals.entry(origin.clone()).or_default().insert(path, print);
            pass.contested.insert(origin);
        }
    }

    fn serve(&mut self, origin: &Name, folder: FolderId, name: &OsStr, fingerprint: u64) {
        if origin::is_usual(name, origin) {
            self.unusual_names.remove(origin);
        } else {
            self.unusual_names.insert(origin.clone(), name.into());
        }
        let read_at = self.read_at(origin);
        let seen_in = self.scan.wrapping_sub(1);
        self.zones.insert(origin, Place { fingerprint, folder, seen_in, read_at });
    }

    fn mark_seen(&mut self, origin: &Name) {
        if let Some(place) = self.zones.get_mut(origin) {
            place.seen_in = self.scan;
        }
    }

    fn see_included(&mut self, path: &Path, found: &Metadata, pass: &mut Pass<'_>) {
        let Some(included) = self.included.get(path) else { return };
        let print = fingerprint(found);
        if included.fingerprint == print && !pass.closed.contains_key(path) {
            self.unsettled.remove(path);
            return;
        }
        if !self.is_settled(path, print, found, pass) {
            return;
        }
        if let Some(included) = self.included.get_mut(path) {
            included.fingerprint = print;
            pass.changed.extend(included.by.iter().cloned());
        }
    }

    /// Whether nobody is in the middle of writing the file, as far as can be told.
    fn is_settled(
        &mut self,
        path: &Path,
        print: u64,
        found: &Metadata,
        pass: &mut Pass<'_>,
    ) -> bool {
        // Nothing is in service yet that would be better than what stands there; nor is anybody
        // asked, a million times, who has it open.
        if !self.scanned_before {
            return true;
        }
        let is_closed = found.size() > 0 && pass.is_closed(path, found);
        let age = found.modified().ok().and_then(|at| pass.wall.duration_since(at).ok());
        let rest = match self.writers.writing(path) {
            Writing::Known => {
                self.unsettled.remove(path);
                return false;
            }
            Writing::No => Duration::ZERO,
            Writing::Perhaps => OPEN_REST.max(self.settle),
            Writing::Unknown if is_closed => Duration::ZERO,
            Writing::Unknown if found.size() == 0 => EMPTY_REST.max(self.settle),
            Writing::Unknown => self.settle,
        };
        let settled = rest.is_zero()
            || age.is_some_and(|age| age >= rest)
            || self.unsettled.len() >= MAX_UNSETTLED;
        if !settled {
            let since = match self.unsettled.get(path) {
                Some(&(known, since)) if known == print => since,
                _ => pass.now,
            };
            let quiet = pass.now.saturating_duration_since(since);
            if quiet < rest {
                self.unsettled.insert(path.to_owned(), (print, since));
                pass.come_back_in((rest - quiet).min(self.settle));
                return false;
            }
        }
        self.unsettled.remove(path);
        true
    }

    /// Nothing stands at `path` any longer.
    fn miss(&mut self, path: &Path, pass: &mut Pass<'_>) {
        self.unsettled.remove(path);
        let Some(missing) = self.topmost_missing(path) else {
            self.gone.remove(path);
            if let Err(error) = fs::metadata(path)
                && path.symlink_metadata().is_ok()
            {
                self.tell_unfollowed(path, &error, pass);
            }
            return;
        };
        let path = missing.as_path();
        self.told.remove(path);
        let origin = path.file_name().and_then(|name| match origin::read(name) {
            FileName::Zone(origin) => Some(origin),
            _ => None,
        });
        if let Some(origin) = &origin {
            self.drop_rival(origin, path);
        }
        let file_of = origin.filter(|origin| self.place_is(origin, path));
        let has_rivals = file_of.as_ref().is_some_and(|origin| self.rivals.contains_key(origin));
        let folder_known = file_of.is_none() && self.folders.any_below(path);
        if file_of.is_none() && !folder_known && !self.included.contains_key(path) {
            self.gone.remove(path);
            return;
        }
        if !self.is_gone_for_good(path, pass) && !has_rivals {
            return;
        }
        if let Some(included) = self.included.get_mut(path) {
            included.fingerprint = 0;
            pass.changed.extend(included.by.iter().cloned());
        }
        if folder_known {
            return pass.walked.push(missing);
        }
        self.gone.remove(path);
        if let Some(origin) = file_of {
            self.remove(origin, pass);
        }
    }

    /// Of a path at which nothing stands: the topmost part of it that is in no folder. `None` where
    /// that cannot be told: the zones folder is not the one that was scanned, a part of the path
    /// cannot be looked at or is a link that leads nowhere, or all of it stands again.
    fn topmost_missing(&self, path: &Path) -> Option<PathBuf> {
        let stands = || identity(&self.root).is_some_and(|found| self.scanned_root == Some(found));
        let mut part = self.root.clone();
        let names = path.strip_prefix(&self.root).ok().filter(|_| stands())?;
        for name in names {
            part.push(name);
            match part.symlink_metadata() {
                Ok(found) if found.is_symlink() && fs::metadata(&part).is_err() => return None,
                Ok(_) => {}
                // Looked at again, lest it was looked for in a folder that was away.
                Err(error) => return (is_absence(&error) && stands()).then_some(part),
            }
        }
        None
    }

    /// Whether the path, which is gone, has been so for long enough to remove zones.
    fn is_gone_for_good(&mut self, path: &Path, pass: &mut Pass<'_>) -> bool {
        let since = *self.gone.entry(path.to_owned()).or_insert(pass.now);
        let for_long = pass.now.saturating_duration_since(since);
        if for_long >= GONE_GRACE || pass.is_complete_without(path) {
            return true;
        }
        pass.missing.insert(path.to_owned());
        pass.come_back_in(GONE_GRACE - for_long);
        false
    }

    fn place_is(&self, origin: &Name, path: &Path) -> bool {
        self.file(origin).is_some_and(|file| file.path() == path)
    }

    fn drop_rival(&mut self, origin: &Name, path: &Path) {
        if let Some(rivals) = self.rivals.get_mut(origin) {
            rivals.remove(path);
            if rivals.is_empty() {
                self.rivals.remove(origin);
            }
        }
    }

    /// The zone's file is gone: the next one for the same origin serves, or the zone goes.
    fn remove(&mut self, origin: Name, pass: &mut Pass<'_>) {
        let next = self.rivals.get_mut(&origin).and_then(BTreeMap::pop_first);
        if self.rivals.get(&origin).is_some_and(BTreeMap::is_empty) {
            self.rivals.remove(&origin);
        }
        match next {
            Some((path, print)) => {
                self.serve_from(&origin, &path, print);
                if pass.seen_rivals.contains(&path) {
                    self.mark_seen(&origin);
                }
                pass.changed.push(origin);
            }
            None => {
                self.zones.remove(&origin);
                self.unusual_names.remove(&origin);
                self.note_includes(&origin, &[]);
                pass.removed.push(origin);
            }
        }
    }

    fn serve_from(&mut self, origin: &Name, path: &Path, fingerprint: u64) {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
        let folder = self.folders.intern(folder);
        self.serve(origin, folder, name, fingerprint);
    }

    /// Removes what stands below a walked folder in the books, was not seen there, and is gone.
    fn sweep(&mut self, pass: &mut Pass<'_>) {
        let (walked, kept) = (std::mem::take(&mut pass.walked), std::mem::take(&mut pass.kept));
        let is_swept = |folder: &Path| {
            walked.iter().any(|walked| folder.starts_with(walked))
                && !kept.iter().any(|kept| folder.starts_with(kept))
        };
        let swept: Vec<bool> = self.folders.paths().map(|path| is_swept(path)).collect();
        self.rivals.retain(|_, rivals| {
            rivals.retain(|path, _| {
                pass.seen_rivals.contains(path) || !path.parent().is_some_and(is_swept)
            });
            !rivals.is_empty()
        });
        self.told.retain(|path, _| path.symlink_metadata().is_ok());
        let mut missing = Vec::new();
        for (origin, place) in self.zones.iter() {
            let is_swept = swept.get(place.folder.index()).copied().unwrap_or(false);
            if is_swept && place.seen_in != self.scan {
                missing.extend(Name::from_wire(origin));
            }
        }
        // The last that was found gone: one folder may stand for all of them.
        let mut gone: Option<PathBuf> = None;
        for origin in missing {
            let Some(place) = self.zones.get(&origin) else { continue };
            let Some(path) = self.file(&origin).map(|file| file.path()) else { continue };
            if gone.as_deref().is_none_or(|gone| !path.starts_with(gone)) {
                // A file that is renamed over while its folder is listed may be left out of the
                // list.
                match fs::metadata(&path) {
                    Ok(found) if found.is_file() => {
                        self.see_file(&path, &found, pass);
                        continue;
                    }
                    Ok(_) => self.tell_once(&path, "it is a file no longer".to_owned(), pass),
                    Err(_) => {}
                }
                gone = self.topmost_missing(&path);
            }
            let is_gone = match &gone {
                Some(missing) => {
                    self.is_gone_for_good(missing, pass) || self.rivals.contains_key(&origin)
                }
                None => false,
            };
            match is_gone {
                true => self.remove(origin, pass),
                // Its folder stays in the books with it.
                false => drop(pass.visited.insert(place.folder)),
            }
        }
        self.gone.retain(|path, _| {
            !is_swept(path) || pass.missing.contains(path) || self.included.contains_key(path)
        });
        for (index, swept) in swept.into_iter().enumerate() {
            let id = FolderId::at(index);
            if swept && !pass.visited.contains(&id) {
                self.folders.free(id);
            }
        }
    }

    /// Of two files for one origin the first by path serves, and the other is a fault.
    fn settle_contests(&mut self, pass: &mut Pass<'_>) {
        let mut contested: Vec<Name> = std::mem::take(&mut pass.contested).into_iter().collect();
        contested.sort_unstable();
        for origin in contested {
            let Some(serving) = self.file(&origin).map(|file| file.path()) else { continue };
            let Some((first, print)) = self
                .rivals
                .get(&origin)
                .and_then(|rivals| rivals.first_key_value())
                .map(|(path, &print)| (path.clone(), print))
            else {
                continue;
            };
            let moved = matches!(fs::metadata(&serving), Err(error) if is_absence(&error));
            if moved || first < serving {
                self.drop_rival(&origin, &first);
                if !moved {
                    let former = self.zones.get(&origin).map_or(0, |place| place.fingerprint);
                    self.rivals.entry(origin.clone()).or_default().insert(serving, former);
                }
                self.serve_from(&origin, &first, print);
                pass.changed.push(origin.clone());
            }
            let Some(serving) = self.file(&origin).map(|file| file.path()) else { continue };
            for rival in self.rivals.get(&origin).into_iter().flat_map(BTreeMap::keys) {
                pass.faults.push(Fault::of_file(
                    Severity::Error,
                    rival.clone(),
                    format!("the zone {origin} has a second file; {} is served", serving.display()),
                    "remove or rename one of the two",
                ));
            }
        }
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

fn fingerprint(found: &Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    (found.dev(), found.ino(), found.size()).hash(&mut hasher);
    (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()).hash(&mut hasher);
    hasher.finish()
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;
