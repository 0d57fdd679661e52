//! One line of the journal: a JSON object and its line end.
//!
//! | event | what it says | fields beside `time`, `event`, `mode` |
//! | --- | --- | --- |
//! | `begun` | the file begins | |
//! | `standing` | what stood when the file was begun | `after`, `domains`, `zone` |
//! | `started` | the server started; it may have been down since the line before | |
//! | `mode` | `gate.mode` became another | |
//! | `hosted`, `unhosted` | a domain came, or went | as below |
//! | `opened`, `closed`, `reason-changed` | its verdict changed | `domain`, `zone`, `before`, `after`, `cause`, `record`, `since` |
//! | `gap` | so many changes could not be written | `lost` |
//!
//! `before` and `after` are reason codes: the verdict for addresses of this provider. The one for
//! addresses that are in mainland China with others stands beside it where it differs. `zone` is
//! told where it is not the domain itself. `mode` is whether closed domains were kept dark
//! (`enforce`) or only watched (`observe`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::filing::{Instant, Verdict};
use crate::gate::Mode;

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A file begins.
    Begun,
    /// What stood when the file was begun: domains with the same verdict.
    Standing,
    /// The server started.
    Started,
    /// `gate.mode` changed.
    Mode,
    /// A domain is answered from now on.
    Hosted,
    /// It is no longer.
    Unhosted,
    /// It was closed, and is open.
    Opened,
    /// It was open, and is closed.
    Closed,
    /// Its verdict is another, and neither opened nor closed it.
    ReasonChanged,
    /// Changes could not be written.
    Gap,
}

/// What brought a change about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A filing file.
    Filings,
    /// A zone file.
    Zone,
    /// The instant came.
    Clock,
    /// The configuration.
    Config,
    /// It happened while the server was down, and was found when it started.
    Start,
    /// It happened while the journal could not be written.
    Gap,
}

/// The verdict of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where its addresses are this provider's.
    pub own: Verdict,
    /// Where they are in mainland China, but none of them ours.
    pub other_mainland: Verdict,
}

/// The filing record that a verdict shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its file.
    pub file: String,
    /// Its line there, as it stood then.
    pub line: u32,
}

/// A line of the journal. See the table above for which field stands with which event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Line<'a> {
    pub time: Instant,
    pub event: Event,
    pub mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Verdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_other_mainland: Option<Verdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Verdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_other_mainland: Option<Verdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Cow<'a, str>>,
}

impl<'a> Line<'a> {
    /// A line with nothing else.
    pub fn new(time: Instant, event: Event, mode: Mode) -> Line<'a> {
        Line {
            time,
            event,
            mode,
            domain: None,
            zone: None,
            before: None,
            before_other_mainland: None,
            after: None,
            after_other_mainland: None,
            cause: None,
            record: None,
            since: None,
            lost: None,
            domains: Vec::new(),
        }
    }

    /// The line with the verdict that stood before it.
    pub fn with_before(mut self, standing: Option<Standing>) -> Line<'a> {
        (self.before, self.before_other_mainland) = told(standing);
        self
    }

    /// The line with the verdict that stands from it on.
    pub fn with_after(mut self, standing: Option<Standing>) -> Line<'a> {
        (self.after, self.after_other_mainland) = told(standing);
        self
    }

    /// The verdict that stands from this line on; none where the domain went.
    pub fn standing(&self) -> Option<Standing> {
        let own = self.after?;
        Some(Standing { own, other_mainland: self.after_other_mainland.unwrap_or(own) })
    }

    /// The domains that the line speaks of, each with the zone that it is in.
    pub fn domains(&self) -> impl Iterator<Item = (&str, &str)> {
        let domains = self.domain.iter().chain(&self.domains);
        domains.map(|domain| (self.zone.as_deref().unwrap_or(domain), domain.as_ref()))
    }

    /// Appends the line, with its line end.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        match serde_json::to_writer(&mut *out, self) {
            Ok(()) => out.push(b'\n'),
            // Nothing in a line has no form in JSON; half a line must not stay.
            Err(_) => out.truncate(start),
        }
    }

    /// Reads a line without its line end; none where it is none.
    pub fn parse(bytes: &[u8]) -> Option<Line<'static>> {
        serde_json::from_slice(bytes).ok()
    }
}

fn told(standing: Option<Standing>) -> (Option<Verdict>, Option<Verdict>) {
    let other = standing.filter(|it| it.other_mainland != it.own).map(|it| it.other_mainland);
    (standing.map(|it| it.own), other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filing::Reason;

    #[test]
    fn a_line_is_read_as_it_was_written_and_no_part_of_it_is_one() {
        let standing = Standing {
            own: Verdict::Blocked(Reason::HeldElsewhere),
            other_mainland: Verdict::Open,
        };
        let line = Line {
            domain: Some("a\\.b.example".into()),
            zone: Some("example".into()),
            cause: Some(Cause::Filings),
            record: Some(Record { file: "filings/甲 \"1\".csv".to_owned(), line: 7 }),
            since: Some(Instant(1_769_822_999)),
            ..Line::new(Instant(1_769_823_000), Event::Opened, Mode::Observe)
        }
        .with_before(Some(Standing { own: Verdict::Open, other_mainland: Verdict::Open }))
        .with_after(Some(standing));
        let mut bytes = Vec::new();
        line.write(&mut bytes);
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
        let whole = bytes.strip_suffix(b"\n").expect("a line end");
        assert_eq!(Line::parse(whole), Some(line.clone()));
        assert_eq!(line.standing(), Some(standing));
        assert_eq!((line.before, line.before_other_mainland), (Some(Verdict::Open), None));
        assert_eq!(line.domains().collect::<Vec<_>>(), [("example", "a\\.b.example")]);
        assert!((0..whole.len()).all(|len| Line::parse(&whole[..len]).is_none()));
    }
}
