//! The texts of one record, read from its file again.
//!
//! Owns how a line is found in a file of millions: by the offsets of every so many lines, noted
//! when first passed. What was noted is only a hint, since the file may have changed: a record is
//! known again by its key. Needs nothing of the feed, so that any thread may read.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::change::FoundRecord;
use super::cut::LONGEST_LINE;
use super::files;
use super::mark::read_at;
use super::read::{LONGEST_REPLY, Reader, Texts, Unread, byte_order_mark};
use super::rows::{Format, Layout, Row, each_queried_row, each_row};
use super::split::{End, record_len};
use super::store::{FileId, FilingStore};
use crate::filing::record::{Field, FilingRecord};
use crate::filing::{Instant, ProviderIs, Role};

/// Lines between two offsets that are noted.
const STEP: u32 = 256;
/// Bytes read at once while lines are counted.
const BLOCK: usize = 256 << 10;
/// Bytes read at first where a record begins.
const RECORD: usize = 8 << 10;
/// Files that are remembered.
const FILES: usize = 64;

/// Reads texts, and remembers where the lines of large files are.
#[derive(Debug, Default)]
pub struct TextReader {
    lines: HashMap<PathBuf, Lines>,
}

impl TextReader {
    /// The fields of a record that aren't empty, as they stand in its file; none if it has changed
    /// since, or cannot be read.
    pub fn read(&mut self, record: &FoundRecord) -> Texts {
        let found = self.texts_at(record).or_else(|_| {
            // What was noted of the file may be what misled.
            self.lines.remove(&record.file);
            self.texts_at(record)
        });
        found.ok().flatten().unwrap_or_default()
    }

    /// An error where the record does not stand in that line.
    fn texts_at(&mut self, record: &FoundRecord) -> Result<Option<Texts>, Unread> {
        let path = &record.file;
        let Some(format) = Format::of(path) else { return Ok(None) };
        let file = files::open(path)?;
        let limit = file.metadata()?.len();
        let mut found = None;
        let mut look = |row: Row<'_>| {
            if let Row::Record { line, fields, .. } = row
                && line == record.line
                && let (Some(read), _) = FilingRecord::from_fields(fields)
                && [Role::Domain, Role::NewDomain]
                    .into_iter()
                    .any(|role| read.facts(ProviderIs::Unknown, role).key == record.facts.key)
            {
                let texts = Field::ALL.into_iter().map(|field| (field, fields.get(field)));
                let told = texts.filter(|(_, text)| !text.is_empty());
                found = Some(told.map(|(field, text)| (field, text.to_owned())).collect());
            }
        };
        match format {
            Format::MiitQuery => {
                let mut bytes = Vec::new();
                read_at(&file, 0, limit.min(LONGEST_REPLY) as usize, &mut bytes)?;
                let text = String::from_utf8_lossy(&bytes[byte_order_mark(&bytes)..]);
                let _ = each_queried_row(&text, &mut look);
                return Ok(found);
            }
            Format::Ndjson | Format::Csv => {
                let Some(layout) = layout_of(&file, path, format, limit)? else { return Ok(None) };
                let start = self.lines_of(path, &file)?.start_of(record.line, &file)?;
                let bytes = record_at(&file, start, &layout)?;
                each_row(&layout, &bytes, record.line, &mut |_| {}, &mut look);
            }
        }
        found.map(Some).ok_or(Unread::Unfinished)
    }

    fn lines_of(&mut self, path: &Path, file: &File) -> io::Result<&mut Lines> {
        let metadata = file.metadata()?;
        let inode = (metadata.dev(), metadata.ino());
        let is_known = |lines: &Lines| lines.inode == inode && lines.passed <= metadata.len();
        if !self.lines.get(path).is_some_and(is_known) {
            if self.lines.len() >= FILES {
                self.lines.clear();
            }
            let mut start = Vec::new();
            read_at(file, 0, 3, &mut start)?;
            let first = byte_order_mark(&start) as u64;
            let lines = Lines { inode, starts: vec![first], passed: first, passed_lines: 0 };
            self.lines.insert(path.to_owned(), lines);
        }
        Ok(self.lines.entry(path.to_owned()).or_default())
    }
}

impl FoundRecord {
    /// As [`TextReader::read`], for a single record.
    pub fn read_texts(&self) -> Texts {
        TextReader::default().read(self)
    }
}

/// Where the lines of a file begin.
#[derive(Debug, Default)]
struct Lines {
    inode: (u64, u64),
    /// Of the lines 1, 1 + STEP, 1 + 2 STEP and so on.
    starts: Vec<u64>,
    /// Up to here line ends were counted; so many.
    passed: u64,
    passed_lines: u32,
}

impl Lines {
    /// The offset of a line, counted from 1.
    fn start_of(&mut self, line: u32, file: &File) -> io::Result<u64> {
        let step = (line.saturating_sub(1) / STEP) as usize;
        let mut buffer = Vec::new();
        while self.starts.len() <= step {
            if read_at(file, self.passed, BLOCK, &mut buffer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            for line_end in memchr::memchr_iter(b'\n', &buffer) {
                self.passed_lines += 1;
                if self.passed_lines.is_multiple_of(STEP) {
                    self.starts.push(self.passed + line_end as u64 + 1);
                }
            }
            self.passed += buffer.len() as u64;
        }
        let mut start = self.starts[step];
        let mut left = (line.saturating_sub(1) % STEP) as usize;
        while left > 0 {
            if read_at(file, start, BLOCK, &mut buffer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut line_ends = memchr::memchr_iter(b'\n', &buffer);
            match line_ends.nth(left - 1) {
                Some(line_end) => return Ok(start + line_end as u64 + 1),
                None => {
                    left -= memchr::memchr_iter(b'\n', &buffer).count();
                    start += buffer.len() as u64;
                }
            }
        }
        Ok(start)
    }
}

fn layout_of(
    file: &File,
    path: &Path,
    format: Format,
    limit: u64,
) -> Result<Option<Layout>, Unread> {
    if format == Format::Ndjson {
        return Ok(Some(Layout::Ndjson));
    }
    let store = FilingStore::default();
    let reader = Reader { store: &store, file: FileId(0), path, provider: "", now: Instant(0) };
    let header = reader.header(file, limit, End::Final)?;
    Ok(header.map(|(columns, _, _)| Layout::Csv(columns)))
}

/// The record that begins at an offset.
fn record_at(file: &File, start: u64, layout: &Layout) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut len = RECORD;
    loop {
        let is_all = read_at(file, start, len, &mut bytes)? < len || len > LONGEST_LINE;
        let end = if is_all { End::Final } else { End::Open };
        if let Some(record) = record_len(&bytes, layout.framing(), end) {
            bytes.truncate(record);
            return Ok(bytes);
        }
        if is_all {
            return Ok(Vec::new());
        }
        len *= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Feed, FeedSettings, Moment};
    use std::fs;
    use std::time::Duration;

    const LINES: usize = 3 * STEP as usize + 7;

    fn records(folder: &Path) -> Vec<FoundRecord> {
        let settings = FeedSettings {
            path: folder.to_owned(),
            provider: "hoster".to_owned(),
            max_bad_lines: 0.0,
            max_shrink: 1.0,
            settle: Duration::ZERO,
        };
        let (feed, _) = Feed::open(settings, Moment::now());
        (0..LINES).flat_map(|n| feed.find_records(&format!("d{n}.example"))).collect()
    }

    fn assert_all_read(reader: &mut TextReader, folder: &Path, remark: &str) {
        let records = records(folder);
        assert_eq!(records.len(), LINES);
        for record in records {
            let texts = reader.read(&record);
            let domain = &texts[&Field::Domain];
            assert_eq!(texts[&Field::Remark], format!("{remark} {domain}"), "{record:?}");
        }
    }

    fn ndjson(remark: &str) -> String {
        let line =
            |n| format!("{{\"domain\":\"d{n}.example\",\"remark\":\"{remark} d{n}.example\"}}\n");
        (0..LINES).map(line).collect()
    }

    #[test]
    fn every_line_of_every_format_is_found_also_after_the_file_was_changed_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = TextReader::default();
        let file = folder.path().join("10.ndjson");
        fs::write(&file, ndjson("first")).unwrap();
        assert_all_read(&mut reader, folder.path(), "first");
        fs::write(&file, ndjson("a later and longer")).unwrap();
        assert_all_read(&mut reader, folder.path(), "a later and longer");
        fs::remove_file(&file).unwrap();
        // A record over two lines, behind a byte order mark.
        let mut csv = "\u{feff}remark,domain\r\n".to_owned();
        (0..LINES)
            .for_each(|n| csv.push_str(&format!("\"two\nlines d{n}.example\",d{n}.example\r\n")));
        fs::write(folder.path().join("20.csv"), csv).unwrap();
        assert_all_read(&mut reader, folder.path(), "two\nlines");
    }

    #[test]
    fn what_stands_elsewhere_now_is_nothing_rather_than_anothers() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("10.ndjson");
        fs::write(&file, ndjson("first")).unwrap();
        let records = records(folder.path());
        let mut reader = TextReader::default();
        assert!(!reader.read(&records[LINES - 1]).is_empty());
        fs::write(&file, "{\"domain\":\"other.example\"}\n").unwrap();
        assert!(records.iter().all(|record| reader.read(record).is_empty()));
        fs::remove_file(&file).unwrap();
        assert!(reader.read(&records[0]).is_empty());
    }
}
