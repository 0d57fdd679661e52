//! What an operator asks of the running server over the control socket: `beiand status`, `stats`,
//! `zones status`, `log-level`, `trace`.
//!
//! Owns how the replies are laid out for people; `--json` shows them as they came.

use std::io::{self, Write};

use clap::builder::styling::Style;

use super::control::{self, show_faults};
use super::show::{ERROR, GOOD, PLACE, Show, WARNING, count};
use super::{Exit, Failure};
use crate::config::Config;
use crate::filing::{Instant, Verdict};
use crate::reload::protocol::{Figure, Reply, Request, Status, ZoneState, ZoneStatus};

/// Width of the column of labels.
const LABEL: usize = 13;

/// Asks, and shows the reply: as JSON, or to people by what it holds. A refusal in words is a
/// failure.
pub fn run(
    config: &Config,
    request: &Request,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let reply = control::ask_server(config, request)?;
    if !reply.ok && reply.zone.is_none() {
        return Err(Failure::Other(reply.message));
    }
    control::write(&reply, show, out, for_people)?;
    Ok(if reply.ok { Exit::Fine } else { Exit::No })
}

fn for_people(reply: &Reply, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    if let Some(status) = &reply.status {
        write_status(status, reply, show, out)
    } else if let Some(zone) = &reply.zone {
        write_zone(zone, show, out)
    } else if reply.stats.is_empty() {
        writeln!(out, "{}", reply.message)
    } else {
        reply.stats.iter().try_for_each(|figure| write_figure(figure, out))
    }
}

fn line(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{label:LABEL$}{text}")
}

fn write_status(
    status: &Status,
    reply: &Reply,
    show: &Show,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (state, style) = match status.ready {
        true => ("answering", GOOD),
        false => ("not ready: zones and filings are not loaded, every query gets SERVFAIL", ERROR),
    };
    line(out, "beiand", &format!("{}, process {}", status.version, status.pid))?;
    line(out, "state", &show.colour.paint(style, state))?;
    let uptime = in_words(status.uptime_seconds);
    line(out, "up", &format!("{uptime}, since {}", both_zones(&status.started)))?;
    let queries = count(status.queries, "query").replace("querys", "queries");
    line(out, "queries", &format!("{queries}, {}/s now", status.queries_per_second))?;
    let zones = count(status.zones, "zone");
    line(out, "zones", &format!("{zones}, {} failed", status.zones_failed))?;
    for (code, zones) in &status.verdicts {
        line(out, "", &show.colour.paint(style_of(code), &format!("{zones:>9} {code}")))?;
    }
    line(out, "filings", &count(status.records, "record"))?;
    if let Some(last) = &status.last_reload {
        line(out, "last reload", &format!("{} ({})", both_zones(&last.at), last.cause))?;
        let changes = control::in_words(&last.changes);
        let changes = match last.end.as_str() {
            "applied" => changes,
            "refused" => format!("{changes}; something was refused: see the log"),
            end => format!("{end}: {changes}"),
        };
        line(out, "", &changes)?;
    }
    let refused = [
        (status.zones_refused, "zone file", "refused; the last good one is served"),
        (status.files_refused, "filing file", "refused; the last good one is in force"),
        (status.files_waiting, "filing file", "waiting for beiand reload --accept-shrink"),
    ];
    for (number, of, what) in refused.iter().filter(|(number, ..)| *number > 0) {
        let text = format!("{} {what}", count(*number, of));
        line(out, "refused", &show.colour.paint(WARNING, &text))?;
    }
    line(out, "log level", &status.log_level)?;
    for trace in &status.traces {
        line(out, "tracing", &format!("{} until {}", trace.name, both_zones(&trace.until)))?;
    }
    show_faults(reply, show, out)
}

fn write_figure(figure: &Figure, out: &mut dyn Write) -> io::Result<()> {
    let labels: Vec<String> =
        figure.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    match labels.is_empty() {
        true => writeln!(out, "{} {}", figure.name, figure.value),
        false => writeln!(out, "{}{{{}}} {}", figure.name, labels.join(","), figure.value),
    }
}

fn write_zone(zone: &ZoneStatus, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    let (state, style) = match zone.state {
        ZoneState::Served => ("served", GOOD),
        ZoneState::Failed => ("failed: its file was never good, queries get SERVFAIL", ERROR),
        ZoneState::Unknown => ("unknown: no zone of this origin is served", ERROR),
    };
    line(out, "zone", &show.colour.paint(PLACE, &zone.name))?;
    line(out, "state", &show.colour.paint(style, state))?;
    if let Some(serial) = zone.serial {
        line(out, "serial", &serial.to_string())?;
    }
    if let Some(file) = &zone.file {
        line(out, "file", &file.display().to_string())?;
    }
    if let Some(read) = &zone.read {
        line(out, "read", &both_zones(read))?;
    }
    if let Some(code) = &zone.verdict {
        line(out, "verdict", &show.colour.paint(style_of(code), &verdict_in_words(code)))?;
    }
    write_instants(zone.since.as_deref(), zone.next_change.as_deref(), out)?;
    if zone.has_scopes {
        line(out, "", "some of its names have verdicts of their own: see beiand explain")?;
    }
    match &zone.refused {
        Some(fault) => {
            line(out, "refused", &show.colour.paint(WARNING, "the file as it stands:"))?;
            show.faults(out, &[fault.clone().into()])
        }
        None => Ok(()),
    }
}

fn write_instants(since: Option<&str>, next: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let instants = [("since", since), ("next change", next)];
    instants.iter().try_for_each(|(label, instant)| match instant {
        Some(instant) => line(out, label, &both_zones(instant)),
        None => Ok(()),
    })
}

fn style_of(code: &str) -> Style {
    if Verdict::of_code(code).is_some_and(Verdict::is_open) { GOOD } else { ERROR }
}

fn verdict_in_words(code: &str) -> String {
    match Verdict::of_code(code) {
        Some(Verdict::Open) => "open".to_owned(),
        Some(verdict) if verdict.is_open() => format!("open ({code})"),
        _ => format!("blocked ({code})"),
    }
}

/// An instant of the protocol, for people here and there; as it came where it is none.
pub(super) fn both_zones(instant: &str) -> String {
    Instant::parse(instant).map_or_else(|_| instant.to_owned(), Instant::in_both_zones)
}

/// `3 days 4 h`, `4 h 5 min`, `5 min 6 s`, `6 s`.
pub(super) fn in_words(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{} {} h", count(days, "day"), hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filing::Reason;

    #[test]
    fn a_time_is_told_in_its_two_greatest_units() {
        let told = [59, 60, 3_661, 90_000].map(in_words);
        assert_eq!(told, ["59 s", "1 min 0 s", "1 h 1 min", "1 day 1 h"]);
    }

    #[test]
    fn every_verdict_is_known_by_its_code() {
        for reason in Reason::ALL {
            assert_eq!(Verdict::of_code(reason.code()), Some(Verdict::Blocked(reason)));
        }
        assert!(Verdict::of_code("of-tomorrow").is_none());
    }
}
