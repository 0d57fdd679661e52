//! What is wrong with a piece of input, where, and what to write instead.
//!
//! Every reader (master files, filing files, configuration) reports in this one shape, and this
//! module is the one place that renders it for people.

use std::fmt::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

/// Whether the faulty input was refused or taken in all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The record, line or file was not taken in.
    Error,
    /// It was taken in; the operator should look at it.
    Warning,
}

/// One fault in one place of one input file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Refused, or taken in with a warning.
    pub severity: Severity,
    /// The file as the reader was given it.
    pub file: PathBuf,
    /// Line, counted from 1; 0 where the fault is the file's as a whole.
    pub line: u32,
    /// Column in characters, counted from 1; 0 where the fault is the line's as a whole.
    pub column: u32,
    /// The offending text as it stands in the file; empty where there is none to show.
    pub text: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead; empty where the problem says it all.
    pub remedy: String,
}

impl Fault {
    /// A fault of a whole file.
    pub fn of_file(
        severity: Severity,
        file: impl Into<PathBuf>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Fault {
        Fault {
            severity,
            file: file.into(),
            line: 0,
            column: 0,
            text: String::new(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// True for a fault whose input was refused.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `zones/a.zone:3:15: error: "1.2.3" is not an IPv4 address: write four numbers, as in 192.0.2.1`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Visible(&self.file.to_string_lossy()))?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, ": {severity}: ")?;
        if !self.text.is_empty() {
            let end = self.text.char_indices().nth(SHOWN_CHARS).map(|(at, _)| at);
            let (shown, ellipsis) = end.map_or((&*self.text, ""), |end| (&self.text[..end], "…"));
            write!(f, "\"{}{ellipsis}\": ", Visible(shown))?;
        }
        write!(f, "{}", Visible(&self.problem))?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", Visible(&self.remedy))?;
        }
        Ok(())
    }
}

/// Characters of an offending text that are shown, so that hostile input does not flood a terminal.
const SHOWN_CHARS: usize = 80;

/// A text with its control characters spelled out, so that hostile input does not steer a terminal:
/// file names, problems and remedies may quote it, too.
pub struct Visible<'t>(pub &'t str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_default()),
            false => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_fault_steers_the_terminal() {
        let fault = Fault {
            severity: Severity::Error,
            file: PathBuf::from("a\u{1b}[2J.zone"),
            line: 1,
            column: 2,
            text: "x\u{7}".to_owned(),
            problem: "unknown fields, not read: \u{1b}[31m".to_owned(),
            remedy: "write [\"\n\u{9b}\"]".to_owned(),
        };
        assert_eq!(
            fault.to_string(),
            "a\\u{1b}[2J.zone:1:2: error: \"x\\u{7}\": unknown fields, not read: \\u{1b}[31m; \
             write [\"\\n\\u{9b}\"]"
        );
    }

    #[test]
    fn a_long_text_is_shown_in_part() {
        let fault =
            Fault { text: "例".repeat(81), ..Fault::of_file(Severity::Warning, "f", "p", "") };
        assert_eq!(fault.to_string(), format!("f: warning: \"{}…\": p", "例".repeat(80)));
        let fault = Fault { text: "例".repeat(80), ..fault };
        assert_eq!(fault.to_string(), format!("f: warning: \"{}\": p", "例".repeat(80)));
    }
}
