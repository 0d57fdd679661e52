//! An explanation, laid out for people.

use std::io::{self, Write};

use super::{Explanation, RecordTold};
use crate::cli::show::{ERROR, GOOD, PLACE, Show, WARNING};

/// Width of the column of labels.
const LABEL: usize = 13;

pub(super) fn write(told: &Explanation, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    let style = match (told.open, told.not_pointed_here) {
        (false, _) => ERROR,
        (true, true) => WARNING,
        (true, false) => GOOD,
    };
    let state = match (told.open, told.verdict) {
        (true, "open") => "open".to_owned(),
        (true, code) => format!("open ({code})"),
        (false, code) => format!("blocked ({code})"),
    };
    let mut line = |label: &str, text: &str| writeln!(out, "{label:LABEL$}{text}");
    line("name", &format!("{} {}", show.colour.paint(PLACE, &told.name), told.rtype))?;
    line("verdict", &show.colour.paint(style, &state))?;
    if told.not_pointed_here {
        line("", &show.colour.paint(WARNING, "not-pointed-here"))?;
    }
    if let Some(error) = told.answer.extended_error.as_deref().filter(|_| told.open) {
        let text = format!("but the answer leads to a name that is blocked: {error}");
        line("", &show.colour.paint(WARNING, &text))?;
    }
    line("", told.words.zh)?;
    line("", told.words.en)?;
    line("to do", told.words.zh_remedy)?;
    line("", told.words.en_remedy)?;
    if let Some(since) = &told.since {
        line("since", since)?;
    }
    if let Some(next) = &told.next_change {
        line("next change", next)?;
    }
    line("as of", &told.at)?;
    if let Some(site) = &told.site_domain {
        line("site domain", site)?;
    }
    if let Some(zone) = &told.zone {
        line("zone", &format!("{} from {}", zone.apex, zone.file.display()))?;
        line("", &zone.place)?;
    }
    for (index, address) in told.addresses.iter().enumerate() {
        let label = if index == 0 { "addresses" } else { "" };
        let place = format!("{} {}", address.owner, address.address);
        line(label, &format!("{place}: {} ({})", address.region, address.decided_by))?;
    }
    match told.records.as_slice() {
        [] => line("records", "none")?,
        records => {
            for (index, record) in records.iter().enumerate() {
                write_record(record, if index == 0 { "records" } else { "" }, show, out)?;
            }
        }
    }
    write_answer(told, out)
}

fn write_record(
    record: &RecordTold,
    label: &str,
    show: &Show,
    out: &mut dyn Write,
) -> io::Result<()> {
    let style = if record.reason == "open" { GOOD } else { WARNING };
    let place = format!("{}:{}", record.file.display(), record.line);
    let reason = show.colour.paint(style, record.reason);
    writeln!(out, "{label:LABEL$}{} {reason}", show.colour.paint(PLACE, &place))?;
    writeln!(out, "{:LABEL$}  {}", "", record.words.en)?;
    if let Some(covers) = &record.covers {
        writeln!(out, "{:LABEL$}  covers {covers} and what is below", "")?;
    }
    let fields: Vec<String> =
        record.fields.iter().map(|(field, text)| format!("{field}={text}")).collect();
    writeln!(out, "{:LABEL$}  {}", "", fields.join(" "))
}

fn write_answer(told: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    let answer = &told.answer;
    writeln!(out, "{:LABEL$}{}, flags: {}", "answer", answer.status, answer.flags)?;
    if let Some(error) = &answer.extended_error {
        writeln!(out, "{:LABEL$}extended error {error}", "")?;
    }
    for record in answer.answer.iter().chain(&answer.authority) {
        writeln!(out, "{:LABEL$}{record}", "")?;
    }
    Ok(())
}
