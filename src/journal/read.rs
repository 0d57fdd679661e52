//! The whole lines of a file of the journal, and what stood at its end.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::line::{Event, Line, Standing};

/// Reads a file line by line.
#[derive(Debug)]
pub struct Lines {
    file: BufReader<File>,
    bytes: Vec<u8>,
    /// Whole lines that say nothing that is known.
    pub unreadable: u64,
    /// Bytes up to the end of the last line that was read.
    pub passed: u64,
}

impl Lines {
    /// Opens a file.
    pub fn open(path: &Path) -> io::Result<Lines> {
        let file = BufReader::with_capacity(1 << 20, File::open(path)?);
        Ok(Lines { file, bytes: Vec::new(), unreadable: 0, passed: 0 })
    }

    /// The next line; none at the end. What has no line end is being written, or was never finished.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'static>>> {
        loop {
            self.bytes.clear();
            self.file.read_until(b'\n', &mut self.bytes)?;
            let Some(line) = self.bytes.strip_suffix(b"\n") else { return Ok(None) };
            self.passed += self.bytes.len() as u64;
            match Line::parse(line) {
                Some(line) => return Ok(Some(line)),
                None => self.unreadable += 1,
            }
        }
    }
}

/// Where the last whole line of a file ends.
pub(super) fn end_of_lines(file: &File) -> io::Result<u64> {
    const BLOCK: usize = 64 << 10;
    let mut block = vec![0; BLOCK];
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        // No longer than BLOCK.
        let bytes = &mut block[..(end - start) as usize];
        file.read_exact_at(bytes, start)?;
        if let Some(at) = memchr::memrchr(b'\n', bytes) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// What stands at the end of a file. At a million domains it takes some 40 MB, for as long as it is
/// held against what stands now.
#[derive(Debug, Default)]
pub(super) struct Known {
    hasher: RandomState,
    standings: HashMap<u64, Standing>,
    /// Bytes of the file's beginning: what stood when it was begun.
    pub(super) beginning: u64,
}

impl Known {
    pub(super) fn read(path: &Path) -> io::Result<Known> {
        let mut known = Known::default();
        let mut lines = Lines::open(path)?;
        while let Some(line) = lines.next_line()? {
            if matches!(line.event, Event::Begun | Event::Standing) {
                known.beginning = lines.passed;
            }
            let standing = line.standing();
            for (zone, domain) in line.domains() {
                let key = known.key(zone, domain);
                match standing {
                    Some(standing) => known.standings.insert(key, standing),
                    None => known.standings.remove(&key),
                };
            }
        }
        Ok(known)
    }

    /// What is known of a domain, which is then out of the way.
    pub(super) fn take(&mut self, zone: &str, domain: &str) -> Option<Standing> {
        let key = self.key(zone, domain);
        self.standings.remove(&key)
    }

    /// Tells whatever was not taken, by a second walk through the file for the names.
    pub(super) fn each_left(
        mut self,
        path: &Path,
        mut tell: impl FnMut(&str, &str, Standing),
    ) -> io::Result<()> {
        if self.standings.is_empty() {
            return Ok(());
        }
        let mut lines = Lines::open(path)?;
        while let Some(line) = lines.next_line()? {
            for (zone, domain) in line.domains() {
                if let Some(standing) = self.take(zone, domain) {
                    tell(zone, domain, standing);
                }
            }
        }
        Ok(())
    }

    fn key(&self, zone: &str, domain: &str) -> u64 {
        self.hasher.hash_one((zone, domain))
    }
}
