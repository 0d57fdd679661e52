//! The file of the journal that is written to: begun whole, appended to by whole lines, and cut
//! back to them whatever happens.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::line::{Event, Line, Standing};
use super::read::end_of_lines;
use super::writer::Served;
use super::{Settings, UNFINISHED, file_name, files};
use crate::filing::Instant;

/// Domains in one line of what stands.
const DOMAINS_A_LINE: usize = 500;
/// Bytes that are written at once where a file is begun.
const BUFFER: usize = 256 << 10;

/// The file that is written to. Nobody else does: its folder is locked.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    pub(super) number: u64,
    /// Up to the end of its last whole line.
    pub(super) len: u64,
    /// Bytes of what stood when it was begun.
    pub(super) beginning: u64,
    /// The folder, locked for as long as it is open.
    pub(super) folder: File,
    pub(super) has_unsynced: bool,
}

/// Why lines were not written.
pub(super) struct Unwritten {
    /// How many.
    pub(super) lines: u64,
    pub(super) error: io::Error,
}

impl From<Unwritten> for io::Error {
    fn from(unwritten: Unwritten) -> io::Error {
        unwritten.error
    }
}

impl Current {
    /// Opens a file to go on with it, without what a writer that was killed left unfinished.
    pub(super) fn open(folder: File, number: u64, path: PathBuf) -> io::Result<Current> {
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        let len = end_of_lines(&file)?;
        if file.metadata()?.len() > len {
            file.set_len(len)?;
        }
        let file = Arc::new(file);
        Ok(Current { file, path, number, len, beginning: 0, folder, has_unsynced: false })
    }

    /// Begins a file with what stands, and lets the oldest go.
    pub(super) fn begin(
        settings: &Settings,
        folder: File,
        number: u64,
        served: &dyn Served,
        now: Instant,
    ) -> io::Result<Current> {
        let unfinished = settings.folder.join(UNFINISHED);
        let path = settings.folder.join(file_name(number));
        let begun = write_standing(&unfinished, served, now).and_then(|file| {
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            Ok(file)
        });
        let file = begun.inspect_err(|_| {
            let _ = fs::remove_file(&unfinished);
        })?;
        folder.sync_all()?;
        let len = file.metadata()?.len();
        let mut old = files(&settings.folder)?;
        old.truncate(old.len().saturating_sub(settings.keep + 1));
        for (_, old) in old {
            fs::remove_file(old)?;
        }
        let file = Arc::new(file);
        Ok(Current { file, path, number, len, beginning: len, folder, has_unsynced: false })
    }

    /// Appends whole lines, in one write where the system lets us. Where it does not take all of
    /// them, the file ends with the last that is whole.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        let mut written = 0;
        while written < lines.len() {
            match (&*self.file).write(&lines[written..]) {
                Ok(0) => {
                    return Err(self.cut_back(lines, written, io::ErrorKind::WriteZero.into()));
                }
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.cut_back(lines, written, error)),
            }
        }
        self.len += lines.len() as u64;
        self.has_unsynced |= !lines.is_empty();
        Ok(())
    }

    fn cut_back(&mut self, lines: &[u8], written: usize, error: io::Error) -> Unwritten {
        let whole = memchr::memrchr(b'\n', &lines[..written]).map_or(0, |at| at + 1);
        self.len += whole as u64;
        // Where this fails, too, the unfinished line goes when the file is next opened.
        let _ = self.file.set_len(self.len);
        let lines = memchr::memchr_iter(b'\n', &lines[whole..]).count() as u64;
        Unwritten { lines, error }
    }

    /// Whether what is written to can still be found under its name.
    pub(super) fn is_in_place(&self) -> bool {
        let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        match (fs::metadata(&self.path), self.file.metadata()) {
            (Ok(found), Ok(ours)) => same(found, ours),
            _ => false,
        }
    }
}

/// Writes the beginning of a file.
fn write_standing(path: &Path, served: &dyn Served, now: Instant) -> io::Result<File> {
    let mode = served.mode();
    let mut bytes = Vec::new();
    let mut options = OpenOptions::new();
    // One that was left unfinished is written anew, and then appended to.
    let _ = fs::remove_file(path);
    let file = options.create_new(true).read(true).append(true).mode(0o640).open(path)?;
    let mut out = BufWriter::with_capacity(BUFFER, file);
    let mut write = |line: &Line<'_>| {
        bytes.clear();
        line.write(&mut bytes);
        out.write_all(&bytes)
    };
    let mut result = write(&Line::new(now, Event::Begun, mode));
    let mut line_of = |standing: Standing, domains: Vec<String>, zone: Option<String>| {
        let line = Line {
            zone: zone.map(Into::into),
            domains: domains.into_iter().map(Into::into).collect(),
            ..Line::new(now, Event::Standing, mode).with_after(Some(standing))
        };
        if result.is_ok() {
            result = write(&line);
        }
    };
    let mut groups: Vec<(Standing, Vec<String>)> = Vec::new();
    served.each(&mut |domain, standing| {
        if domain.zone != domain.name {
            return line_of(standing, vec![domain.name.to_owned()], Some(domain.zone.to_owned()));
        }
        let at = groups.iter().position(|(of, _)| *of == standing).unwrap_or_else(|| {
            groups.push((standing, Vec::new()));
            groups.len() - 1
        });
        let domains = &mut groups[at].1;
        domains.push(domain.name.to_owned());
        if domains.len() >= DOMAINS_A_LINE {
            line_of(standing, std::mem::take(domains), None);
        }
    });
    for (standing, domains) in groups.into_iter().filter(|(_, domains)| !domains.is_empty()) {
        line_of(standing, domains, None);
    }
    result?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

/// Opens the folder, which is made where it is missing, for this process alone.
pub(super) fn lock(folder: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
    let opened = File::open(folder)?;
    // SAFETY: the descriptor is open, and the call takes no pointers.
    match unsafe { libc::flock(opened.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } {
        0 => Ok(opened),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::other("another process writes this journal"))
            }
            error => Err(error),
        },
    }
}
