//! One file, or what was appended to it, read into a [`Delta`] against the store.
//!
//! Owns the faults and the count of bad lines. It changes nothing: whether the result is taken in is
//! for `refresh` to decide.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::csv::Columns;
use super::cut::{Cutter, LONGEST_LINE};
use super::files::{self, not_ours};
use super::mark::{BLOCK, Mark, read_at};
use super::miit::Finished;
use super::portion::Portion;
use super::rows::{Format, HeaderFault, Layout, Row, RowProblem, each_queried_row, each_row};
use super::split::{End, Framing, record_len};
use super::store::{Delta, FileId, FilingStore};
use super::verbatim::Verbatim;
use crate::fault::{Fault, Severity};
use crate::filing::Instant;
use crate::filing::record::{Field, Fields};
use crate::parallel::{self, Jobs, Waits};
use crate::progress::Progress;
use crate::snapshot::fingerprint;

/// A JSON reply longer than this is refused: the ministry's pages are small.
pub(super) const LONGEST_REPLY: u64 = 256 << 20;

/// Faults told of one file; the others are counted.
pub(super) const FAULTS_TOLD: usize = 1000;

/// Who reads, for whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) store: &'a FilingStore,
    pub(super) file: FileId,
    /// As faults name it.
    pub(super) path: &'a Path,
    /// `filings.provider`.
    pub(super) provider: &'a str,
    /// For warnings about times that lie ahead.
    pub(super) now: Instant,
}

/// The fields of a record that aren't empty, as the file has them.
pub type Texts = BTreeMap<Field, String>;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) delta: Delta,
    pub(super) mark: Mark,
    pub(super) layout: Option<Layout>,
    pub(super) count: Count,
    pub(super) faults: Vec<Fault>,
}

/// Lines that hold, or should hold, a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    pub(super) rows: u64,
    pub(super) bad: u64,
}

/// Why nothing was read.
#[derive(Debug)]
pub(super) enum Unread {
    Io(io::Error),
    /// It ends in the middle: more may be coming.
    Unfinished,
    Refused(Fault),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Unread {
        Unread::Io(error)
    }
}

/// Walks through the records of a file as they are written, whatever its format. What cannot be
/// read is told and passed over; an error is a fault of the file as a whole.
pub fn each_record(
    path: &Path,
    take: &mut dyn FnMut(u32, &Fields<'_>),
) -> Result<Vec<Fault>, Box<Fault>> {
    let store = FilingStore::default();
    let reader =
        Reader { store: &store, file: FileId(0), path, provider: "", now: Instant(i64::MAX) };
    let unreadable = |error: io::Error| {
        let problem = format!("cannot be read: {error}");
        Box::new(Fault::of_file(Severity::Error, path, problem, "name a filing file"))
    };
    let format = Format::of(path).ok_or_else(|| unreadable(not_ours()))?;
    let file = files::open(path).map_err(unreadable)?;
    let mut faults = Vec::new();
    let walked = reader.records(&file, format, &mut |row| match row {
        Row::Record { line, fields, .. } => take(line, fields),
        Row::Bad { line, problem } => faults.push(reader.fault(Severity::Error, line, problem)),
    });
    match walked {
        Ok(()) => Ok(faults),
        Err(Unread::Io(error)) => Err(unreadable(error)),
        Err(Unread::Refused(fault)) => Err(Box::new(fault)),
        Err(Unread::Unfinished) => Err(unreadable(io::ErrorKind::UnexpectedEof.into())),
    }
}

impl Reader<'_> {
    /// Reads the first `limit` bytes of a file. With [`End::Open`] an unfinished last line is
    /// left for later.
    pub(super) fn whole(
        &self,
        file: &File,
        format: Format,
        limit: u64,
        end: End,
    ) -> Result<Reading, Unread> {
        match format {
            Format::MiitQuery => self.reply(file, limit, end),
            Format::Ndjson => {
                let mark = self.behind_byte_order_mark(file, limit)?;
                self.lines(file, &mark, Layout::Ndjson, limit, end)
            }
            Format::Csv => match self.header(file, limit, end)? {
                None => self.nothing(file, limit),
                Some((columns, mark, fault)) => {
                    let mut reading = self.lines(file, &mark, Layout::Csv(columns), limit, end)?;
                    reading.faults.splice(0..0, fault);
                    Ok(reading)
                }
            },
        }
    }

    /// Reads on behind `from`.
    pub(super) fn appended(
        &self,
        file: &File,
        from: &Mark,
        layout: &Layout,
        limit: u64,
        end: End,
    ) -> Result<Reading, Unread> {
        self.lines(file, from, layout.clone(), limit, end)
    }

    /// Walks through the records of a file.
    fn records(
        &self,
        file: &File,
        format: Format,
        take: &mut dyn FnMut(Row<'_>),
    ) -> Result<(), Unread> {
        let limit = file.metadata()?.len();
        let (layout, mark) = match format {
            Format::MiitQuery => {
                let mut bytes = Vec::new();
                read_at(file, 0, limit.min(LONGEST_REPLY) as usize, &mut bytes)?;
                let text = String::from_utf8_lossy(&bytes[byte_order_mark(&bytes)..]);
                return each_queried_row(&text, take).map_err(|(_, fault)| self.refused(0, fault));
            }
            Format::Ndjson => (Layout::Ndjson, self.behind_byte_order_mark(file, limit)?),
            Format::Csv => match self.header(file, limit, End::Final)? {
                None => return Ok(()),
                Some((columns, mark, _)) => (Layout::Csv(columns), mark),
            },
        };
        let mut cutter = Cutter::new(file, &mark, &layout, limit, End::Final);
        while let Some(cut) = cutter.next()? {
            each_row(&layout, &cut.bytes, cut.first_line, &mut |_| {}, take);
        }
        Ok(())
    }

    fn behind_byte_order_mark(&self, file: &File, limit: u64) -> io::Result<Mark> {
        let mut start = Vec::new();
        read_at(file, 0, limit.min(3) as usize, &mut start)?;
        Ok(Mark { offset: byte_order_mark(&start) as u64, ..Mark::default() })
    }

    pub(super) fn fault(&self, severity: Severity, line: u32, problem: RowProblem) -> Fault {
        Fault {
            severity,
            file: self.path.to_owned(),
            line,
            column: problem.column,
            text: problem.text,
            problem: problem.problem,
            remedy: problem.remedy,
        }
    }

    fn refused(&self, line: u32, fault: HeaderFault) -> Unread {
        let HeaderFault { text, problem, remedy } = fault;
        Unread::Refused(self.fault(
            Severity::Error,
            line,
            RowProblem { column: 0, text, problem, remedy },
        ))
    }

    /// The header of a CSV file, and the mark behind it. `None`: not even a header is there.
    pub(super) fn header(
        &self,
        file: &File,
        limit: u64,
        end: End,
    ) -> Result<Option<(Columns, Mark, Option<Fault>)>, Unread> {
        const LONGEST_HEADER: u64 = 64 * 1024;
        let mut start = Vec::new();
        read_at(file, 0, limit.min(LONGEST_HEADER) as usize, &mut start)?;
        let skipped = byte_order_mark(&start);
        let bytes = &start[skipped..];
        if bytes.is_empty() {
            return Ok(None);
        }
        let Some(len) = record_len(bytes, Framing::QuotedLines, End::Open) else {
            // A header without a line end: with nothing behind it, it says nothing yet.
            return match end {
                End::Open => Err(Unread::Unfinished),
                End::Final => {
                    let text = String::from_utf8_lossy(bytes);
                    Columns::parse(&text).map_err(|fault| self.refused(1, fault))?;
                    Ok(None)
                }
            };
        };
        let text = String::from_utf8_lossy(&bytes[..len]);
        let header = Columns::parse(&text).map_err(|fault| self.refused(1, fault))?;
        let lines = memchr::memchr_iter(b'\n', &bytes[..len]).count() as u32;
        let mark = Mark { offset: (skipped + len) as u64, lines, ..Mark::default() };
        Ok(Some((header.layout, mark, self.unknown_names(header.unknown))))
    }

    fn unknown_names(&self, names: impl IntoIterator<Item = String>) -> Option<Fault> {
        let names: Vec<String> = names.into_iter().collect();
        (!names.is_empty()).then(|| {
            Fault::of_file(
                Severity::Warning,
                self.path,
                format!("unknown fields, not read: {}", names.join(", ")),
                "see filings.schema.json for the names of the fields",
            )
        })
    }

    /// An empty file, or one with a header only.
    fn nothing(&self, file: &File, limit: u64) -> Result<Reading, Unread> {
        let mut buffer = Vec::new();
        read_at(file, 0, limit as usize, &mut buffer)?;
        let blocks = buffer.chunks(BLOCK).map(fingerprint).collect();
        let mark =
            Mark { size: buffer.len() as u64, offset: buffer.len() as u64, lines: 0, blocks };
        Ok(Reading { mark, ..Reading::default() })
    }

    fn reply(&self, file: &File, limit: u64, end: End) -> Result<Reading, Unread> {
        if limit > LONGEST_REPLY {
            return Err(self.refused(
                0,
                HeaderFault {
                    text: String::new(),
                    problem: format!("the file is longer than {LONGEST_REPLY} bytes"),
                    remedy: "save each reply of the ministry's query in a file of its own".into(),
                },
            ));
        }
        let mut bytes = Vec::new();
        read_at(file, 0, limit as usize, &mut bytes)?;
        let text = match std::str::from_utf8(&bytes[byte_order_mark(&bytes)..]) {
            Ok(text) => text,
            Err(_) => {
                return Err(self.refused(
                    0,
                    HeaderFault {
                        text: String::new(),
                        problem: "the file is not UTF-8".into(),
                        remedy: "save the file as UTF-8".into(),
                    },
                ));
            }
        };
        let mut portion = Portion::default();
        if !text.trim().is_empty() {
            each_queried_row(text, &mut |row| self.take(row, None, &mut portion)).map_err(
                |(finished, fault)| match (finished, end) {
                    (Finished::No, End::Open) => Unread::Unfinished,
                    _ => self.refused(0, fault),
                },
            )?;
        }
        self.finish(&mut portion);
        let blocks = bytes.chunks(BLOCK).map(fingerprint).collect();
        let size = bytes.len() as u64;
        let mark = Mark { size, offset: size, lines: 0, blocks };
        Ok(self.gather(vec![portion], mark, None))
    }

    fn lines(
        &self,
        file: &File,
        from: &Mark,
        layout: Layout,
        limit: u64,
        end: End,
    ) -> Result<Reading, Unread> {
        let cutter = Mutex::new(Cutter::new(file, from, &layout, limit, end));
        let verbatim = Verbatim::of(&layout, self.store.text_seed());
        let mut progress = Progress::new("bytes of filings", Some(limit));
        let (mut portions, mut failed) = (Vec::new(), None);
        // Cutting is quick: who has cut a portion reads it, while the next one cuts.
        let cut_and_read = |(): &mut (), (): (), jobs: &Jobs<()>| -> io::Result<_> {
            let cut = {
                let mut cutter = cutter.lock().unwrap_or_else(PoisonError::into_inner);
                let cut = cutter.next()?;
                if cut.is_some() && !cutter.finished {
                    jobs.add(());
                }
                cut
            };
            Ok(cut.map(|cut| (cut.bytes.len() as u64, self.portion(&layout, &verbatim, &cut))))
        };
        parallel::until_done(
            vec![()],
            Waits::Never,
            || (),
            cut_and_read,
            |read, _| match read {
                Ok(None) => {}
                Ok(Some((bytes, portion))) => {
                    progress.add(bytes);
                    portions.push(portion);
                }
                Err(error) => failed = Some(error),
            },
        );
        if let Some(error) = failed {
            return Err(error.into());
        }
        let cutter = cutter.into_inner().unwrap_or_else(PoisonError::into_inner);
        if cutter.carry.len() > LONGEST_LINE {
            return Err(self.refused(
                cutter.line,
                HeaderFault {
                    text: String::new(),
                    problem: format!("a line is longer than {LONGEST_LINE} bytes"),
                    remedy: "end each record with a line end".into(),
                },
            ));
        }
        if from.size > 0 {
            // Unknown keys were told when the file was first read.
            portions.iter_mut().for_each(|portion| portion.unknown.clear());
        }
        Ok(self.gather(portions, cutter.mark(), Some(layout)))
    }

    fn gather(&self, portions: Vec<Portion>, mark: Mark, layout: Option<Layout>) -> Reading {
        let mut reading = Reading { mark, layout, ..Reading::default() };
        let (mut unknown, mut untold) = (BTreeSet::new(), 0);
        for portion in portions {
            reading.delta.kept.push(portion.kept);
            reading.delta.reworded.push(portion.reworded);
            reading.delta.changed.push(portion.changed);
            reading.delta.puts.push(portion.puts);
            reading.count.rows += portion.count.rows;
            reading.count.bad += portion.count.bad;
            reading.faults.extend(portion.faults);
            untold += portion.untold;
            unknown.extend(portion.unknown);
        }
        reading.faults.sort_by_key(|fault| (fault.line, fault.column));
        untold += reading.faults.len().saturating_sub(FAULTS_TOLD);
        reading.faults.truncate(FAULTS_TOLD);
        if untold > 0 {
            reading.faults.push(Fault::of_file(
                Severity::Warning,
                self.path,
                format!("{untold} more faults in this file"),
                "mend those above first",
            ));
        }
        reading.faults.splice(0..0, self.unknown_names(unknown));
        reading
    }
}

pub(super) fn byte_order_mark(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 }
}
