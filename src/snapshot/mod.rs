//! The snapshot file: what has been loaded, so that the next start need not load it again.
//!
//! Owns the file and nothing of what it means: chunks with checksums, written aside and renamed into
//! place. What stands in a chunk is for the room that wrote it.
//!
//! A snapshot is never needed: whatever is wrong with it, it is left aside, and the source files are
//! read. So nothing in it is mended, and another format is not converted.
//!
//! ```text
//! file     magic 8 bytes · format u32 · seed u64 · chunk*
//! chunk    kind u32 · length u32 · checksum u64 · bytes
//! ```
//!
//! Numbers are little-endian. The checksum is XXH3 over the bytes, from a seed of the file's own, the
//! chunk's place and its kind; the last chunk holds one over the heads of the others. A chunk in a wrong place, a
//! file cut short and one that is two halves of different files are found as flipped bits are.

mod bytes;
mod path;
mod write;

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use serde::de::DeserializeOwned;
use twox_hash::XxHash3_64;

pub use bytes::{Bytes, put_u32, put_u64};
pub use path::SavedPath;
pub use write::Writer;

use crate::parallel::{self, Waits};

const MAGIC: [u8; 8] = *b"beiand\x1a\n";
/// To be raised with every change of what a chunk holds, [`crate::zone::Zone`]'s layout included.
pub const FORMAT: u32 = 7;
/// What read the files whose contents a snapshot holds: the next version may read them otherwise,
/// and a newer list of public suffixes makes another site domain of a name.
const PROGRAM: &str = concat!(env!("CARGO_PKG_VERSION"), "/psl-2.1.247");
const HEAD_LEN: usize = 28;
const CHUNK_HEAD_LEN: usize = 16;
/// Longer chunks are not written.
const LONGEST_CHUNK: usize = 1 << 30;

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// What all else depends on.
    About = 1,
    /// The filing files, and what only few records have.
    Filings = 2,
    /// Filing records.
    Records = 3,
    /// The folders of zone files, and what only few zone files have.
    ZoneFiles = 4,
    /// Zones, each with what is known of its file.
    Zones = 5,
    /// That the file ends here, and the checksum of all heads.
    End = 6,
}

impl Kind {
    const ALL: [Kind; 6] =
        [Kind::About, Kind::Filings, Kind::Records, Kind::ZoneFiles, Kind::Zones, Kind::End];
}

/// Why a snapshot is left aside.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Somebody else may have written it.
    #[error("it belongs to another user, or others may read or write it")]
    NotOurs,
    /// It is another file.
    #[error("it is no snapshot")]
    NoSnapshot,
    /// Another version of this server wrote it.
    #[error("another version of beiand wrote it")]
    OtherVersion,
    /// It is not as it was written.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// It was taken with other settings.
    #[error("it was taken with another {0}")]
    OtherSettings(&'static str),
}

/// A snapshot that is being read.
#[derive(Debug)]
pub struct Snapshot {
    file: File,
    seed: u64,
    chunks: Vec<Chunk>,
}

#[derive(Clone, Copy, Debug)]
struct Chunk {
    kind: Kind,
    at: u64,
    len: usize,
    checksum: u64,
    index: u32,
}

impl Snapshot {
    /// Opens a snapshot and finds its chunks; `None` where there is none. What is in them is checked
    /// when they are read.
    pub fn open(path: &Path) -> Result<Option<Snapshot>, Unusable> {
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        match opened {
            Ok(file) => Snapshot::of_file(file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn of_file(file: File) -> Result<Snapshot, Unusable> {
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(Unusable::NoSnapshot);
        }
        if !is_ours(&found) {
            return Err(Unusable::NotOurs);
        }
        let mut head = [0; HEAD_LEN];
        file.read_exact_at(&mut head, 0).map_err(|_| Unusable::NoSnapshot)?;
        let mut fields = Bytes::of(&head);
        if fields.take(MAGIC.len())? != MAGIC {
            return Err(Unusable::NoSnapshot);
        }
        let format = fields.u32()?;
        let seed = fields.u64()?;
        if (format, fields.u64()?) != (FORMAT, fingerprint(PROGRAM.as_bytes())) {
            return Err(Unusable::OtherVersion);
        }
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut heads = Vec::new();
        let mut at = HEAD_LEN as u64;
        while chunks.last().is_none_or(|last| last.kind != Kind::End) {
            let mut head = [0; CHUNK_HEAD_LEN];
            file.read_exact_at(&mut head, at).map_err(|_| Unusable::Damaged("it is cut short"))?;
            let mut fields = Bytes::of(&head);
            let kind = fields.u32()?;
            let kind = Kind::ALL.into_iter().find(|known| *known as u32 == kind);
            let kind = kind.ok_or(Unusable::Damaged("a chunk is of no known kind"))?;
            let len = fields.u32()? as usize;
            let checksum = fields.u64()?;
            if kind != Kind::End {
                heads.extend_from_slice(&head);
            }
            at += CHUNK_HEAD_LEN as u64;
            if len > LONGEST_CHUNK || at + len as u64 > found.len() {
                return Err(Unusable::Damaged("it is cut short"));
            }
            let index = u32::try_from(chunks.len())
                .map_err(|_| Unusable::Damaged("it has too many chunks"))?;
            chunks.push(Chunk { kind, at, len, checksum, index });
            at += len as u64;
        }
        let snapshot = Snapshot { file, seed, chunks };
        let wanted = fingerprint(&heads);
        match snapshot.all(Kind::End, |bytes| Bytes::of(bytes).u64())?[..] {
            [heads] if heads == wanted => Ok(snapshot),
            _ => Err(Unusable::Damaged("its chunks are not those that were written")),
        }
    }

    /// The one chunk of a kind, which holds JSON.
    pub fn json<T: DeserializeOwned + Send>(&self, kind: Kind) -> Result<T, Unusable> {
        let read = |bytes: &[u8]| {
            serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged("a chunk is no JSON"))
        };
        let mut all: Vec<T> = self.all(kind, read)?;
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(Unusable::Damaged("a chunk is missing")),
        }
    }

    /// Reads all chunks of a kind on all cores; the results are in the order of the file.
    pub fn all<T: Send>(
        &self,
        kind: Kind,
        read: impl Fn(&[u8]) -> Result<T, Unusable> + Sync,
    ) -> Result<Vec<T>, Unusable> {
        let mut all = Vec::new();
        self.each(kind, read, |index, one| {
            all.push((index, one));
            Ok(())
        })?;
        all.sort_unstable_by_key(|(index, _)| *index);
        Ok(all.into_iter().map(|(_, one)| one).collect())
    }

    /// The same in no particular order, each result taken in while others are being read.
    pub fn each<T: Send>(
        &self,
        kind: Kind,
        read: impl Fn(&[u8]) -> Result<T, Unusable> + Sync,
        mut take: impl FnMut(usize, T) -> Result<(), Unusable>,
    ) -> Result<(), Unusable> {
        let chunks: Vec<Chunk> =
            self.chunks.iter().copied().filter(|chunk| chunk.kind == kind).collect();
        let mut outcome = Ok(());
        let work = |buffer: &mut Vec<u8>, index: usize| {
            self.read_in(&chunks[index], buffer)?;
            read(buffer)
        };
        parallel::each(chunks.len(), Waits::Never, Vec::new, work, |index, one| {
            if outcome.is_ok() {
                outcome = one.and_then(|one| take(index, one));
            }
        });
        outcome
    }

    fn read_in(&self, chunk: &Chunk, buffer: &mut Vec<u8>) -> Result<(), Unusable> {
        buffer.resize(chunk.len, 0);
        self.file.read_exact_at(buffer, chunk.at)?;
        match checksum(buffer, self.seed, chunk.index, chunk.kind) == chunk.checksum {
            true => Ok(()),
            false => Err(Unusable::Damaged("a checksum does not match")),
        }
    }
}

/// The hash of some bytes that is the same in every run, and quick over many.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

fn checksum(bytes: &[u8], seed: u64, index: u32, kind: Kind) -> u64 {
    let place = u64::from(index) << 32 | u64::from(kind as u32);
    XxHash3_64::oneshot_with_seed(seed ^ place, bytes)
}

/// Whether nobody else can have written the file, or read the key of the hashes in it.
fn is_ours(found: &Metadata) -> bool {
    // SAFETY: takes nothing and cannot fail.
    let us = unsafe { libc::geteuid() };
    found.uid() == us && found.mode() & 0o077 == 0
}

#[cfg(test)]
mod tests;
