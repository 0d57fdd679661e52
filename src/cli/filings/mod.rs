//! `beiand filings`: what a folder of filing files says, before or without the server.
//!
//! | file | verb |
//! | --- | --- |
//! | `mod` | `validate`, `convert`, `stats` |
//! | `diff` | `diff` |

mod diff;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;

use super::check::{Report, show_report};
use super::show::{Format, Show, count};
use super::{Exit, Failure, Output, parse_instant, settings};
use crate::config::Config;
use crate::fault::Fault;
use crate::feed::{
    self, ConvertError, Feed, FeedChange, FileFormat, Moment, SiteKey, StoredRecord,
};
use crate::filing::decide::{FilingPolicy, Target, decide};
use crate::filing::{Facts, Instant, ProviderIs, Verdict};

/// What can be done with filing files.
#[derive(Debug, Subcommand)]
pub enum FilingsVerb {
    /// Read filing files as the server does, and report every fault
    Validate {
        /// Files and folders [default: the folder of the configuration]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
    /// Write a filing file in another format, to standard output
    Convert {
        /// The file; its name says what it is: .csv, .ndjson, or .json for a reply of MIIT's query
        file: PathBuf,
        /// The format to write
        #[arg(long, value_enum)]
        to: To,
        /// Write into this file, once all of it is there
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Say which domains open and which close, and why, when NEW takes the place of OLD
    ///
    /// Exits with 1 where a domain closes, or a file has errors.
    Diff(diff::DiffArguments),
    /// Count records and domains, by what they say
    Stats {
        /// Files and folders [default: the folder of the configuration]
        paths: Vec<PathBuf>,
        /// Decide as of this instant (RFC 3339 with offset), instead of now
        #[arg(long, value_name = "TIME", value_parser = parse_instant)]
        at: Option<Instant>,
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
}

/// A format to write.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum To {
    /// Comma-separated, with a header
    Csv,
    /// One JSON object a line
    Ndjson,
    /// What the ministry's public query returns
    Miit,
}

impl FilingsVerb {
    /// How the result is shown.
    pub fn is_json(&self) -> bool {
        match self {
            FilingsVerb::Validate { output, .. } | FilingsVerb::Stats { output, .. } => output.json,
            FilingsVerb::Diff(arguments) => arguments.output.json,
            FilingsVerb::Convert { .. } => false,
        }
    }
}

/// `beiand filings …`.
pub fn run(
    config: &Config,
    verb: &FilingsVerb,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    match verb {
        FilingsVerb::Validate { paths, .. } => validate(config, paths, show, out),
        FilingsVerb::Convert { file, to, output } => {
            convert(file, *to, output.as_deref(), show, out)
        }
        FilingsVerb::Diff(arguments) => diff::run(config, arguments, show, out),
        FilingsVerb::Stats { paths, at, .. } => stats(config, paths, at_or_now(*at), show, out),
    }
}

fn at_or_now(at: Option<Instant>) -> Instant {
    at.unwrap_or_else(|| Instant(Timestamp::now().as_second()))
}

/// The files and folders named, or the folder of the configuration.
fn open(config: &Config, paths: &[PathBuf]) -> (Feed, FeedChange) {
    match paths {
        [] => Feed::open(settings::feed(config), Moment::now()),
        _ => Feed::of_paths(settings::feed(config), paths, Moment::now()),
    }
}

fn validate(
    config: &Config,
    paths: &[PathBuf],
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let (_, change) = open(config, paths);
    let mut report = Report::default();
    let (files, records) = (change.stats.files as u64, change.stats.records as u64);
    report.add(&[("filing file", files), ("filing record", records)], change.faults);
    show_report(&report, show, out).map_err(Failure::io("writing the result"))?;
    Ok(if report.ok { Exit::Fine } else { Exit::No })
}

fn convert(
    file: &Path,
    to: To,
    output: Option<&Path>,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let format = match to {
        To::Csv => FileFormat::Csv,
        To::Ndjson => FileFormat::Ndjson,
        To::Miit => FileFormat::MiitQuery,
    };
    let writing = |error: io::Error| Failure::io("writing the records")(error);
    let converted = match output {
        None => feed::convert(file, format, out),
        Some(output) => {
            // Whoever watches the folder sees the whole file or none.
            let aside = aside(output);
            let written = File::create(&aside).map_err(ConvertError::Write).and_then(|created| {
                let mut created = BufWriter::new(created);
                let converted = feed::convert(file, format, &mut created)?;
                created.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
                std::fs::rename(&aside, output)?;
                Ok(converted)
            });
            if written.is_err() {
                let _ = std::fs::remove_file(&aside);
            }
            written
        }
    };
    let converted = match converted {
        Ok(converted) => converted,
        Err(ConvertError::Unreadable(fault)) => return tell(show, &[*fault]),
        Err(ConvertError::Write(error)) => return Err(writing(error)),
    };
    match converted.faults.as_slice() {
        [] => Ok(Exit::Fine),
        faults => tell(show, faults),
    }
}

/// Faults on standard error, since the records go to standard output.
fn tell(show: &Show, faults: &[Fault]) -> Result<Exit, Failure> {
    show.faults(&mut io::stderr().lock(), faults).map_err(Failure::io("writing the faults"))?;
    Ok(Exit::No)
}

/// A hidden name beside a file, under which it is written.
fn aside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.new"))
}

/// What `stats` counts.
#[derive(Debug, Default, Serialize)]
struct Stats {
    files: usize,
    bad_lines: u64,
    records: usize,
    domains: usize,
    /// Site domains by verdict, for addresses of this provider.
    by_verdict: BTreeMap<&'static str, usize>,
    /// Records by the standing of their filing.
    by_status: BTreeMap<&'static str, usize>,
    /// Records by what is filed.
    by_kind: BTreeMap<&'static str, usize>,
    /// Records by whose they are.
    by_provider: BTreeMap<&'static str, usize>,
    /// Records with an application, by its kind and how far it is.
    by_application: BTreeMap<String, usize>,
}

fn stats(
    config: &Config,
    paths: &[PathBuf],
    at: Instant,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let (feed, change) = open(config, paths);
    let policy = config.gate.filing_policy();
    let mut stats = Stats {
        files: change.stats.files,
        bad_lines: change.stats.bad_lines,
        records: change.stats.records,
        ..Stats::default()
    };
    for site in feed.store().sites() {
        let records: Vec<StoredRecord<'_>> = feed.store().records_of(site).collect();
        stats.domains += 1;
        *stats.by_verdict.entry(verdict(&records, at, &policy).code()).or_default() += 1;
        for record in records {
            stats.add(&record.facts);
        }
    }
    match show.format {
        Format::Json => show.json(out, &stats),
        Format::Human => stats.write(out),
    }
    .map_err(Failure::io("writing the result"))?;
    Ok(Exit::Fine)
}

/// The verdict for the site domain itself, at this provider's addresses.
fn verdict(records: &[StoredRecord<'_>], at: Instant, policy: &FilingPolicy) -> Verdict {
    let own = records.iter().filter(|record| record.covers.is_none());
    let facts: Vec<Facts> = own.map(|record| record.facts).collect();
    decide(&facts, at, Target::Own, policy).verdict
}

impl Stats {
    fn add(&mut self, facts: &Facts) {
        *self.by_status.entry(facts.standing.word()).or_default() += 1;
        *self.by_kind.entry(facts.kind.word()).or_default() += 1;
        let provider = match facts.provider {
            ProviderIs::Ours => "ours",
            ProviderIs::Other => "others",
            ProviderIs::Unknown => "unknown",
        };
        *self.by_provider.entry(provider).or_default() += 1;
        if let Some(application) = facts.application {
            let told = format!("{} {}", application.kind.word(), application.status.word());
            *self.by_application.entry(told).or_default() += 1;
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let figures = [
            count(self.files as u64, "filing file"),
            count(self.bad_lines, "bad line"),
            count(self.records as u64, "record"),
            count(self.domains as u64, "site domain"),
        ];
        writeln!(out, "{}", figures.join(", "))?;
        write_counts(out, "site domains", self.by_verdict.iter())?;
        write_counts(out, "status", self.by_status.iter())?;
        write_counts(out, "kind", self.by_kind.iter())?;
        write_counts(out, "provider", self.by_provider.iter())?;
        write_counts(out, "application", self.by_application.iter())
    }
}

fn write_counts<'a, K: AsRef<str> + 'a>(
    out: &mut dyn Write,
    label: &str,
    counts: impl Iterator<Item = (&'a K, &'a usize)>,
) -> io::Result<()> {
    for (index, (of, number)) in counts.enumerate() {
        let label = if index == 0 { label } else { "" };
        writeln!(out, "{label:14}{number:>10}  {}", of.as_ref())?;
    }
    Ok(())
}

/// The file and line that a verdict is read from, for people.
fn place_of(feed: &Feed, site: SiteKey, index: usize) -> Option<String> {
    let record = feed.store().records_of(site).nth(index)?;
    Some(format!("{}:{}", feed.path_of(record.place.file).display(), record.place.line))
}
