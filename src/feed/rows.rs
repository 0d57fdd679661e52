//! From the bytes of a file to the fields of its records, whatever the format.
//!
//! Owns what the formats have in common: positions, lines that aren't UTF-8, keys that mean
//! nothing to us. What the fields mean is `filing::record`'s business.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::csv::{Columns, Unquoted};
use super::miit;
use super::ndjson::{self, Decoded};
use super::split::{End, Framing, record_len};
use crate::filing::record::{Field, Fields};

/// What a file is read as, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `.csv`
    Csv,
    /// `.ndjson`, `.jsonl`
    Ndjson,
    /// `.json`: a reply of the ministry's public query.
    MiitQuery,
}

impl Format {
    /// `None` for files that are none of ours: other extensions, dot files, what editors leave.
    pub(super) fn of(path: &Path) -> Option<Format> {
        if path.file_name()?.as_encoded_bytes().starts_with(b".") {
            return None;
        }
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Format::Csv),
            "ndjson" | "jsonl" => Some(Format::Ndjson),
            "json" => Some(Format::MiitQuery),
            _ => None,
        }
    }
}

/// A format that is read line by line, with what its header told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Layout {
    Csv(Columns),
    Ndjson,
}

impl Layout {
    pub(super) fn framing(&self) -> Framing {
        match self {
            Layout::Csv(_) => Framing::QuotedLines,
            Layout::Ndjson => Framing::Lines,
        }
    }

    /// Line and column of a field's value, in a record whose text begins at `line`.
    pub(super) fn position(&self, text: &str, field: Field, line: u32) -> (u32, u32) {
        let at = match self {
            Layout::Csv(columns) => columns.position(text, field),
            Layout::Ndjson => ndjson::position(text, field.name()),
        };
        let Some(before) = at.and_then(|at| text.get(..at)) else {
            return (line, 0);
        };
        let line_start = before.rfind('\n').map_or(0, |line_end| line_end + 1);
        let lines_before = before.matches('\n').count() as u32;
        (line + lines_before, before[line_start..].chars().count() as u32 + 1)
    }
}

/// A header that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<T> {
    pub(super) layout: T,
    /// Columns that mean nothing to us.
    pub(super) unknown: Vec<String>,
}

/// Why a file as a whole can't be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeaderFault {
    pub(super) text: String,
    pub(super) problem: String,
    pub(super) remedy: String,
}

/// Why a row can't be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RowProblem {
    /// In characters, counted from 1; 0 for the row as a whole.
    pub(super) column: u32,
    pub(super) text: String,
    pub(super) problem: String,
    pub(super) remedy: String,
}

/// One row of a file.
#[derive(Debug)]
pub(super) enum Row<'a> {
    /// Its fields, and the text of the record where it has one of its own. `has_unknown`: also of
    /// keys that mean nothing to us.
    Record { line: u32, fields: &'a Fields<'a>, text: Option<&'a str>, has_unknown: bool },
    /// It can't be read.
    Bad { line: u32, problem: RowProblem },
}

/// A record as it stands in a file, unread.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowText<'a> {
    pub(super) line: u32,
    pub(super) bytes: &'a [u8],
}

/// Whole records one by one, unread.
pub(super) fn row_texts<'a>(
    layout: &Layout,
    bytes: &'a [u8],
    first_line: u32,
) -> impl Iterator<Item = RowText<'a>> {
    // Without quotes a record is a line.
    let framing = match memchr::memchr(b'"', bytes) {
        Some(_) => layout.framing(),
        None => Framing::Lines,
    };
    let (mut rest, mut next_line) = (bytes, first_line);
    std::iter::from_fn(move || {
        let (bytes, behind) = rest.split_at(record_len(rest, framing, End::Final)?);
        let line = next_line;
        rest = behind;
        next_line += match framing {
            Framing::Lines => 1,
            Framing::QuotedLines => memchr::memchr_iter(b'\n', bytes).count() as u32,
        };
        Some(RowText { line, bytes })
    })
}

/// Reads records, and keeps the buffers that this takes.
#[derive(Debug)]
pub(super) struct RowReader<'l> {
    layout: &'l Layout,
    unquoted: Unquoted,
    decoded: Decoded,
}

impl<'l> RowReader<'l> {
    pub(super) fn of(layout: &'l Layout) -> RowReader<'l> {
        RowReader { layout, unquoted: Unquoted::default(), decoded: Decoded::default() }
    }

    /// Reads one record, if it is not blank. `unknown` is told each key that means nothing to us.
    pub(super) fn read(
        &mut self,
        row: RowText<'_>,
        unknown: &mut dyn FnMut(&str),
        take: &mut dyn FnMut(Row<'_>),
    ) {
        let RowText { line, bytes } = row;
        match simdutf8::basic::from_utf8(bytes) {
            Ok(text) if is_blank(text) => {}
            Ok(text) => {
                let (mut fields, mut has_unknown) = (Fields::default(), false);
                let mut unknown = |name: &str| {
                    has_unknown = true;
                    unknown(name);
                };
                let (decoded, unquoted) = (&mut self.decoded, &mut self.unquoted);
                let read = match self.layout {
                    Layout::Csv(columns) => columns.row(text, unquoted, &mut fields),
                    Layout::Ndjson => ndjson::object(text, decoded, &mut fields, &mut unknown),
                };
                take(match read {
                    Ok(()) => Row::Record { line, fields: &fields, text: Some(text), has_unknown },
                    Err(problem) => Row::Bad { line, problem },
                });
            }
            Err(_) => {
                let valid =
                    std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
                let (lines_before, problem) = not_utf8(bytes, valid);
                take(Row::Bad { line: line + lines_before, problem });
            }
        }
    }
}

/// Walks through whole records. `unknown` is told each key that means nothing to us.
pub(super) fn each_row(
    layout: &Layout,
    bytes: &[u8],
    first_line: u32,
    unknown: &mut dyn FnMut(&str),
    take: &mut dyn FnMut(Row<'_>),
) {
    let mut reader = RowReader::of(layout);
    row_texts(layout, bytes, first_line).for_each(|row| reader.read(row, unknown, take));
}

/// Walks through the records of a reply of the ministry's query.
pub(super) fn each_queried_row(
    text: &str,
    take: &mut dyn FnMut(Row<'_>),
) -> Result<(), (miit::Finished, HeaderFault)> {
    for row in miit::reply(text)? {
        match row {
            Ok(record) => {
                let (line, fields) = (record.line, &record.fields());
                take(Row::Record { line, fields, text: None, has_unknown: false });
            }
            Err((line, problem)) => take(Row::Bad { line, problem }),
        }
    }
    Ok(())
}

fn is_blank(text: &str) -> bool {
    // Most lines begin with what is no blank.
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

/// What is wrong with the line that the first bad byte stands on, and how many lines of the record
/// come before it.
fn not_utf8(record: &[u8], valid: usize) -> (u32, RowProblem) {
    let (before, behind) = record.split_at_checked(valid).unwrap_or((record, &[]));
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |line_end| line_end + 1);
    let line_end = memchr::memchr(b'\n', behind).map_or(record.len(), |at| valid + at);
    let problem = RowProblem {
        column: String::from_utf8_lossy(&before[line_start..]).chars().count() as u32 + 1,
        text: String::from_utf8_lossy(&record[line_start..line_end]).trim_end().to_owned(),
        problem: "the line is not UTF-8".into(),
        remedy: "save the file as UTF-8".into(),
    };
    (memchr::memchr_iter(b'\n', before).count() as u32, problem)
}
