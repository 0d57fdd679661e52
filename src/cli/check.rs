//! `beiand check`: reads everything that the server would read, and reports every fault.

use std::io::Write;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::show::{Format, Show, count};
use super::{Exit, Failure, settings};
use crate::answer::cookie::CookieSecret;
use crate::config::Config;
use crate::fault::Fault;
use crate::feed::{Feed, FeedSettings, Moment};
use crate::notice::Look;
use crate::reload::read_zones::{Loaded, read_zones as read_files};
use crate::reload::rebuild;
use crate::reload::{Scope, ZoneFiles};
use crate::serve::check_certificate;
use crate::wire::HashKey;

/// What was read, and what is wrong with it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// True without any fault.
    pub ok: bool,
    /// Faults whose input was refused.
    pub errors: usize,
    /// Faults whose input was taken in all the same.
    pub warnings: usize,
    /// What was read, such as 12 of "zone"; singular nouns. In JSON an object: `{"zone": 12}`.
    #[serde(serialize_with = "as_object")]
    pub read: Vec<(&'static str, u64)>,
    /// Every fault, file by file.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Takes in what one room read and found.
    pub fn add(&mut self, read: &[(&'static str, u64)], faults: Vec<Fault>) {
        self.read.extend_from_slice(read);
        self.errors += faults.iter().filter(|fault| fault.is_error()).count();
        self.warnings += faults.iter().filter(|fault| !fault.is_error()).count();
        self.faults.extend(faults);
        self.ok = self.faults.is_empty();
    }
}

/// `beiand check`, with the configuration as it was read.
pub fn run(
    config: Result<Config, Vec<Fault>>,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let report = match config {
        Ok(config) => read_everything(&config),
        Err(faults) => {
            let mut report = Report::default();
            report.add(&[("configuration", 1)], faults);
            report
        }
    };
    show_report(&report, show, out).map_err(Failure::io("writing the result"))?;
    Ok(if report.ok { Exit::Fine } else { Exit::No })
}

/// Reads zones, filing files and regions as the server does.
fn read_everything(config: &Config) -> Report {
    let mut report = Report::default();
    report.add(&[("configuration", 1)], Vec::new());
    let settings = match settings::rebuild(config, CookieSecret::default()) {
        Ok(settings) => settings,
        Err(faults) => {
            report.add(&[], faults);
            return report;
        }
    };
    if let Some(files) = settings::certificate_files(config) {
        report.add(&[("certificate", 1)], check_certificate(&files));
    }
    let look = Look::load(&config.notice.page, &config.file);
    report.add(&[], look.err().unwrap_or_default());
    read_zones(&settings, &mut report);
    // What stands there now is judged: nobody waits for the writer of a last line without its end.
    let feed = FeedSettings { settle: Duration::ZERO, ..settings.feed };
    let (_, change) = Feed::open(feed, Moment::now());
    let (files, records) = (change.stats.files as u64, change.stats.records as u64);
    report.add(&[("filing file", files), ("filing record", records)], change.faults);
    report
}

/// Reads every zone of the configuration.
pub(super) fn read_zones(settings: &rebuild::Settings, report: &mut Report) {
    let mut files = ZoneFiles::new(&settings.zones, settings.settle);
    let scan = files.scan(&Scope::All, &[]);
    let mut faults = scan.faults;
    let classify = settings.classifier();
    let key = HashKey::random();
    let mut found_in_zones = Vec::new();
    read_files(&scan.changed, &settings.zones, key, &classify, |_, loaded| match loaded {
        Loaded::Zone { faults, .. } | Loaded::Refused { faults, .. } => {
            found_in_zones.extend(faults);
        }
        Loaded::Gone => {}
    });
    found_in_zones.sort_by(|a, b| a.file.cmp(&b.file));
    faults.extend(found_in_zones);
    report.add(&[("zone", scan.changed.len() as u64)], faults);
}

fn as_object<S: Serializer>(read: &[(&'static str, u64)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(read.iter().copied())
}

/// Every fault, and a summary.
pub(super) fn show_report(
    report: &Report,
    show: &Show,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    if show.format == Format::Json {
        return show.json(out, report);
    }
    show.faults(out, &report.faults)?;
    let read: Vec<String> = report.read.iter().map(|(of, number)| count(*number, of)).collect();
    writeln!(out, "{}: {}", read.join(", "), show.tally(&report.faults))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::show::Colour;
    use crate::fault::Severity;

    fn shown(report: &Report, format: Format) -> String {
        let mut out = Vec::new();
        show_report(report, &Show { format, colour: Colour::Never }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_report_adds_up_what_the_rooms_found() {
        let mut report = Report::default();
        report.add(&[("zone", 1_200)], Vec::new());
        assert!(report.ok);
        let warning = Fault::of_file(Severity::Warning, "a.zone", "one NS only", "add one");
        report.add(&[("filing file", 1), ("record", 3)], vec![warning]);
        assert!(!report.ok);
        assert_eq!(
            shown(&report, Format::Human),
            "a.zone: warning: one NS only; add one\n\
             1,200 zones, 1 filing file, 3 records: 1 warning\n"
        );
        let json: serde_json::Value = serde_json::from_str(&shown(&report, Format::Json)).unwrap();
        assert_eq!((&json["read"]["zone"], &json["warnings"]), (&1_200.into(), &1.into()));
        assert_eq!(json["faults"][0]["severity"], "warning");
    }
}
