//! From the lines of a journal to what people ask of it: from when to when a domain was dark, and
//! why.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::files;
use super::line::{Cause, Event, Line, Record, Standing};
use super::read::Lines;
use crate::filing::{Instant, Verdict};
use crate::gate::Mode;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The domain, in A-labels, lower case, without final dot. Where the journal does not know it,
    /// the nearest one above it counts. None for every domain that was dark.
    pub domain: Option<String>,
    /// Only what lasted beyond this instant.
    pub since: Option<Instant>,
    /// Only what began before this instant.
    pub until: Option<Instant>,
}

/// What the gate did with a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// Its own addresses were answered, by right.
    Open,
    /// The notice was answered.
    Dark,
    /// Its own addresses were answered although it is closed, in observe mode.
    Observed,
}

/// A time for which a domain had one verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Period {
    /// The domain.
    pub domain: String,
    /// Its zone, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What was answered.
    pub shown: Shown,
    /// The verdict for addresses of this provider.
    pub verdict: Verdict,
    /// The one for addresses that are in mainland China with others, where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict_other_mainland: Option<Verdict>,
    /// When it began.
    pub from: Instant,
    /// It had begun before the journal did.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub began_earlier: bool,
    /// When it ended; none while it lasts.
    pub to: Option<Instant>,
    /// What brought it about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The filing record that the verdict shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
    /// Since when the verdict stood by the records, which may tell of a change late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands_since: Option<Instant>,
}

/// Changes that could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// When the journal went on.
    pub at: Instant,
    /// How many changes no line tells.
    pub lost: u64,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct History {
    /// By domain, then time.
    pub periods: Vec<Period>,
    /// In the order of time.
    pub gaps: Vec<Gap>,
    /// Whole lines that say nothing that is known.
    pub unreadable: u64,
}

/// Reads a journal, whether or not a server is writing it.
pub fn read(folder: &Path, question: &Question) -> io::Result<History> {
    let mut reading =
        Reading { question, mode: None, lasting: HashMap::new(), found: History::default() };
    for (_, path) in files(folder)? {
        let mut lines = match Lines::open(&path) {
            // The oldest went while we read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            lines => lines?,
        };
        while let Some(line) = lines.next_line()? {
            reading.take(&line);
        }
        reading.found.unreadable += lines.unreadable;
    }
    Ok(reading.end())
}

struct Reading<'a> {
    question: &'a Question,
    /// As the last line told it.
    mode: Option<Mode>,
    /// The periods that last, by zone and domain.
    lasting: HashMap<(String, String), Period>,
    found: History,
}

impl Reading<'_> {
    fn take(&mut self, line: &Line<'_>) {
        if self.mode.replace(line.mode).is_some_and(|mode| mode != line.mode) {
            self.change_mode(line);
        }
        if line.event == Event::Gap {
            let gap = Gap { at: line.time, lost: line.lost.unwrap_or(0) };
            let is_asked = self.question.covers(gap.at, Some(gap.at));
            self.found.gaps.extend(is_asked.then_some(gap));
        }
        for (zone, domain) in line.domains() {
            if self.question.is_about(domain) {
                self.change(line, zone, domain);
            }
        }
    }

    fn change(&mut self, line: &Line<'_>, zone: &str, domain: &str) {
        let standing = line.standing();
        let key = (zone.to_owned(), domain.to_owned());
        let lasting = self.lasting.entry(key);
        // What stands is told again at the beginning of each file.
        if let (Entry::Occupied(lasting), Event::Standing) = (&lasting, line.event)
            && standing == Some(lasting.get().standing())
        {
            return;
        }
        if let Entry::Occupied(lasting) = lasting {
            let ended = lasting.remove();
            self.finish(ended, Some(line.time));
        }
        let is_told = |verdict: Verdict| self.question.domain.is_some() || !verdict.is_open();
        let Some(standing) = standing.filter(|standing| is_told(standing.own)) else { return };
        let other = Some(standing.other_mainland);
        let period = Period {
            domain: domain.to_owned(),
            zone: (zone != domain).then(|| zone.to_owned()),
            shown: shown(standing.own, line.mode),
            verdict: standing.own,
            verdict_other_mainland: other.filter(|other| *other != standing.own),
            from: line.time,
            began_earlier: line.event == Event::Standing,
            to: None,
            cause: line.cause,
            record: line.record.clone(),
            stands_since: line.since,
        };
        self.lasting.insert((zone.to_owned(), domain.to_owned()), period);
    }

    /// Closed domains become dark, or are answered, all at once.
    fn change_mode(&mut self, line: &Line<'_>) {
        let mut ended = Vec::new();
        for period in self.lasting.values_mut().filter(|period| !period.verdict.is_open()) {
            let shown = shown(period.verdict, line.mode);
            let from = Period { shown, from: line.time, began_earlier: false, ..period.clone() };
            ended.push(std::mem::replace(period, from));
        }
        ended.into_iter().for_each(|period| self.finish(period, Some(line.time)));
    }

    fn finish(&mut self, period: Period, to: Option<Instant>) {
        if self.question.covers(period.from, to) {
            self.found.periods.push(Period { to, ..period });
        }
    }

    fn end(mut self) -> History {
        for (_, period) in std::mem::take(&mut self.lasting) {
            self.finish(period, None);
        }
        let mut found = self.found;
        if self.question.domain.is_some() {
            let nearest = found.periods.iter().map(|period| period.domain.len()).max();
            found.periods.retain(|period| Some(period.domain.len()) == nearest);
        }
        // Of what began in the same second, what lasts is last.
        let order = |period: &Period| (period.from, period.to.is_none(), period.to);
        found
            .periods
            .sort_by(|a, b| (&a.domain, &a.zone, order(a)).cmp(&(&b.domain, &b.zone, order(b))));
        found
    }
}

impl Question {
    fn is_about(&self, domain: &str) -> bool {
        self.domain.as_deref().is_none_or(|asked| {
            asked.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    fn covers(&self, from: Instant, to: Option<Instant>) -> bool {
        self.until.is_none_or(|until| from < until)
            && self.since.is_none_or(|since| to.is_none_or(|to| to > since))
    }
}

impl Period {
    fn standing(&self) -> Standing {
        let own = self.verdict;
        Standing { own, other_mainland: self.verdict_other_mainland.unwrap_or(own) }
    }
}

fn shown(verdict: Verdict, mode: Mode) -> Shown {
    match (verdict.is_open(), mode) {
        (true, _) => Shown::Open,
        (false, Mode::Enforce) => Shown::Dark,
        (false, Mode::Observe) => Shown::Observed,
    }
}
