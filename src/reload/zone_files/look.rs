//! Looking: from the folder's top, or at a path that may have changed, down to what a file is taken
//! for. Owns no removal: what is missing, `gone` weighs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use rustix::fs::FileType;

use super::books::Place;
use super::folders::FolderId;
use super::listing::{Entry, Folder, FolderReader, Found, Listed};
use super::{
    GONE_GRACE, MAX_DEPTH, MAX_UNSETTLED, Pass, ZoneFiles, identity, is_absence, leads_back_up,
};
use crate::fault::{Fault, Severity};
use crate::feed::{EMPTY_REST, OPEN_REST};
use crate::file_stat::FileStat;
use crate::parallel::{self, Jobs, Waits};
use crate::progress::Progress;
use crate::reload::hold;
use crate::reload::origin::{self, FileName};
use crate::reload::writers::Writing;
use crate::wire::name::Name;

impl ZoneFiles {
    pub(super) fn look_at_root(&mut self, pass: &mut Pass<'_>) {
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
    pub(super) fn look_at(&mut self, path: &Path, pass: &mut Pass<'_>) {
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
                    self.see_file(path, &FileStat::of(&found), pass);
                }
            }
            Err(error) if is_absence(&error) => {
                self.unread.forget(path);
                self.miss(path, pass);
            }
            Err(error) => self.tell_once(path, format!("it cannot be looked at: {error}"), pass),
        }
    }

    pub(super) fn look_at_what_was_put_off(&mut self, pass: &mut Pass<'_>) {
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
        let first = vec![Folder::new(top.to_owned(), self.depth(top))];
        // A file that its writer has just closed counts even where the fingerprint is the same:
        // the times of two writes in a row can be equal.
        let trusts_fingerprints = pass.closed.is_empty() && self.unsettled.is_empty();
        let mut progress = Progress::new("zone files found", None);
        let folder_watch = self.folder_watch.clone();
        let reader = || FolderReader::new(folder_watch.clone(), trusts_fingerprints);
        let books = RwLock::new(&mut *self);
        let look = |reader: &mut FolderReader, folder, jobs: &Jobs<Folder>| {
            reader.look_into(folder, &books, jobs)
        };
        parallel::until_done(first, Waits::ForDisk, reader, look, |listed, jobs| {
            let mut files = books.write().unwrap_or_else(PoisonError::into_inner);
            files.take_in(listed, jobs, &mut progress, pass);
        });
        let below: Vec<PathBuf> =
            self.included.keys().filter(|path| path.starts_with(top)).cloned().collect();
        for path in below {
            if let Ok(found) = fs::metadata(&path) {
                self.see_included(&path, &FileStat::of(&found), pass);
            }
        }
    }

    /// Takes in what stands in a folder, or in a portion of it.
    fn take_in(
        &mut self,
        listed: Listed,
        jobs: &Jobs<Folder>,
        progress: &mut Progress,
        pass: &mut Pass<'_>,
    ) {
        let Listed { path: folder, depth, found } = listed;
        let (unchanged, others, error) = match found {
            Found::Held => return pass.kept.push(folder),
            Found::Unreadable(error) if is_absence(&error) => return,
            Found::Unreadable(error) => {
                self.tell_once(&folder, format!("the folder cannot be read: {error}"), pass);
                self.unread.note(&folder, pass.now);
                return pass.kept.push(folder);
            }
            Found::Portion { unchanged, others, error } => (unchanged, others, error),
        };
        self.told.remove(&folder);
        self.unread.forget(&folder);
        let id = self.folders.intern(&folder);
        pass.visited.insert(id);
        progress.add(unchanged.len() as u64);
        for at in unchanged {
            self.zones.at_mut(at).seen_in = self.scan;
        }
        for entry in others {
            self.take_in_entry(entry, id, depth, jobs, progress, pass);
        }
        if let Some(error) = error {
            self.tell_once(&folder, format!("the folder cannot be read: {error}"), pass);
            pass.kept.push(folder);
        }
    }

    fn take_in_entry(
        &mut self,
        entry: Entry,
        folder: FolderId,
        depth: usize,
        jobs: &Jobs<Folder>,
        progress: &mut Progress,
        pass: &mut Pass<'_>,
    ) {
        let Entry { name, meaning, kind, stat } = entry;
        let path = || self.folders.path(folder).join(&name);
        let mut is_folder = kind == FileType::Directory;
        if kind == FileType::Symlink {
            let path = path();
            match fs::metadata(&path) {
                Ok(found) => {
                    self.told.remove(&path);
                    is_folder = found.is_dir();
                }
                Err(error) => return self.tell_unfollowed(&path, &error, pass),
            }
            if is_folder && leads_back_up(&path, &self.folders.path(folder)) {
                let problem = "the link leads back up to a folder that holds it";
                return self.tell_once(&path, problem.to_owned(), pass);
            }
        }
        if is_folder {
            if origin::is_ignored(&name) {
                return;
            }
            if depth < MAX_DEPTH {
                jobs.add(Folder::new(path(), depth + 1));
            } else {
                self.tell_too_deep(&path(), pass);
            }
            return;
        }
        match meaning {
            FileName::Other => {}
            FileName::Zone(origin) => {
                // Not there any longer, it vanished during the scan, and counts as gone.
                progress.add(1);
                if let Some(found) = stat {
                    self.see_zone(origin, folder, &name, &found, pass);
                }
            }
            FileName::Misnamed(problem) => self.tell_misnamed(&path(), problem, pass),
        }
    }

    /// The place in the books of a zone file that is where it was, and as it was; or what the name
    /// says. It is looked for at the `likely` place first. `found` is a file's, and no link's: a link
    /// is looked at more closely.
    pub(super) fn unchanged(
        &self,
        folder: Option<FolderId>,
        name: &OsStr,
        found: Option<FileStat>,
        likely: usize,
    ) -> Result<usize, FileName> {
        let known = folder.zip(found.map(|found| found.fingerprint()));
        let is_as_it_was = |place: Place| {
            known
                .is_some_and(|(folder, print)| (place.folder, place.fingerprint) == (folder, print))
        };
        if self.unusual_names.is_empty()
            && self.zones.named_at(likely).is_some_and(|(origin, place)| {
                is_as_it_was(place) && origin::is_plainly(name, origin)
            })
        {
            return Ok(likely);
        }
        let meaning = origin::read(name);
        let (Some((folder, _)), FileName::Zone(origin)) = (known, &meaning) else {
            return Err(meaning);
        };
        let found = self.zones.find(origin).filter(|&at| {
            let place = self.zones.at(at);
            is_as_it_was(place) && self.is_called(origin, folder, name, place)
        });
        found.ok_or(meaning)
    }

    /// Whether this is where the zone's file stands.
    fn is_called(&self, origin: &Name, folder: FolderId, name: &OsStr, place: Place) -> bool {
        place.folder == folder
            && match self.unusual_names.get(origin) {
                Some(unusual) => **unusual == *name,
                None => origin::is_usual(name, origin),
            }
    }

    pub(super) fn see_file(&mut self, path: &Path, found: &FileStat, pass: &mut Pass<'_>) {
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
        found: &FileStat,
        pass: &mut Pass<'_>,
    ) {
        let print = found.fingerprint();
        let known = self.zones.get(&origin);
        let same_place = known.is_some_and(|place| self.is_called(&origin, folder, name, place));
        if same_place {
            self.mark_seen(&origin);
        }
        let unchanged = same_place && known.is_some_and(|place| place.fingerprint == print);
        if unchanged && pass.closed.is_empty() && self.unsettled.is_empty() {
            return;
        }
        // Of a million files on the first look, no path is made: nothing is known of any.
        if known.is_none() && !self.scanned_before && self.told.is_empty() {
            self.serve(&origin, folder, name, print, self.scan);
            return pass.changed.push(origin);
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
            self.serve(&origin, folder, name, print, self.scan);
            pass.changed.push(origin);
        } else {
            self.rivals.entry(origin.clone()).or_default().insert(path, print);
            pass.contested.insert(origin);
        }
    }

    pub(super) fn serve(
        &mut self,
        origin: &Name,
        folder: FolderId,
        name: &OsStr,
        fingerprint: u64,
        seen_in: u32,
    ) {
        if origin::is_usual(name, origin) {
            self.unusual_names.remove(origin);
        } else {
            self.unusual_names.insert(origin.clone(), name.into());
        }
        let read_at = |place: Option<Place>| place.map_or(0, |place| place.read_at);
        self.zones.note(origin, |known| Place {
            fingerprint,
            folder,
            seen_in,
            read_at: read_at(known),
        });
    }

    pub(super) fn mark_seen(&mut self, origin: &Name) {
        if let Some(place) = self.zones.get_mut(origin) {
            place.seen_in = self.scan;
        }
    }

    fn see_included(&mut self, path: &Path, found: &FileStat, pass: &mut Pass<'_>) {
        let Some(included) = self.included.get(path) else { return };
        let print = found.fingerprint();
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
        found: &FileStat,
        pass: &mut Pass<'_>,
    ) -> bool {
        // Nothing is in service yet that would be better than what stands there; nor is anybody
        // asked, a million times, who has it open.
        if !self.scanned_before {
            return true;
        }
        let is_closed = found.size > 0 && pass.is_closed(path, found);
        let rest = match self.writers.writing(path) {
            Writing::Known => {
                self.unsettled.remove(path);
                return false;
            }
            Writing::No => Duration::ZERO,
            Writing::Perhaps => OPEN_REST.max(self.settle),
            Writing::Unknown if is_closed => Duration::ZERO,
            Writing::Unknown if found.size == 0 => EMPTY_REST.max(self.settle),
            Writing::Unknown => self.settle,
        };
        let settled = rest.is_zero()
            || found.quiet_for(pass.wall) >= rest
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
}
