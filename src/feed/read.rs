//! One file, or what was appended to it, read into a [`Delta`] against the store.
//!
//! Owns the faults and the count of bad lines. It changes nothing: whether the result is taken in is
//! for `refresh` to decide.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use super::csv::Columns;
use super::cut::{Cut, Cutter, LONGEST_LINE};
use super::files::{self, not_ours};
use super::mark::{BLOCK, Mark, read_at};
use super::miit::{Finished, name_in_reply};
use super::packed::{Marks, PackedFacts, application_at};
use super::rows::{
    Format, HeaderFault, Layout, Row, RowProblem, RowReader, RowText, each_queried_row, each_row,
    row_texts,
};
use super::split::{End, Framing, record_len};
use super::store::{
    Candidate, Changed, CoveredName, Delta, FileId, FilingStore, Likely, Put, Rare, Same, SiteKey,
    TOGETHER,
};
use super::verbatim::{Run, TextMark, Verbatim};
use crate::fault::{Fault, Severity};
use crate::filing::record::{Field, FieldFault, Fields, FilingRecord};
use crate::filing::site_domain::SiteDomain;
use crate::filing::{Instant, Role};
use crate::parallel::{self, Jobs, Waits};
use crate::progress::Progress;
use crate::snapshot::fingerprint;

/// A JSON reply longer than this is refused: the ministry's pages are small.
pub(super) const LONGEST_REPLY: u64 = 256 << 20;

/// Faults told of one file; the others are counted.
const FAULTS_TOLD: usize = 1000;
/// Rows that are looked for together where a [`Run`] has ended: it may go on behind one that changed.
const FEWEST_TOGETHER: usize = 2;

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

    fn fault(&self, severity: Severity, line: u32, problem: RowProblem) -> Fault {
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

    fn portion(&self, layout: &Layout, verbatim: &Verbatim<'_>, cut: &Cut) -> Portion {
        let mut portion = Portion::default();
        let mut unknown = BTreeSet::new();
        let mut note = |name: &str| {
            if !unknown.contains(name) && unknown.len() < 32 {
                unknown.insert(name.to_owned());
            }
        };
        let mut reader = RowReader::of(layout);
        let is_reread = self.store.has_records_in(self.file);
        let rows = row_texts(layout, &cut.bytes, cut.first_line);
        let mut rows = rows.map(|row| (row, verbatim.mark(row.bytes))).peekable();
        let (mut run, mut together) = (Run::default(), FEWEST_TOGETHER);
        let mut take = |row: RowText<'_>, mark, likely: Option<Likely>| match likely {
            Some(Likely { slot, in_these_words: true }) => portion.keep(slot, row.line),
            _ => {
                let source = Source { layout, mark, likely: likely.map(|likely| likely.slot) };
                reader.read(row, &mut note, &mut |row| self.take(row, Some(source), &mut portion));
            }
        };
        loop {
            while let Some(slot) = run.next()
                && let Some(&(row, mark)) = rows.peek()
                && let Some(likely) =
                    self.store.row_at(slot, self.file, mark, || verbatim.perhaps_site(row.bytes))
            {
                rows.next();
                take(row, mark, Some(likely));
                run.note(Some(slot));
                together = FEWEST_TOGETHER;
            }
            let searched = rows.by_ref().take(together).map(|(row, mark)| {
                let site = is_reread.then(|| verbatim.perhaps_site(row.bytes)).flatten();
                if let Some(site) = site {
                    self.store.fetch_way_to(site);
                }
                (row, mark, site)
            });
            let batch: ArrayVec<_, TOGETHER> = searched.collect();
            if batch.is_empty() {
                break;
            }
            together = (2 * together).min(TOGETHER);
            self.store.fetch(batch.iter().filter_map(|&(_, _, site)| site));
            for (row, mark, site) in batch {
                let likely = site.and_then(|site| self.store.find_row(self.file, site, mark));
                run.note(likely.map(|likely| likely.slot));
                take(row, mark, likely);
            }
        }
        portion.unknown = unknown;
        self.finish(&mut portion);
        portion
    }

    /// Takes in what a row says. A reply's have no source.
    fn take(&self, row: Row<'_>, source: Option<Source<'_>>, portion: &mut Portion) {
        portion.count.rows += 1;
        match row {
            Row::Bad { line, problem } => {
                portion.count.bad += 1;
                portion.tell(|| self.fault(Severity::Error, line, problem));
            }
            Row::Record { line, fields, text, has_unknown } => {
                let faults_before = portion.count_faults();
                let (record, faults) = FilingRecord::from_fields(fields);
                let layout = source.map(|source| source.layout);
                for fault in faults {
                    portion.tell(|| self.field_fault(fault, line, layout.zip(text)));
                }
                match &record {
                    None => portion.count.bad += 1,
                    Some(record) => {
                        for fault in record.warnings_at(self.now) {
                            portion.tell(|| self.field_fault(fault, line, layout.zip(text)));
                        }
                        // What is to be told of a row is told each time that its file is read.
                        let is_faultless = portion.count_faults() == faults_before;
                        let mark = source.filter(|_| is_faultless && !has_unknown);
                        let mark = mark.map(|source| source.mark);
                        let likely = source.and_then(|source| source.likely);
                        let candidate = candidate(record, self.provider, line, mark);
                        portion.unmeasured.push((likely, candidate));
                        if portion.unmeasured.len() == TOGETHER {
                            self.measure(portion);
                        }
                    }
                }
            }
        }
    }

    fn field_fault(&self, fault: FieldFault, line: u32, row: Option<(&Layout, &str)>) -> Fault {
        let (line, column, problem) = match row {
            Some((layout, text)) => {
                let (line, column) = layout.position(text, fault.field, line);
                (line, column, fault.problem)
            }
            None => match name_in_reply(fault.field) {
                Some(name) => (line, 0, format!("{name}: {}", fault.problem)),
                None => (line, 0, fault.problem),
            },
        };
        let problem = RowProblem { column, text: fault.text, problem, remedy: fault.remedy };
        self.fault(fault.severity, line, problem)
    }

    /// Compares the records with what the store has of this file.
    fn measure(&self, portion: &mut Portion) {
        let searched = portion.unmeasured.iter().filter(|(likely, _)| likely.is_none());
        self.store.fetch(searched.map(|(_, candidate)| candidate.site));
        for (likely, candidate) in portion.unmeasured.drain(..) {
            match self.store.compare(self.file, likely, &candidate) {
                Some((slot, Same::Yes { in_these_words })) => {
                    portion.kept.push((slot, candidate.line));
                    if !in_these_words {
                        portion.reworded.push((slot, candidate.mark));
                    }
                }
                Some((slot, Same::No)) => match Changed::of(slot, &candidate) {
                    Some(changed) => portion.changed.push(changed),
                    None => portion.puts.push(Put { replaces: Some(slot), candidate }),
                },
                None => portion.puts.push(Put { replaces: None, candidate }),
            }
        }
    }

    /// Measures the last records of a portion.
    fn finish(&self, portion: &mut Portion) {
        self.measure(portion);
        portion.unmeasured = Vec::new();
        portion.kept.sort_unstable();
        portion.kept.shrink_to_fit();
        portion.reworded.shrink_to_fit();
        portion.changed.shrink_to_fit();
        portion.puts.shrink_to_fit();
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

/// The store's form of a record.
fn candidate(
    record: &FilingRecord<'_>,
    provider: &str,
    line: u32,
    mark: Option<TextMark>,
) -> Candidate {
    let provider = record.provider_is(provider);
    let facts = record.facts(provider, Role::Domain);
    let site = record.site_domain();
    let below = below(site, &record.domain);
    let new_domain = record.new_domain().and_then(|name| {
        let site = SiteDomain::of_text(name)?;
        let key = record.facts(provider, Role::NewDomain).key;
        Some(CoveredName { site: SiteKey(site.hash64()), below: self::below(site, name), key })
    });
    let has_rare = below.is_some() || new_domain.is_some();
    let cancels_subject = record.cancels_subject().is_some();
    Candidate {
        site: SiteKey(site.hash64()),
        key: facts.key,
        subject: facts.subject,
        packed: PackedFacts::pack(&facts, Marks { cancels_subject, has_rare }),
        application_at: application_at(&facts),
        line,
        mark,
        rare: has_rare.then(|| Box::new(Rare { below, new_domain })),
    }
}

/// The name, where it lies below its site domain.
fn below(site: SiteDomain<'_>, name: &str) -> Option<Box<str>> {
    (name.len() > site.as_str().len()).then(|| name.into())
}

pub(super) fn byte_order_mark(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 }
}

/// What a record was read from.
#[derive(Clone, Copy)]
struct Source<'l> {
    layout: &'l Layout,
    mark: TextMark,
    /// The slot of the record that the row is probably of.
    likely: Option<u32>,
}

/// What one thread made of one portion.
#[derive(Debug, Default)]
struct Portion {
    /// Read, but not yet compared with the store; and the slot of the record that it is probably of.
    unmeasured: Vec<(Option<u32>, Candidate)>,
    kept: Vec<(u32, u32)>,
    reworded: Vec<(u32, Option<TextMark>)>,
    changed: Vec<Changed>,
    puts: Vec<Put>,
    count: Count,
    faults: Vec<Fault>,
    untold: usize,
    unknown: BTreeSet<String>,
}

impl Portion {
    /// A row says what the record in that slot says.
    fn keep(&mut self, slot: u32, line: u32) {
        self.count.rows += 1;
        self.kept.push((slot, line));
    }

    fn tell(&mut self, fault: impl FnOnce() -> Fault) {
        if self.faults.len() < FAULTS_TOLD {
            self.faults.push(fault());
        } else {
            self.untold += 1;
        }
    }

    fn count_faults(&self) -> usize {
        self.faults.len() + self.untold
    }
}
