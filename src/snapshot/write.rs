//! A snapshot in the making.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::{FORMAT, Kind, LONGEST_CHUNK, MAGIC, PROGRAM, checksum, fingerprint, put_u32, put_u64};

/// Writes a snapshot beside the one that stands, in whose place it goes when it is whole. Dropped
/// before, it leaves nothing behind.
#[derive(Debug)]
pub struct Writer<'a> {
    path: PathBuf,
    aside: PathBuf,
    file: File,
    seed: u64,
    chunks: u32,
    /// Of all chunks so far.
    heads: Vec<u8>,
    bytes: u64,
    is_in_place: bool,
    is_stopping: &'a AtomicBool,
}

impl<'a> Writer<'a> {
    /// Begins one; only the user of this process will be able to read it. It comes to nothing, with
    /// an error, once `is_stopping` is set.
    pub fn create(path: &Path, is_stopping: &'a AtomicBool) -> io::Result<Writer<'a>> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".new");
        let aside = PathBuf::from(aside);
        // Of a writer that was killed.
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        let path = path.to_owned();
        let seed = RandomState::new().hash_one(0u8);
        let mut writer = Writer {
            path,
            aside,
            file,
            seed,
            chunks: 0,
            heads: Vec::new(),
            bytes: 0,
            is_in_place: false,
            is_stopping,
        };
        let mut head = MAGIC.to_vec();
        put_u32(&mut head, FORMAT);
        put_u64(&mut head, seed);
        put_u64(&mut head, fingerprint(PROGRAM.as_bytes()));
        writer.put_bytes(&head)?;
        Ok(writer)
    }

    /// Appends a chunk.
    pub fn put(&mut self, kind: Kind, bytes: &[u8]) -> io::Result<()> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if bytes.len() > LONGEST_CHUNK {
            return Err(io::Error::other("a part of the snapshot is longer than 1 GiB"));
        }
        let mut head = Vec::new();
        put_u32(&mut head, kind as u32);
        // At most 1 GiB, as was just seen.
        put_u32(&mut head, bytes.len() as u32);
        put_u64(&mut head, checksum(bytes, self.seed, self.chunks, kind));
        self.chunks += 1;
        self.heads.extend_from_slice(&head);
        self.put_bytes(&head)?;
        self.put_bytes(bytes)
    }

    /// Appends a chunk of JSON.
    pub fn put_json(&mut self, kind: Kind, value: &impl Serialize) -> io::Result<()> {
        self.put(kind, &serde_json::to_vec(value)?)
    }

    /// Puts the snapshot in its place once the disk has it; how long it is, in bytes.
    pub fn finish(mut self) -> io::Result<u64> {
        let heads = fingerprint(&self.heads);
        self.put(Kind::End, &heads.to_le_bytes())?;
        self.file.sync_all()?;
        fs::rename(&self.aside, &self.path)?;
        self.is_in_place = true;
        if let Some(folder) = self.path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()?;
        }
        Ok(self.bytes)
    }

    #[cfg(test)]
    pub(super) fn on(&mut self, file: File) {
        self.file = file;
    }

    fn put_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if !self.is_in_place {
            // Nobody reads it; the next writer tries again.
            let _ = fs::remove_file(&self.aside);
        }
    }
}
