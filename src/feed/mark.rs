//! How far a file has been read, and the fingerprint by which it is known again.

use std::fs::File;
use std::io;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};
use serde::{Deserialize, Serialize};

use crate::snapshot::fingerprint;

/// How much is read, and fingerprinted, at a time.
pub(super) const BLOCK: usize = 1 << 20;

/// How far a file has been read, and how to know it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// What was looked at.
    pub(super) size: u64,
    /// What was taken in: to the end of the last whole record.
    pub(super) offset: u64,
    /// Line ends before `offset`.
    pub(super) lines: u32,
    /// A hash of each block of `size`, the last one perhaps short.
    pub(super) blocks: Vec<u64>,
}

/// How thoroughly to compare a file with what was read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thoroughly {
    /// Everything.
    Everything,
    /// Up to 1 MiB everything; beyond it the first block, the last one and four between.
    Sampled,
}

impl Mark {
    /// Whether the first `size` bytes of the file are still what was read.
    pub(super) fn is_prefix_of(&self, file: &File, how: Thoroughly) -> io::Result<bool> {
        let count = self.blocks.len();
        let step = match how {
            Thoroughly::Everything => 1,
            Thoroughly::Sampled => (count / 5).max(1),
        };
        self.holds_in(file, (0..count).step_by(step).chain(count.checked_sub(1)))
    }

    /// Whether these blocks of the file are still what was read.
    pub(super) fn holds_in(
        &self,
        file: &File,
        blocks: impl Iterator<Item = usize>,
    ) -> io::Result<bool> {
        let mut buffer = Vec::new();
        for index in blocks {
            let start = index as u64 * BLOCK as u64;
            let len = (self.size - start).min(BLOCK as u64) as usize;
            if read_at(file, start, len, &mut buffer)? < len
                || fingerprint(&buffer) != self.blocks[index]
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether what was appended begins on a line of its own: otherwise it changes the last line
    /// that was taken in, which had no line end.
    pub(super) fn is_followed_by_line(&self, file: &File) -> io::Result<bool> {
        let Some(before) = self.offset.checked_sub(1) else { return Ok(true) };
        let mut around = Vec::new();
        read_at(file, before, 2, &mut around)?;
        Ok(around.first() == Some(&b'\n') || matches!(around.get(1), Some(b'\n' | b'\r')))
    }

    /// Whether what was taken in ends with a line end, or is nothing.
    pub(super) fn is_at_line_end(&self, file: &File) -> io::Result<bool> {
        let Some(before) = self.offset.checked_sub(1) else { return Ok(true) };
        let mut last = Vec::new();
        read_at(file, before, 1, &mut last)?;
        Ok(last == b"\n")
    }

    /// Whether bytes were left that may become a record.
    pub(super) fn has_tail(&self) -> bool {
        self.offset < self.size
    }
}

/// Fills the buffer with up to `len` bytes; fewer at the file's end.
pub(super) fn read_at(
    file: &File,
    start: u64,
    len: usize,
    buffer: &mut Vec<u8>,
) -> io::Result<usize> {
    buffer.clear();
    read_on(file, start, len, buffer)
}

/// Appends up to `len` bytes to the buffer; fewer at the file's end.
pub(super) fn read_on(
    file: &File,
    start: u64,
    len: usize,
    buffer: &mut Vec<u8>,
) -> io::Result<usize> {
    let before = buffer.len();
    buffer.reserve_exact(len);
    while buffer.len() < before + len {
        let at = start + (buffer.len() - before) as u64;
        // Perhaps more than wanted, where there is room.
        match pread(file, spare_capacity(buffer), at) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    buffer.truncate(before + len);
    Ok(buffer.len() - before)
}
