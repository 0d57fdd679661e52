//! `beiand zones`: zone files checked and shown, before or without the server; and what the running
//! server says of a zone.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::check::{Report, read_zones, show_report};
use super::show::{Format, Show};
use super::{Exit, Failure, Output, operate, parse_name, settings};
use crate::answer::cookie::CookieSecret;
use crate::config::Config;
use crate::fault::{Fault, Severity};
use crate::master::{self, Records, rdata_to_text, record_to_text};
use crate::reload::protocol::Request;
use crate::reload::read_zones::{Loaded, read_zones as read_files};
use crate::reload::{Scope, ZoneFile, ZoneFiles};
use crate::wire::{HashKey, Name, name};

/// What can be done with zone files.
#[derive(Debug, Subcommand)]
pub enum ZonesVerb {
    /// Read zone files as the server does, and report every fault
    Check {
        /// Files, each named <origin>.zone [default: all of the configuration's folder]
        files: Vec<PathBuf>,
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
    /// Show the records of the zone that a name is in, from its file
    Show {
        /// A zone, or a name in it: then only what is at and below the name
        #[arg(value_parser = parse_name)]
        name: Name,
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
    /// Ask the running server whether a zone is served: serial number, file, verdict, last refusal
    Status {
        /// The zone's origin, in Unicode or A-labels
        #[arg(value_parser = parse_name)]
        name: Name,
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
}

impl ZonesVerb {
    /// How the result is shown.
    pub fn is_json(&self) -> bool {
        match self {
            ZonesVerb::Check { output, .. }
            | ZonesVerb::Show { output, .. }
            | ZonesVerb::Status { output, .. } => output.json,
        }
    }
}

/// `beiand zones …`.
pub fn run(
    config: &Config,
    verb: &ZonesVerb,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    match verb {
        ZonesVerb::Check { files, .. } => check(config, files, show, out),
        ZonesVerb::Status { name, .. } => {
            operate::run(config, &Request::ZoneStatus { name: name.to_string() }, show, out)
        }
        ZonesVerb::Show { name, .. } => show_zone(config, &name.to_lowercase(), show, out),
    }
}

fn check(
    config: &Config,
    files: &[PathBuf],
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let settings = settings::rebuild(config, CookieSecret::default()).map_err(Failure::Config)?;
    let mut report = Report::default();
    if files.is_empty() {
        read_zones(&settings, &mut report);
    }
    for path in files {
        let faults = match ZoneFile::at(path) {
            Err(problem) => {
                let remedy = "name the file after its zone, as in example.com.zone";
                vec![Fault::of_file(Severity::Error, path, problem, remedy)]
            }
            Ok(file) => {
                let root = root_of(path, &settings.zones);
                let key = HashKey::random();
                let mut faults = Vec::new();
                read_files(&[file], &root, key, &settings.classifier(), |_, loaded| {
                    faults.extend(faults_of(loaded, path));
                });
                faults
            }
        };
        report.add(&[], faults);
    }
    if !files.is_empty() {
        report.add(&[("zone", files.len() as u64)], Vec::new());
    }
    show_report(&report, show, out).map_err(Failure::io("writing the result"))?;
    Ok(if report.ok { Exit::Fine } else { Exit::No })
}

fn faults_of(loaded: Loaded, path: &Path) -> Vec<Fault> {
    match loaded {
        Loaded::Zone { faults, .. } | Loaded::Refused { faults, .. } => faults,
        Loaded::Gone => vec![Fault::of_file(Severity::Error, path, "there is no such file", "")],
    }
}

/// The folder that the file's includes must lie in: the zones folder for a file of it.
fn root_of(path: &Path, zones: &Path) -> PathBuf {
    let beside = path.parent().unwrap_or(Path::new("")).to_owned();
    let is_inside = match (path.canonicalize(), zones.canonicalize()) {
        (Ok(path), Ok(zones)) => path.starts_with(zones),
        _ => false,
    };
    if is_inside { zones.to_owned() } else { beside }
}

/// A zone as it stands in its file.
#[derive(Debug, Serialize)]
struct ZoneShown {
    apex: String,
    file: PathBuf,
    records: Vec<RecordShown>,
    faults: Vec<Fault>,
}

#[derive(Debug, Serialize)]
struct RecordShown {
    owner: String,
    ttl: u32,
    #[serde(rename = "type")]
    rtype: String,
    rdata: String,
    line: u32,
    #[serde(skip)]
    text: String,
}

fn show_zone(
    config: &Config,
    asked: &Name,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let mut files = ZoneFiles::new(&config.zones.path, config.filings.settle);
    files.scan(&Scope::All, &[]);
    let mut origins = std::iter::successors(Some(asked.clone()), Name::parent);
    let Some(file) = origins.find_map(|origin| files.file(&origin)) else {
        let folder = config.zones.path.display();
        let problem = format!("no zone file in {folder} is for {asked} or a name above it");
        return Err(Failure::Other(problem));
    };
    let mut records = Records::default();
    let path = file.path();
    let faults = master::read_zone(&path, &config.zones.path, &file.origin, &mut records);
    let is_refused = faults.is_err();
    let shown = ZoneShown {
        apex: file.origin.to_string(),
        records: records
            .iter()
            .filter(|record| name::suffix_matches(record.owner, asked.as_wire()))
            .map(|record| RecordShown {
                owner: name::to_text(record.owner),
                ttl: record.ttl,
                rtype: record.rtype.to_string(),
                rdata: rdata_to_text(record.rtype, record.rdata),
                line: record.line,
                text: record_to_text(record),
            })
            .collect(),
        file: path,
        faults: faults.unwrap_or_else(|faults| faults),
    };
    match show.format {
        Format::Json => show.json(out, &shown),
        Format::Human => write(&shown, show, out),
    }
    .map_err(Failure::io("writing the result"))?;
    Ok(if is_refused || shown.records.is_empty() { Exit::No } else { Exit::Fine })
}

/// Master file text, so that it can be used as one.
fn write(shown: &ZoneShown, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "; {} from {}", shown.apex, shown.file.display())?;
    for fault in &shown.faults {
        write!(out, "; ")?;
        show.faults(out, std::slice::from_ref(fault))?;
    }
    shown.records.iter().try_for_each(|record| writeln!(out, "{}", record.text))
}
