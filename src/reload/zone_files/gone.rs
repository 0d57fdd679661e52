//! What is missing: when a zone whose file is away is removed, and which of several files that name
//! the same zone serves it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::folders::FolderId;
use super::{GONE_GRACE, Pass, ZoneFiles, identity, is_absence};
use crate::fault::{Fault, Severity};
use crate::file_stat::FileStat;
use crate::reload::origin::{self, FileName};
use crate::wire::name::Name;

impl ZoneFiles {
    /// Nothing stands at `path` any longer.
    pub(super) fn miss(&mut self, path: &Path, pass: &mut Pass<'_>) {
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
    pub(super) fn remove(&mut self, origin: Name, pass: &mut Pass<'_>) {
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
        let not_seen = self.scan.wrapping_sub(1);
        self.serve(origin, folder, name, fingerprint, not_seen);
    }

    /// Removes what stands below a walked folder in the books, was not seen there, and is gone.
    pub(super) fn sweep(&mut self, pass: &mut Pass<'_>) {
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
                        self.see_file(&path, &FileStat::of(&found), pass);
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
    pub(super) fn settle_contests(&mut self, pass: &mut Pass<'_>) {
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
}
