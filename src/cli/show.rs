//! How results are shown: to people, with colours on a terminal, or as JSON.

use std::io::{self, IsTerminal, Write};

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use serde_json::json;

use super::Failure;
use crate::fault::{Fault, Severity};
use crate::progress::grouped;

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// ANSI colours.
    Always,
}

impl Colour {
    /// Colours on a terminal, unless `NO_COLOR` is set (no-color.org) or the terminal is dumb.
    pub fn for_stream(stream: &impl IsTerminal) -> Colour {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if stream.is_terminal() && !unwanted { Colour::Always } else { Colour::Never }
    }

    /// The text in a style, or as it is.
    pub fn paint(self, style: Style, text: &str) -> String {
        match self {
            Colour::Never => text.to_owned(),
            Colour::Always => format!("{}{text}{}", style.render(), style.render_reset()),
        }
    }
}

/// Shows things in one format.
#[derive(Clone, Copy, Debug)]
pub struct Show {
    /// For whom.
    pub format: Format,
    /// Whether standard output is coloured; JSON never is.
    pub colour: Colour,
}

impl Show {
    /// As standard output can take it.
    pub fn for_terminal(format: Format) -> Show {
        let colour = match format {
            Format::Human => Colour::for_stream(&io::stdout()),
            Format::Json => Colour::Never,
        };
        Show { format, colour }
    }

    /// One line for each fault.
    pub fn faults(&self, out: &mut dyn Write, faults: &[Fault]) -> io::Result<()> {
        faults.iter().try_for_each(|fault| writeln!(out, "{}", self.fault(fault)))
    }

    /// `2 errors, 1 warning`, or `no faults`.
    pub fn tally(&self, faults: &[Fault]) -> String {
        let errors = faults.iter().filter(|fault| fault.is_error()).count();
        let warnings = faults.len() - errors;
        let mut parts = Vec::new();
        if errors > 0 {
            parts.push(self.colour.paint(ERROR, &count(errors as u64, "error")));
        }
        if warnings > 0 {
            parts.push(self.colour.paint(WARNING, &count(warnings as u64, "warning")));
        }
        if parts.is_empty() { self.colour.paint(GOOD, "no faults") } else { parts.join(", ") }
    }

    /// One JSON document, indented, with a final line feed.
    pub fn json(&self, out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, value)?;
        writeln!(out)
    }

    /// One JSON document on one line, for a stream of them (NDJSON).
    pub fn json_line(&self, out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *out, value)?;
        writeln!(out)
    }

    /// Why a verb could not be carried out: JSON on standard output, words on standard error.
    pub fn failure(
        &self,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
        failure: &Failure,
    ) -> io::Result<()> {
        let faults: &[Fault] = match failure {
            Failure::Config(faults) => faults,
            _ => &[],
        };
        match self.format {
            Format::Json => self.json(
                stdout,
                &json!({ "ok": false, "error": failure.to_string(), "faults": faults }),
            ),
            Format::Human => {
                let on_stderr = Show { colour: Colour::for_stream(&io::stderr()), ..*self };
                on_stderr.faults(stderr, faults)?;
                writeln!(stderr, "{}: {failure}", on_stderr.colour.paint(ERROR, "beiand"))
            }
        }
    }

    /// The fault as it renders itself, its place and severity picked out.
    fn fault(&self, fault: &Fault) -> String {
        let line = fault.to_string();
        let (word, style) = match fault.severity {
            Severity::Error => ("error", ERROR),
            Severity::Warning => ("warning", WARNING),
        };
        let separator = format!(": {word}: ");
        match line.split_once(&separator) {
            Some((place, rest)) => format!(
                "{}: {} {rest}",
                self.colour.paint(PLACE, place),
                self.colour.paint(style, &format!("{word}:")),
            ),
            None => line,
        }
    }
}

/// Something that is good.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something that is wrong.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Something to look at.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Where something is.
pub const PLACE: Style = Style::new().bold();

/// `1 zone`, `2 zones`, `12,345 zones`.
pub fn count(number: u64, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {of}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Show = Show { format: Format::Human, colour: Colour::Never };

    fn faults() -> Vec<Fault> {
        vec![
            Fault {
                line: 3,
                column: 5,
                text: "1.2.3".to_owned(),
                ..Fault::of_file(Severity::Error, "a.zone", "not an IPv4 address", "write four")
            },
            Fault::of_file(Severity::Warning, "b.zone", "one NS only", ""),
        ]
    }

    #[test]
    fn plain_faults_are_the_faults_own_words() {
        let mut out = Vec::new();
        PLAIN.faults(&mut out, &faults()).unwrap();
        let expected: String = faults().iter().map(|fault| format!("{fault}\n")).collect();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn colours_add_nothing_but_colours() {
        let mut out = Vec::new();
        let show = Show { colour: Colour::Always, ..PLAIN };
        show.faults(&mut out, &faults()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\u{1b}["));
        let mut plain = String::new();
        let mut parts = text.split('\u{1b}');
        plain.push_str(parts.next().unwrap());
        parts.for_each(|part| plain.push_str(part.split_once('m').unwrap().1));
        assert_eq!(plain, faults().iter().map(|fault| format!("{fault}\n")).collect::<String>());
    }

    #[test]
    fn the_tally_counts_errors_and_warnings() {
        assert_eq!(PLAIN.tally(&faults()), "1 error, 1 warning");
        assert_eq!(PLAIN.tally(&[]), "no faults");
        assert_eq!(count(1_234_567, "record"), "1,234,567 records");
        assert_eq!(count(100, "zone"), "100 zones");
    }

    #[test]
    fn a_failure_is_json_where_json_was_asked_for() {
        let show = Show { format: Format::Json, ..PLAIN };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        show.failure(&mut stdout, &mut stderr, &Failure::Config(faults())).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&stdout).unwrap();
        assert_eq!((&value["ok"], &value["faults"][0]["line"]), (&json!(false), &json!(3)));
        assert!(stderr.is_empty());
    }
}
