//! What stands in a folder, with the metadata of the zone files in it, asked for on all cores: of a
//! million files that takes longer than all else at a start from a snapshot.

use std::fs::{self, DirEntry, Metadata, ReadDir};
use std::io;

use super::super::origin::is_zone;
use crate::parallel;

/// Entries that are looked at together.
const PORTION: usize = 2048;
/// Entries that one thread looks at: enough to make the threads cheap.
const SHARE: usize = 512;

/// An entry, and of a zone file its metadata: `None` where it has just vanished.
type Listed = (io::Result<DirEntry>, Option<Metadata>);

/// The entries of a folder.
pub(super) struct Listing {
    entries: ReadDir,
    portion: std::vec::IntoIter<Listed>,
}

impl Listing {
    pub(super) fn of(entries: ReadDir) -> Listing {
        Listing { entries, portion: Vec::new().into_iter() }
    }

    fn next_portion(&mut self) -> Vec<Listed> {
        let entries: Vec<io::Result<DirEntry>> = self.entries.by_ref().take(PORTION).collect();
        let shares: Vec<&[io::Result<DirEntry>]> = entries.chunks(SHARE).collect();
        let mut found = vec![Vec::new(); shares.len()];
        let look = |(): &mut (), index: usize| -> Vec<Option<Metadata>> {
            shares[index].iter().map(|entry| stat(entry.as_ref().ok()?)).collect()
        };
        parallel::each(shares.len(), || (), look, |index, share| found[index] = share);
        entries.into_iter().zip(found.into_iter().flatten()).collect()
    }
}

impl Iterator for Listing {
    type Item = Listed;

    fn next(&mut self) -> Option<Listed> {
        self.portion.next().or_else(|| {
            self.portion = self.next_portion().into_iter();
            self.portion.next()
        })
    }
}

/// A zone file's metadata, of what a link leads to.
fn stat(entry: &DirEntry) -> Option<Metadata> {
    if !is_zone(&entry.file_name()) {
        return None;
    }
    let found = entry.metadata().ok()?;
    if found.is_symlink() { fs::metadata(entry.path()).ok() } else { Some(found) }
}
