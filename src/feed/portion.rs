//! One portion of a file, by one thread: which of its rows say what they said, what the others say, and
//! how that differs from what the store has of the file.
//!
//! Owns the search for the record that a row is of. What a portion found is put together in `read`.

use std::collections::BTreeSet;

use arrayvec::ArrayVec;

use super::cut::Cut;
use super::miit::name_in_reply;
use super::packed::{Marks, PackedFacts, application_at};
use super::read::{Count, FAULTS_TOLD, Reader};
use super::rows::{Layout, Row, RowProblem, RowReader, RowText, row_texts};
use super::store::{Candidate, Changed, CoveredName, Likely, Put, Rare, Same, SiteKey, TOGETHER};
use super::verbatim::{Run, TextMark, Verbatim};
use crate::fault::{Fault, Severity};
use crate::filing::Role;
use crate::filing::record::{FieldFault, FilingRecord};
use crate::filing::site_domain::SiteDomain;

/// Rows that are looked for together where a [`Run`] has ended: it may go on behind one that is new.
const FEWEST_TOGETHER: usize = 2;

/// What one thread made of one portion.
#[derive(Debug, Default)]
pub(super) struct Portion {
    /// Read, but not yet compared with the store; and the slot of the record that it is probably of.
    unmeasured: Vec<(Option<u32>, Candidate)>,
    pub(super) kept: Vec<(u32, u32)>,
    pub(super) reworded: Vec<(u32, Option<TextMark>)>,
    pub(super) changed: Vec<Changed>,
    pub(super) puts: Vec<Put>,
    pub(super) count: Count,
    pub(super) faults: Vec<Fault>,
    pub(super) untold: usize,
    pub(super) unknown: BTreeSet<String>,
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

/// What a record was read from.
#[derive(Clone, Copy)]
pub(super) struct Source<'l> {
    layout: &'l Layout,
    mark: TextMark,
    /// The slot of the record that the row is probably of.
    likely: Option<u32>,
}

impl Reader<'_> {
    /// Reads a portion.
    pub(super) fn portion(&self, layout: &Layout, verbatim: &Verbatim<'_>, cut: &Cut) -> Portion {
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
    pub(super) fn take(&self, row: Row<'_>, source: Option<Source<'_>>, portion: &mut Portion) {
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
    pub(super) fn finish(&self, portion: &mut Portion) {
        self.measure(portion);
        portion.unmeasured = Vec::new();
        portion.kept.sort_unstable();
        portion.kept.shrink_to_fit();
        portion.reworded.shrink_to_fit();
        portion.changed.shrink_to_fit();
        portion.puts.shrink_to_fit();
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
