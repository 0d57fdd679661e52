//! A file cut into portions of whole records, which can be read independently of each other.

use std::fs::File;
use std::io;

use super::mark::{BLOCK, Mark, read_on};
use super::rows::Layout;
use super::split::{End, Framing, whole_records};
use crate::snapshot::fingerprint;

/// A line longer than this is none: the file is not what its name says.
pub(super) const LONGEST_LINE: usize = 4 << 20;

/// Some whole records.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) bytes: Vec<u8>,
    pub(super) first_line: u32,
}

/// Reads a file block by block, cuts it behind whole records, and takes its fingerprint.
pub(super) struct Cutter<'a> {
    file: &'a File,
    framing: Framing,
    limit: u64,
    end: End,
    layout: &'a Layout,
    /// Where the next block begins.
    block_start: u64,
    /// Where the records begin that are wanted.
    offset: u64,
    pub(super) line: u32,
    blocks: Vec<u64>,
    pub(super) carry: Vec<u8>,
    pub(super) finished: bool,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(
        file: &'a File,
        from: &Mark,
        layout: &'a Layout,
        limit: u64,
        end: End,
    ) -> Cutter<'a> {
        let first_block = from.offset as usize / BLOCK;
        Cutter {
            file,
            framing: layout.framing(),
            limit,
            end,
            layout,
            block_start: first_block as u64 * BLOCK as u64,
            offset: from.offset,
            line: from.lines + 1,
            blocks: from.blocks.get(..first_block).unwrap_or_default().to_vec(),
            carry: Vec::new(),
            finished: false,
        }
    }

    /// The next portion; `None` at the end, or if a line is longer than [`LONGEST_LINE`].
    pub(super) fn next(&mut self) -> io::Result<Option<Cut>> {
        while !self.finished && self.carry.len() <= LONGEST_LINE {
            let len = self.limit.saturating_sub(self.block_start).min(BLOCK as u64) as usize;
            let wanted = self.offset + self.carry.len() as u64;
            let mut bytes = std::mem::take(&mut self.carry);
            let carried = bytes.len();
            let read = read_on(self.file, self.block_start, len, &mut bytes)?;
            if read > 0 {
                self.blocks.push(fingerprint(&bytes[carried..]));
            }
            // Only the first block can begin before what is wanted, and then nothing is carried.
            let skipped = wanted.saturating_sub(self.block_start).min(read as u64) as usize;
            bytes.drain(carried..carried + skipped);
            self.block_start += read as u64;
            let (mut cut, mut lines) = whole_records(&bytes, self.framing);
            if read < BLOCK {
                self.finished = true;
                self.limit = self.block_start;
                if self.takes_tail(&bytes[cut..]) {
                    lines += memchr::memchr_iter(b'\n', &bytes[cut..]).count() as u32;
                    cut = bytes.len();
                }
            }
            self.carry = bytes.split_off(cut);
            if cut > 0 {
                let first_line = self.line;
                self.offset += cut as u64;
                self.line += lines;
                return Ok(Some(Cut { bytes, first_line }));
            }
        }
        Ok(None)
    }

    /// Whether what stands behind the last line end is a record already. A JSON object says
    /// itself where it ends. A CSV row doesn't: cut short, its last value may say something else,
    /// so it counts only when the writer is done.
    fn takes_tail(&self, tail: &[u8]) -> bool {
        match (self.end, self.layout) {
            (End::Final, _) => true,
            (End::Open, Layout::Csv(_)) => false,
            (End::Open, Layout::Ndjson) => {
                serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(tail).is_ok()
            }
        }
    }

    pub(super) fn mark(self) -> Mark {
        Mark { size: self.limit, offset: self.offset, lines: self.line - 1, blocks: self.blocks }
    }
}
