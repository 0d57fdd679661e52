//! `beiand filings diff OLD NEW`: which domains open and which close when one set of filing files
//! takes the place of another; a dry run before an import.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{at_or_now, place_of};
use crate::cli::show::{ERROR, Format, GOOD, Show, WARNING, count};
use crate::cli::{Exit, Failure, Output, parse_instant, settings};
use crate::config::Config;
use crate::fault::Fault;
use crate::feed::{Feed, Moment, SiteKey};
use crate::filing::decide::{FilingPolicy, Target, decide};
use crate::filing::{Facts, Instant, Verdict};
use crate::reload::{Scope, ZoneFiles};
use crate::wire::Name;

/// Of `beiand filings diff`.
#[derive(Debug, Args)]
pub struct DiffArguments {
    /// The files in force: a file or a folder
    pub old: PathBuf,
    /// Those that are to come: a file or a folder
    pub new: PathBuf,
    /// Only domains whose zone is hosted here
    #[arg(long)]
    pub hosted: bool,
    /// Decide as of this instant (RFC 3339 with offset), instead of now
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    pub at: Option<Instant>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: Output,
}

/// What the new files do to the domains.
#[derive(Debug, Default, Serialize)]
struct Difference {
    opens: usize,
    closes: usize,
    reasons_change: usize,
    /// Domains with the same verdict before and after.
    same: usize,
    /// In the order of names.
    domains: Vec<Change>,
    /// Of the new files.
    faults: Vec<Fault>,
}

/// A domain, or a name below it with records of its own, whose verdict becomes another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Change {
    domain: String,
    effect: Effect,
    before: &'static str,
    after: &'static str,
    /// File and line of the record that the new verdict shows; of the old one where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Effect {
    Opens,
    Closes,
    ReasonChanges,
}

/// `beiand filings diff`.
pub fn run(
    config: &Config,
    arguments: &DiffArguments,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let open =
        |path: &Path| Feed::of_paths(settings::feed(config), &[path.to_owned()], Moment::now());
    let (old, _) = open(&arguments.old);
    let (new, change) = open(&arguments.new);
    let policy = config.gate.filing_policy();
    let hosted = arguments.hosted.then(|| {
        let mut files = ZoneFiles::new(&config.zones.path, config.filings.settle);
        files.scan(&Scope::All, &[]);
        files
    });
    let mut difference = compare(&old, &new, at_or_now(arguments.at), &policy, hosted.as_ref());
    difference.faults = change.faults;
    match show.format {
        Format::Json => show.json(out, &difference),
        Format::Human => write(&difference, show, out),
    }
    .map_err(Failure::io("writing the result"))?;
    let is_refused = difference.faults.iter().any(Fault::is_error);
    Ok(if difference.closes > 0 || is_refused { Exit::No } else { Exit::Fine })
}

/// The verdict of a name, and the record that it shows.
fn verdict(
    feed: &Feed,
    site: SiteKey,
    name: Option<&str>,
    at: Instant,
    policy: &FilingPolicy,
) -> (Verdict, Option<usize>) {
    let records = feed.store().records_of(site).enumerate();
    let covering = records.filter(|(_, record)| match name {
        None => record.covers.is_none(),
        Some(name) => record.covers_name(name),
    });
    let (places, facts): (Vec<usize>, Vec<Facts>) =
        covering.map(|(place, record)| (place, record.facts)).unzip();
    let decision = decide(&facts, at, Target::Own, policy);
    (decision.verdict, decision.shown.map(|shown| places[shown]))
}

fn compare(
    old: &Feed,
    new: &Feed,
    at: Instant,
    policy: &FilingPolicy,
    hosted: Option<&ZoneFiles>,
) -> Difference {
    let mut difference = Difference::default();
    let sites: BTreeSet<SiteKey> =
        [old, new].iter().flat_map(|feed| feed.store().sites()).collect();
    // Names are read from the files, and so only of the domains that are told.
    let mut changes = Vec::new();
    for site in sites {
        let records = old.store().records_of(site).chain(new.store().records_of(site));
        let names: BTreeSet<Option<String>> =
            records.map(|record| record.covers.map(str::to_owned)).chain([None]).collect();
        for name in names {
            let (before, old_record) = verdict(old, site, name.as_deref(), at, policy);
            let (after, new_record) = verdict(new, site, name.as_deref(), at, policy);
            let effect = match (before.is_open(), after.is_open()) {
                _ if before == after => {
                    difference.same += 1;
                    continue;
                }
                (false, true) => Effect::Opens,
                (true, false) => Effect::Closes,
                _ => Effect::ReasonChanges,
            };
            let record = new_record
                .and_then(|index| place_of(new, site, index))
                .or_else(|| place_of(old, site, old_record?));
            let domain = name.unwrap_or_default();
            let (before, after) = (before.code(), after.code());
            changes.push((site, Change { domain, effect, before, after, record }));
        }
    }
    let told: HashSet<SiteKey> = changes.iter().map(|(site, _)| *site).collect();
    let mut names = old.names_of(&told);
    names.extend(new.names_of(&told));
    for (site, mut change) in changes {
        if change.domain.is_empty() {
            change.domain = names.get(&site).cloned().unwrap_or_default();
        }
        if hosted.is_some_and(|files| !is_hosted(files, &change.domain)) {
            continue;
        }
        match change.effect {
            Effect::Opens => difference.opens += 1,
            Effect::Closes => difference.closes += 1,
            Effect::ReasonChanges => difference.reasons_change += 1,
        }
        difference.domains.push(change);
    }
    difference.domains.sort();
    difference
}

/// Whether a zone of the domain, or one above it, has a file.
fn is_hosted(files: &ZoneFiles, domain: &str) -> bool {
    let name = domain.parse::<Name>().ok();
    std::iter::successors(name, Name::parent).any(|origin| files.file(&origin).is_some())
}

fn write(difference: &Difference, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    show.faults(out, &difference.faults)?;
    let widest = difference.domains.iter().map(|change| change.domain.chars().count()).max();
    let widest = widest.unwrap_or(0).min(40);
    for change in &difference.domains {
        let (word, style) = match change.effect {
            Effect::Opens => ("opens ", GOOD),
            Effect::Closes => ("closes", ERROR),
            Effect::ReasonChanges => ("reason", WARNING),
        };
        let Change { domain, before, after, record, .. } = change;
        let word = show.colour.paint(style, word);
        let record = record.as_deref().unwrap_or_default();
        let line = format!("{word}  {domain:widest$}  {before} -> {after}  {record}");
        writeln!(out, "{}", line.trim_end())?;
    }
    let Difference { opens, closes, reasons_change, same, .. } = *difference;
    let domains = |number: usize, does: [&str; 2]| {
        let does = does[usize::from(number != 1)];
        format!("{} {does}", count(number as u64, "domain"))
    };
    let told = [
        domains(opens, ["opens", "open"]),
        domains(closes, ["closes", "close"]),
        domains(reasons_change, ["changes its reason", "change their reason"]),
        domains(same, ["stays as it is", "stay as they are"]),
    ];
    writeln!(out, "{}", told.join(", "))
}
