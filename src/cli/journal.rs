//! `beiand journal [NAME]`: from when to when domains were dark, and why, from the files of the
//! journal; no server need run.

use std::io::{self, Write};

use clap::Args;

use super::operate::in_words;
use super::show::{ERROR, Format, GOOD, PLACE, Show, WARNING, count};
use super::{Exit, Failure, Output, parse_instant, parse_name, settings};
use crate::config::Config;
use crate::filing::Instant;
use crate::journal::periods::{self, History, Period, Question, Shown};
use crate::wire::Name;

/// Of `beiand journal`.
#[derive(Clone, Debug, Args)]
pub struct JournalArguments {
    /// The domain, or a name in it, in Unicode or A-labels [default: every domain that was dark]
    #[arg(value_parser = parse_name)]
    pub name: Option<Name>,
    /// Only what lasted beyond this instant (RFC 3339 with offset)
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    pub since: Option<Instant>,
    /// Only what began before this instant (RFC 3339 with offset)
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    pub until: Option<Instant>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: Output,
}

/// `beiand journal`.
pub fn run(
    config: &Config,
    arguments: &JournalArguments,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let Some(settings) = settings::journal(config) else {
        let file = config.file.display();
        return Err(Failure::Other(format!(
            "no journal is kept: {file} names no folder for it; set path in [journal]"
        )));
    };
    let domain = arguments.name.as_ref().map(|name| {
        let text = name.to_lowercase().to_string();
        text.strip_suffix('.').filter(|text| !text.is_empty()).unwrap_or(".").to_owned()
    });
    let question = Question { domain, since: arguments.since, until: arguments.until };
    let folder = &settings.folder;
    let reading = format!("reading the journal in {}", folder.display());
    let history = periods::read(folder, &question).map_err(Failure::io(reading))?;
    match show.format {
        Format::Json => show.json(out, &history),
        Format::Human => write(&history, show, out),
    }
    .map_err(Failure::io("writing the result"))?;
    let is_empty = history.periods.is_empty() && history.gaps.is_empty();
    Ok(if is_empty { Exit::No } else { Exit::Fine })
}

fn write(history: &History, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    let mut told = None;
    for period in &history.periods {
        let of = (&period.domain, &period.zone);
        if told != Some(of) {
            let domain = show.colour.paint(PLACE, &period.domain);
            match &period.zone {
                None => writeln!(out, "{domain}")?,
                Some(zone) => writeln!(out, "{domain}, in the zone {zone}")?,
            }
            told = Some(of);
        }
        writeln!(out, "  {}", in_a_sentence(period, show))?;
    }
    for gap in &history.gaps {
        let text = format!(
            "gap: {} before {} could not be written; what stood then was found again",
            count(gap.lost, "change"),
            gap.at.in_both_zones()
        );
        writeln!(out, "{}", show.colour.paint(WARNING, &text))?;
    }
    if history.unreadable > 0 {
        let text = format!("{} could not be read", count(history.unreadable, "line"));
        writeln!(out, "{}", show.colour.paint(WARNING, &text))?;
    }
    if history.periods.is_empty() {
        writeln!(out, "nothing of that is in the journal")?;
    }
    Ok(())
}

/// `dark from … to …, 1 h 5 min, because cancelled (filings/10.csv:7)`
fn in_a_sentence(period: &Period, show: &Show) -> String {
    let (shown, style) = match period.shown {
        Shown::Open => ("open", GOOD),
        Shown::Dark => ("dark", ERROR),
        Shown::Observed => ("closed, but answered (observe mode),", WARNING),
    };
    let mut text = show.colour.paint(style, shown);
    let earlier = if period.began_earlier { "before " } else { "" };
    text.push_str(&format!(" from {earlier}{}", period.from.in_both_zones()));
    match period.to {
        None => text.push_str(" on"),
        Some(to) => {
            let lasted = u64::try_from(to.0 - period.from.0).unwrap_or(0);
            text.push_str(&format!(" to {}, {}", to.in_both_zones(), in_words(lasted)));
        }
    }
    text.push_str(&format!(", because {}", period.verdict));
    if let Some(record) = &period.record {
        text.push_str(&format!(" ({}:{})", record.file, record.line));
    }
    if let Some(since) = period.stands_since {
        text.push_str(&format!(", by the records since {}", since.in_both_zones()));
    }
    if let Some(other) = period.verdict_other_mainland {
        text.push_str(&format!("; for addresses with others in mainland China: {other}"));
    }
    text
}
