//! What the ministry's public query returns, saved as a `.json` file.
//!
//! It proves that a domain is filed, never with whom (no provider), and never since when: its
//! `updateRecordTime` moves with every approved change, so it becomes `updated_at` and nothing
//! else. A reply that reports a failure is no statement about any domain.

use serde_json::{Map, Value};

use super::ndjson;
use super::rows::{HeaderFault, RowProblem};
use crate::filing::record::{Field, Fields};

/// One record of the reply, with the field names that all other readers use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueriedRecord {
    /// The line on which the object begins.
    pub(super) line: u32,
    values: Vec<(Field, String)>,
}

impl QueriedRecord {
    pub(super) fn fields(&self) -> Fields<'_> {
        let mut fields = Fields::default();
        for (field, value) in &self.values {
            fields.set(*field, value.as_str());
        }
        fields
    }
}

/// The reply's name of a field.
pub(super) fn name_in_reply(field: Field) -> Option<&'static str> {
    TRANSLATED.iter().find(|(_, known)| *known == field).map(|(name, _)| *name)
}

pub(super) const TRANSLATED: [(&str, Field); 7] = [
    ("domain", Field::Domain),
    ("mainLicence", Field::SubjectNumber),
    ("serviceLicence", Field::SiteNumber),
    ("unitName", Field::Subject),
    ("natureName", Field::Nature),
    ("limitAccess", Field::Restricted),
    ("updateRecordTime", Field::UpdatedAt),
];

/// Whether the text may yet become a reply when more of it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finished {
    Yes,
    /// It ends in the middle.
    No,
}

/// A record, or what is wrong with the object in its place.
pub(super) type QueriedRow = Result<QueriedRecord, (u32, RowProblem)>;

/// Reads a reply: the envelope, or a bare list or object of records.
pub(super) fn reply(text: &str) -> Result<Vec<QueriedRow>, (Finished, HeaderFault)> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let finished = if error.is_eof() { Finished::No } else { Finished::Yes };
        let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        (
            finished,
            HeaderFault {
                text: line.trim().to_owned(),
                problem: format!("not JSON (line {}, column {})", error.line(), error.column()),
                remedy: REMEDY.into(),
            },
        )
    })?;
    let whole = |problem: String, shown: &Value| {
        (Finished::Yes, HeaderFault { text: shown.to_string(), problem, remedy: REMEDY.into() })
    };
    let mut lines = object_lines(text).into_iter();
    let records = match value {
        Value::Array(records) => records,
        Value::Object(mut envelope) if envelope.contains_key("code") => {
            let code = &envelope["code"];
            if code.as_u64() != Some(200) && code.as_str() != Some("200") {
                let message = envelope.get("msg").and_then(Value::as_str).unwrap_or_default();
                return Err(whole(
                    format!(
                        "the ministry's query failed ({message}): this says nothing of any filing"
                    ),
                    code,
                ));
            }
            if let Some(false) = envelope.get("success").and_then(Value::as_bool) {
                return Err(whole(
                    "the ministry's query was not successful: this says nothing of any filing"
                        .into(),
                    &envelope["success"],
                ));
            }
            let list = envelope.get_mut("params").and_then(|params| params.get_mut("list"));
            match list.map(Value::take) {
                Some(Value::Array(records)) => records,
                _ => {
                    return Err(whole("the reply has no params.list".into(), &envelope["code"]));
                }
            }
        }
        Value::Object(record) if record.contains_key("domain") => {
            lines = vec![1].into_iter();
            vec![Value::Object(record)]
        }
        other => return Err(whole("not a reply of the ministry's query".into(), &other)),
    };
    Ok(records
        .iter()
        .map(|record| {
            let line = lines.next().unwrap_or(0);
            match record {
                Value::Object(record) => translate(line, record).map_err(|problem| (line, problem)),
                other => Err((
                    line,
                    RowProblem {
                        column: 0,
                        text: other.to_string(),
                        problem: "a record is an object".into(),
                        remedy: REMEDY.into(),
                    },
                )),
            }
        })
        .collect())
}

const REMEDY: &str = "save the reply of the ministry's query as it came, with code 200; records \
                      of your own go into a .csv or .ndjson file";

fn translate(line: u32, record: &Map<String, Value>) -> Result<QueriedRecord, RowProblem> {
    if !record.contains_key("mainLicence") && !record.contains_key("serviceLicence") {
        return Err(RowProblem {
            column: 0,
            text: Value::Object(record.clone()).to_string(),
            problem: "the record has neither mainLicence nor serviceLicence".into(),
            remedy: REMEDY.into(),
        });
    }
    let mut values = vec![(Field::Status, "in-force".to_owned())];
    for (name, field) in TRANSLATED {
        let Some(value) = record.get(name) else { continue };
        let value = ndjson::scalar(value).ok_or_else(|| RowProblem {
            column: 0,
            text: value.to_string(),
            problem: format!("the value of \"{name}\" is not text"),
            remedy: REMEDY.into(),
        })?;
        values.push((
            field,
            match field {
                Field::UpdatedAt => with_offset(&value),
                _ => value,
            },
        ));
    }
    Ok(QueriedRecord { line, values })
}

/// The ministry writes Beijing time, `2025-10-09 16:00:40`, and does not say so.
fn with_offset(time: &str) -> String {
    let time = time.trim();
    let is_local = time.len() == 19 && time.as_bytes().get(10) == Some(&b' ');
    if is_local { format!("{}+08:00", time.replacen(' ', "T", 1)) } else { time.to_owned() }
}

/// The lines on which objects begin that stand right in an array, in their order.
fn object_lines(text: &str) -> Vec<u32> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let (mut line, mut in_string, mut escaped) = (1, false, false);
    for byte in text.bytes() {
        match byte {
            b'\n' => line += 1,
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => {
                if open.last() == Some(&b'[') {
                    found.push(line);
                }
                open.push(byte);
            }
            b'[' => open.push(byte),
            b'}' | b']' => {
                open.pop();
            }
            _ => {}
        }
    }
    found
}
