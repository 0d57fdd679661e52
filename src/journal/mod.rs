//! The journal of decisions: each opening and closing of a domain, with the reason before and after
//! and the filing record behind it, for whoever has to show later why a domain was dark, and when.
//!
//! | file | owns |
//! | --- | --- |
//! | [`line`] | what a line says; the writer and every reader share it |
//! | [`writer`] | when what is written, full disks, rotation, what changed while nobody wrote |
//! | `file` | the file that is written to: whole lines, whatever happens |
//! | [`read`] | the whole lines of a file, and what stood at its end |
//! | [`periods`] | from lines to "dark from, to, because" |
//!
//! A folder of files, `decisions-00000001.ndjson` and so on; the one with the highest number is
//! written to. Each begins with what stood when it was begun, so that it can be read alone, and so
//! that the oldest may go. A file gets its name only once that beginning is whole; from then on
//! lines are appended, and a line without its line end is none. So whenever the writer is killed, what
//! can be read is true.

mod file;
pub mod line;
pub mod periods;
pub mod read;
pub mod writer;

use std::io;
use std::path::{Path, PathBuf};

pub use line::{Cause, Event, Line, Record, Standing};
pub use writer::{Change, Domain, Evidence, Journal, Served};

/// Where the journal is, and how much of it is kept (`[journal]` of the configuration).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its folder, which is the journal's alone.
    pub folder: PathBuf,
    /// Bytes of changes after which the next file is begun.
    pub max_size: u64,
    /// Files that are kept beside the one that is written to.
    pub keep: usize,
}

/// Beside the files while one of them is begun.
const UNFINISHED: &str = "decisions.new";

fn file_name(number: u64) -> String {
    format!("decisions-{number:08}.ndjson")
}

/// The files of a journal, the oldest first, with their numbers.
pub fn files(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| {
            name.strip_prefix("decisions-")?.strip_suffix(".ndjson")?.parse::<u64>().ok()
        });
        files.extend(number.map(|number| (number, folder.join(&name))));
    }
    files.sort_unstable();
    Ok(files)
}
