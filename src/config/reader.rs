//! Reads keys out of a TOML text and remembers where each stood, so that every fault of the file
//! is reported in one go, with line, column and what to write instead.
//!
//! Knows nothing of beiand's keys: `read` asks for them one by one, and what nobody asked for is
//! an unknown key.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::values::{Problem, nearest, parse_duration, show_duration};
use crate::fault::{Fault, Severity};

/// Where something stands in the text, in bytes.
pub(super) type Span = Range<usize>;

/// A section and a key in it.
pub(super) type Key = (&'static str, &'static str);

/// A TOML text that is being read.
pub(super) struct Document<'t> {
    text: &'t str,
    file: &'t Path,
    /// What nobody has asked for yet.
    entries: Vec<Entry<'t>>,
    /// Sections that stand in the text, with the span of their names.
    sections: Vec<(String, Span)>,
    /// Every key that was asked for, and where its value stands.
    asked: Vec<(Key, Option<Span>)>,
    faults: Vec<Fault>,
    /// Lines on which the text is no TOML: what was understood of them is not to be trusted.
    broken_lines: Vec<u32>,
}

struct Entry<'t> {
    /// `None` for a key above the first section.
    section: Option<String>,
    key: String,
    key_span: Span,
    value: DeValue<'t>,
    value_span: Span,
}

impl<'t> Document<'t> {
    /// Takes a text apart into sections and keys. `file` is for the faults only.
    pub(super) fn new(text: &'t str, file: &'t Path) -> Document<'t> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut document = Document {
            text,
            file,
            entries: Vec::new(),
            sections: Vec::new(),
            asked: Vec::new(),
            faults: Vec::new(),
            broken_lines: Vec::new(),
        };
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            document.broken_lines.push(document.position(span.start).0);
            let problem = format!("this is not TOML: {}", error.message());
            document.fault(span, Problem::new(problem, toml_remedy(error.message())));
        }
        for (name, value) in root.into_inner() {
            let name_span = name.span();
            let name = name.into_inner().into_owned();
            let value_span = value.span();
            match value.into_inner() {
                DeValue::Table(table) => {
                    for (key, value) in table {
                        document.entries.push(Entry {
                            section: Some(name.clone()),
                            key_span: key.span(),
                            key: key.into_inner().into_owned(),
                            value_span: value.span(),
                            value: value.into_inner(),
                        });
                    }
                    document.sections.push((name, name_span));
                }
                value => document.entries.push(Entry {
                    section: None,
                    key: name,
                    key_span: name_span,
                    value,
                    value_span,
                }),
            }
        }
        document
    }

    /// A text; `parse` says what it means.
    pub(super) fn text<T>(
        &mut self,
        key: Key,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        let (value, span) = self.take(key)?;
        let DeValue::String(text) = value else {
            return self.wrong_type(span, &value, "a text", "put it in quotes, as in \"text\"");
        };
        self.accept(span, parse(&text))
    }

    /// As [`Document::text`], for a text that no fault may show.
    pub(super) fn secret<T>(
        &mut self,
        key: Key,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        let faults_before = self.faults.len();
        let value = self.text(key, parse);
        self.faults.iter_mut().skip(faults_before).for_each(|fault| fault.text.clear());
        value
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: Key, default: bool) -> bool {
        let Some((value, span)) = self.take(key) else { return default };
        match value {
            DeValue::Boolean(flag) => flag,
            other => self
                .wrong_type(span, &other, "true or false", "write true or false, without quotes")
                .unwrap_or(default),
        }
    }

    /// A whole number within `range`.
    pub(super) fn integer(&mut self, key: Key, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some((value, span)) = self.take(key) else { return default };
        let remedy = format!("write a number from {} to {}", range.start(), range.end());
        let Some(number) = whole_number(&value) else {
            return self.wrong_type(span, &value, "a whole number", remedy).unwrap_or(default);
        };
        match u64::try_from(number) {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.fault(span, Problem::new("out of range", remedy));
                default
            }
        }
    }

    /// A share between 0 and 1.
    pub(super) fn share(&mut self, key: Key, default: f64) -> f64 {
        let Some((value, span)) = self.take(key) else { return default };
        let remedy = "write a share from 0 to 1, as in 0.10 for ten percent";
        let number = match &value {
            DeValue::Float(float) => float.as_str().replace('_', "").parse::<f64>().ok(),
            DeValue::Integer(_) => whole_number(&value).map(|n| n as f64),
            _ => None,
        };
        let Some(number) = number else {
            return self.wrong_type(span, &value, "a number", remedy).unwrap_or(default);
        };
        if (0.0..=1.0).contains(&number) {
            return number;
        }
        self.fault(span, Problem::new("not a share", remedy));
        default
    }

    /// A duration: whole seconds, or a text with its unit.
    pub(super) fn duration(
        &mut self,
        key: Key,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let (value, span) = self.take(key)?;
        let duration = match &value {
            DeValue::String(text) => parse_duration(text),
            DeValue::Integer(_) => {
                match whole_number(&value).and_then(|seconds| u64::try_from(seconds).ok()) {
                    Some(seconds) => Ok(Duration::from_secs(seconds)),
                    None => parse_duration(&self.text[span.clone()]),
                }
            }
            _ => parse_duration(&self.text[span.clone()]),
        };
        let within = duration.and_then(|duration| {
            if range.contains(&duration) {
                return Ok(duration);
            }
            let (from, to) = (show_duration(*range.start()), show_duration(*range.end()));
            Err(Problem::new("out of range", format!("write a duration from {from} to {to}")))
        });
        self.accept(span, within)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: Key, default: T, words: &[(&str, T)]) -> T {
        self.text(key, |text| {
            if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
                return Ok(*value);
            }
            let mut remedy: Vec<String> = words.iter().map(|(w, _)| format!("\"{w}\"")).collect();
            let last = remedy.pop().unwrap_or_default();
            let mut remedy = format!("write {} or {last}", remedy.join(", "));
            if let Some(near) = nearest(text, words.iter().map(|(word, _)| *word)) {
                remedy = format!("did you mean \"{near}\"? {remedy}");
            }
            Err(Problem::new(format!("not a value of {}", key.1), remedy))
        })
        .unwrap_or(default)
    }

    /// A list of texts, each with where it stands; `parse` says what one means. A bad element is
    /// reported and left out.
    pub(super) fn list<T>(
        &mut self,
        key: Key,
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Option<Vec<(T, Span)>> {
        let (value, span) = self.take(key)?;
        let remedy = "write a list of texts, as in [\"one\", \"two\"]";
        let DeValue::Array(array) = value else {
            let in_brackets = match &value {
                DeValue::String(text) => format!("write [\"{text}\"]"),
                _ => remedy.to_owned(),
            };
            return self.wrong_type(span, &value, "a list", in_brackets);
        };
        let mut list = Vec::new();
        for element in array {
            let span = element.span();
            match element.into_inner() {
                DeValue::String(text) => {
                    if let Some(value) = self.accept(span.clone(), parse(&text)) {
                        list.push((value, span));
                    }
                }
                other => {
                    self.wrong_type::<()>(span, &other, "a text", remedy);
                }
            }
        }
        Some(list)
    }

    /// How many faults were found so far.
    pub(super) fn fault_count(&self) -> usize {
        self.faults.len()
    }

    /// True where the key stands in the text, whether its value was good or not.
    pub(super) fn has(&self, key: Key) -> bool {
        self.span_of(key).is_some()
    }

    /// Reports a fault of a key's whole value; of the section, or the file, where it has none.
    pub(super) fn fault_of(&mut self, key: Key, problem: Problem) {
        match self.span_of(key).or_else(|| self.span_of_section(key.0)) {
            Some(span) => self.fault(span, problem),
            // A key that must be there may stand on a line that could not be read.
            None if !self.broken_lines.is_empty() => {}
            None => self.faults.push(Fault::of_file(
                Severity::Error,
                self.file,
                problem.problem,
                problem.remedy,
            )),
        }
    }

    /// Reports a fault of what stands at `span`.
    pub(super) fn fault(&mut self, span: Span, problem: Problem) {
        let (line, column) = self.position(span.start);
        let source = self.text.get(span).unwrap_or_default();
        // What a person reads as the value: one line, without the quotes around it.
        let source = source.lines().next().unwrap_or_default().trim();
        let text = source
            .strip_prefix(['"', '\''])
            .and_then(|rest| rest.strip_suffix(['"', '\'']))
            .unwrap_or(source);
        self.faults.push(Fault {
            severity: Severity::Error,
            file: self.file.to_path_buf(),
            line,
            column,
            text: text.to_owned(),
            problem: problem.problem,
            remedy: problem.remedy,
        });
    }

    /// Reports every key that nobody asked for, and ends the reading: all faults, in the order of
    /// the text.
    pub(super) fn finish(mut self) -> Vec<Fault> {
        for (section, span) in std::mem::take(&mut self.sections) {
            if self.asked.iter().any(|((known, _), _)| *known == section) {
                continue;
            }
            // Its keys need no fault of their own.
            self.entries.retain(|entry| entry.section.as_deref() != Some(&section));
            let mut known: Vec<&str> = self.asked.iter().map(|((known, _), _)| *known).collect();
            known.dedup();
            let remedy = match nearest(&section, known.iter().copied()) {
                Some(near) => format!("did you mean [{near}]?"),
                None => format!("the sections are [{}]", known.join("], [")),
            };
            self.fault(span, Problem::new("unknown section", remedy));
        }
        for entry in std::mem::take(&mut self.entries) {
            let is_section = self.asked.iter().any(|((section, _), _)| *section == entry.key);
            let problem = if entry.section.is_none() && is_section {
                let remedy = format!("write [{}] on a line of its own, its keys below", entry.key);
                Problem::new("this is the name of a section", remedy)
            } else {
                Problem::new("unknown key", self.suggestion(&entry))
            };
            self.fault(entry.key_span, problem);
        }
        let broken = std::mem::take(&mut self.broken_lines);
        let mut faults = self.faults;
        faults.retain(|fault| {
            !broken.contains(&fault.line) || fault.problem.starts_with("this is not TOML")
        });
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults
    }

    /// Every key that was asked for.
    #[cfg(test)]
    pub(super) fn known_keys(&self) -> Vec<Key> {
        self.asked.iter().map(|(key, _)| *key).collect()
    }

    fn take(&mut self, key: Key) -> Option<(DeValue<'t>, Span)> {
        let found = self
            .entries
            .iter()
            .position(|entry| entry.section.as_deref() == Some(key.0) && entry.key == key.1)
            .map(|index| self.entries.swap_remove(index));
        self.asked.push((key, found.as_ref().map(|entry| entry.value_span.clone())));
        found.map(|entry| (entry.value, entry.value_span))
    }

    fn accept<T>(&mut self, span: Span, result: Result<T, Problem>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problem) => {
                self.fault(span, problem);
                None
            }
        }
    }

    fn wrong_type<T>(
        &mut self,
        span: Span,
        value: &DeValue<'_>,
        wanted: &str,
        remedy: impl Display,
    ) -> Option<T> {
        let found = match value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a section",
        };
        let problem = format!("this is {found}, where {wanted} is needed");
        self.fault(span, Problem::new(problem, remedy.to_string()));
        None
    }

    /// What an unknown key may have meant: a key of its own section first, then one of another.
    fn suggestion(&self, entry: &Entry<'_>) -> String {
        let here = || {
            let section = entry.section.as_deref();
            self.asked.iter().map(|(key, _)| *key).filter(move |key| Some(key.0) == section)
        };
        if let Some(near) = nearest(&entry.key, here().map(|key| key.1)) {
            return format!("did you mean {near}?");
        }
        let elsewhere = self.asked.iter().map(|(key, _)| *key);
        if let Some(near) = nearest(&entry.key, elsewhere.clone().map(|key| key.1))
            && let Some((section, key)) = elsewhere.clone().find(|key| key.1 == near)
        {
            return format!("did you mean {key} in section [{section}]?");
        }
        match &entry.section {
            Some(section) => {
                let keys: Vec<&str> = here().map(|key| key.1).collect();
                format!("the keys of [{section}] are {}", keys.join(", "))
            }
            None => "every key stands below a section, such as [server]".to_owned(),
        }
    }

    fn span_of(&self, key: Key) -> Option<Span> {
        self.asked.iter().find(|(asked, _)| *asked == key).and_then(|(_, span)| span.clone())
    }

    fn span_of_section(&self, section: &str) -> Option<Span> {
        self.sections.iter().find(|(name, _)| name == section).map(|(_, span)| span.clone())
    }

    /// Line, and column in characters, both from 1.
    fn position(&self, offset: usize) -> (u32, u32) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
}

fn toml_remedy(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "leave one of them out"
    } else if message.contains("string values must be quoted") {
        "put it in quotes, as in key = \"text\""
    } else {
        "write sections as in [server], and keys as in key = \"text\", key = 12, key = true or \
         key = [\"one\", \"two\"]"
    }
}

fn whole_number(value: &DeValue<'_>) -> Option<i64> {
    match value {
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
        _ => None,
    }
}
