//! An explanation, laid out for people.

use std::io::{self, Write};

use clap::builder::styling::Style;

use crate::cli::operate::both_zones;
use crate::cli::show::{ERROR, GOOD, PLACE, Show, WARNING};
use crate::explain::{Explanation, GateTold, HopTold, RecordTold, WordsTold};
use crate::fault::Visible;

/// Width of the column of labels.
const LABEL: usize = 13;

pub(super) fn write(told: &Explanation, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    let paint = |style, text: &str| show.colour.paint(style, text);
    line(out, "name", &format!("{} {}", paint(PLACE, &told.name), told.rtype))?;
    line(out, "verdict", &paint(style_of(told), &verdict(told)))?;
    if told.not_pointed_here {
        line(out, "", &paint(WARNING, "not-pointed-here"))?;
    }
    words(&told.words, out)?;
    if told.reasons.len() > 1 {
        write_reasons(told, show, out)?;
    }
    for (label, instant) in [("since", &told.since), ("next change", &told.next_change)] {
        if let Some(instant) = instant {
            line(out, label, &both_zones(instant))?;
        }
    }
    line(out, "as of", &both_zones(&told.at))?;
    if let Some(site) = &told.site_domain {
        line(out, "site domain", &visible(site))?;
    }
    if let Some(zone) = &told.zone {
        line(out, "zone", &format!("{} from {}", zone.apex, visible(&zone.file)))?;
        line(out, "", &zone.place)?;
        if let Some(fault) = &zone.refused {
            line(out, "refused", &paint(WARNING, fault))?;
        }
    }
    let path = if told.path.len() > 1 { told.path.as_slice() } else { &[] };
    column(out, "path", path.iter().map(|hop| hop_line(hop, show)))?;
    let addresses = told
        .addresses
        .iter()
        .map(|it| format!("{} {}: {} ({})", it.owner, it.address, it.region, it.decided_by));
    column(out, "addresses", addresses)?;
    if told.records.is_empty() {
        line(out, "records", "none")?;
    }
    for (index, record) in told.records.iter().enumerate() {
        write_record(record, if index == 0 { "records" } else { "" }, show, out)?;
    }
    write_answer(told, show, out)
}

fn line(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{label:LABEL$}{text}")
}

/// Lines under one label, which stands before the first.
fn column(out: &mut dyn Write, label: &str, lines: impl Iterator<Item = String>) -> io::Result<()> {
    for (index, text) in lines.enumerate() {
        line(out, if index == 0 { label } else { "" }, &text)?;
    }
    Ok(())
}

fn words(words: &WordsTold, out: &mut dyn Write) -> io::Result<()> {
    line(out, "", &words.zh)?;
    line(out, "", &words.en)?;
    line(out, "to do", &words.zh_remedy)?;
    line(out, "", &words.en_remedy)
}

fn style_of(told: &Explanation) -> Style {
    match (told.open, told.not_pointed_here) {
        (false, _) => ERROR,
        (true, true) => WARNING,
        (true, false) => GOOD,
    }
}

fn verdict(told: &Explanation) -> String {
    let code = &told.verdict;
    match (&told.blocked_at, code.as_str()) {
        (Some(name), _) => format!("blocked ({code}): it leads to {name}, which is blocked"),
        (None, "open") => "open".to_owned(),
        (None, "not-hosted") => "not hosted here (not-hosted)".to_owned(),
        (None, "not-ready") => "not ready: queries get SERVFAIL (not-ready)".to_owned(),
        (None, _) if told.open => format!("open ({code})"),
        (None, _) => format!("blocked ({code})"),
    }
}

/// Every reason that holds; what to do about the one that the verdict shows stands above.
fn write_reasons(told: &Explanation, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    for (index, reason) in told.reasons.iter().enumerate() {
        let label = if index == 0 { "reasons" } else { "" };
        line(out, label, &show.colour.paint(ERROR, &reason.code))?;
        if reason.code != told.verdict {
            let WordsTold { zh, zh_remedy, en, en_remedy } = &reason.words;
            for text in [zh, en, zh_remedy, en_remedy] {
                line(out, "", &format!("  {text}"))?;
            }
        }
    }
    Ok(())
}

fn hop_line(hop: &HopTold, show: &Show) -> String {
    let HopTold { name, verdict, open, place, zone } = hop;
    let (style, verdict) = match (zone.is_some(), open) {
        (false, _) => return format!("{name} {place}"),
        (true, true) => (GOOD, verdict.clone()),
        (true, false) => (ERROR, format!("blocked ({verdict})")),
    };
    format!("{name} {}: {place}", show.colour.paint(style, &verdict))
}

fn write_record(
    record: &RecordTold,
    label: &str,
    show: &Show,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (style, reasons) = match record.reasons.is_empty() {
        true => (GOOD, record.reason.clone()),
        false => (WARNING, record.reasons.join(", ")),
    };
    let place = format!("{}:{}", visible(&record.file), record.line);
    let reasons = show.colour.paint(style, &reasons);
    line(out, label, &format!("{} {reasons}", show.colour.paint(PLACE, &place)))?;
    line(out, "", &format!("  {}", record.words.en))?;
    if let Some(covers) = &record.covers {
        line(out, "", &format!("  covers {} and what is below", visible(covers)))?;
    }
    let fields = record.fields.iter().map(|(field, text)| format!("{field}={}", visible(text)));
    line(out, "", &format!("  {}", fields.collect::<Vec<_>>().join(" ")))
}

fn write_answer(told: &Explanation, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    let answer = &told.answer;
    line(out, "answer", &format!("{}, flags: {}", answer.status, answer.flags))?;
    if let Some(error) = &answer.extended_error {
        line(out, "", &format!("extended error {error}"))?;
    }
    match answer.gate {
        Some(GateTold::Observed) => {
            let text = "gate.mode is \"observe\": the real data is answered";
            line(out, "", &show.colour.paint(WARNING, text))?;
        }
        Some(GateTold::Untouched) => line(out, "", "the gate leaves this answer as it is")?,
        Some(GateTold::Changed) | None => {}
    }
    column(out, "", answer.answer.iter().cloned())?;
    column(out, "authority", answer.authority.iter().cloned())?;
    column(out, "additional", answer.additional.iter().cloned())
}

/// A text of a file, which may hold anything.
fn visible(text: &str) -> String {
    Visible(text).to_string()
}
