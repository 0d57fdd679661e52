//! The folder: which files there are, and whether one looks as it did.
//!
//! Knows nothing of what stands in them.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::rows::Format;

/// While this file stands in a folder, nothing from there is taken in.
pub(super) const HOLD: &str = ".hold";

/// Folders within folders, at most: a safeguard against links that lead round in circles.
const DEEPEST: usize = 32;

/// Opens a file. Errors: it is not a regular one; a FIFO would keep whoever opens it waiting.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_regular()),
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}

/// A file that nothing says how to read.
pub(super) fn not_ours() -> io::Error {
    let problem = "its name does not end in .csv, .ndjson, .jsonl or .json";
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

/// What a look at the whole folder found. Paths are relative to it.
#[derive(Debug, Default)]
pub(super) struct Folder {
    pub(super) files: BTreeMap<PathBuf, Format>,
    /// Folders that can't be read: of what is in them nothing is known.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
    /// Folders with a `.hold` in them.
    pub(super) on_hold: Vec<PathBuf>,
    /// What a `.hold` means to whoever asks.
    pub(super) hold: Hold,
}

/// What is made of a `.hold`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nothing is taken in from the folder.
    #[default]
    Heed,
    /// There is nothing yet that could go on being served.
    PassOver,
}

impl Folder {
    pub(super) fn look(root: &Path) -> Folder {
        let mut folder = Folder::default();
        // What a link finds above the folder does not lie in it.
        let real = fs::canonicalize(root).unwrap_or_default();
        let above = real.ancestors().skip(1).filter_map(|above| fs::metadata(above).ok());
        let mut seen = above.map(|found| (found.dev(), found.ino())).collect();
        folder.look_into(root, &PathBuf::new(), 0, &mut seen);
        folder
    }

    /// The files and folders of a list, their paths as they stand there. A file that is none of ours
    /// counts as unreadable, since somebody named it.
    pub(super) fn of_paths(paths: &[PathBuf]) -> Folder {
        let mut all = Folder::default();
        for path in paths {
            match fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => {
                    let below = Folder::look(path);
                    let whole = |relative: PathBuf| path.join(relative);
                    all.files.extend(below.files.into_iter().map(|(at, of)| (whole(at), of)));
                    let unreadable = below.unreadable.into_iter();
                    all.unreadable.extend(unreadable.map(|(at, error)| (whole(at), error)));
                }
                Ok(_) => match Format::of(path) {
                    Some(format) => drop(all.files.insert(path.clone(), format)),
                    None => all.unreadable.push((path.clone(), not_ours())),
                },
                Err(error) => all.unreadable.push((path.clone(), error)),
            }
        }
        all
    }

    /// Whether nothing can be said of the path: it lies in a folder that is unreadable or on hold.
    pub(super) fn hides(&self, path: &Path) -> bool {
        let mut hidden =
            self.unreadable.iter().map(|(folder, _)| folder).chain(self.on_hold.iter());
        hidden.any(|folder| path.starts_with(folder))
    }

    fn look_into(
        &mut self,
        root: &Path,
        relative: &Path,
        depth: usize,
        seen: &mut HashSet<(u64, u64)>,
    ) {
        let path = root.join(relative);
        let entries = match fs::metadata(&path) {
            // A folder that two links lead to is read once.
            Ok(metadata) if !seen.insert((metadata.dev(), metadata.ino())) => return,
            Ok(_) if depth > DEEPEST => Err(io::Error::other("folders are nested too deep")),
            Ok(_) => fs::read_dir(&path),
            Err(error) => Err(error),
        };
        let entries = match entries.and_then(|entries| entries.collect::<io::Result<Vec<_>>>()) {
            Ok(entries) => entries,
            Err(error) => {
                self.unreadable.push((relative.to_owned(), error));
                return;
            }
        };
        let mut names: Vec<_> = entries.into_iter().map(|entry| entry.file_name()).collect();
        names.sort_unstable();
        if names.iter().any(|name| name == HOLD) {
            self.on_hold.push(relative.to_owned());
        }
        for name in names {
            // Dot files; also the folders that Kubernetes swaps behind its links.
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let relative = relative.join(&name);
            match fs::metadata(root.join(&relative)) {
                Ok(metadata) if metadata.is_dir() => {
                    self.look_into(root, &relative, depth + 1, seen);
                }
                Ok(metadata) if metadata.is_file() => {
                    if let Some(format) = Format::of(&relative) {
                        self.files.insert(relative, format);
                    }
                }
                Ok(_) if Format::of(&relative).is_some() => {
                    self.unreadable.push((relative, not_regular()));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let is_link = root.join(&relative).symlink_metadata().is_ok();
                    // Else it is gone since.
                    if is_link && Format::of(&relative).is_some() {
                        let problem = io::Error::other("the link leads nowhere");
                        self.unreadable.push((relative, problem));
                    }
                }
                Err(error) => self.unreadable.push((relative, error)),
            }
        }
    }
}
