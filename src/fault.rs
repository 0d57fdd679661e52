//! What is wrong with a piece of input, where, and what to write instead.
//!
//! Every reader (master files, filing files, configuration) reports in this one shape, and this
//! module is the one place that renders it for people.

use std::fmt;
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
        write!(f, "{}", self.file.display())?;
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
            write!(f, "\"{}\": ", clip(&self.text))?;
        }
        write!(f, "{}", self.problem)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// The start of a text, with control characters made visible, so that hostile input neither
/// floods a terminal nor steers it.
fn clip(text: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARS)
        .flat_map(|c| -> Box<dyn Iterator<Item = char>> {
            if c.is_control() { Box::new(c.escape_default()) } else { Box::new(std::iter::once(c)) }
        })
        .collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}
