//! A filing file written again in another format: CSV, NDJSON, or what the ministry's public query
//! returns.
//!
//! Texts stay as they are written, but where the ministry has words of its own. What its reply has
//! no place for is told, not dropped in silence.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value};

use super::miit::TRANSLATED;
use super::read::each_record;
use crate::fault::{Fault, Severity};
use crate::filing::record::{Field, Fields, FilingRecord};
use crate::filing::{Kind, Standing};

/// A format that filing files are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// A header with every field, a line for each record.
    Csv,
    /// One JSON object a line, with the fields that are not empty.
    Ndjson,
    /// A reply of the ministry's public query, of one page.
    MiitQuery,
}

/// What was written, and what was not.
#[derive(Debug, Default)]
pub struct Converted {
    /// Records written.
    pub records: u64,
    /// Lines that could not be read, and what the format has no place for.
    pub faults: Vec<Fault>,
}

/// Why nothing useful was written.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(Box<Fault>),
    /// The output cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Writes the records of a file in a format.
pub fn convert(
    from: &Path,
    to: FileFormat,
    out: &mut dyn Write,
) -> Result<Converted, ConvertError> {
    let mut converted = Converted::default();
    let mut left = LeftOut::default();
    let mut written = Ok(());
    match to {
        FileFormat::Csv => {
            let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
            writeln!(out, "{}", names.join(","))?;
        }
        FileFormat::Ndjson => {}
        FileFormat::MiitQuery => {
            write!(
                out,
                "{{\"code\":200,\"msg\":\"操作成功\",\"success\":true,\"params\":{{\"list\":["
            )?;
        }
    }
    let faults = each_record(from, &mut |_, fields| {
        if written.is_err() {
            return;
        }
        written = match to {
            FileFormat::Csv => write_row(fields, out).map(|()| true),
            FileFormat::Ndjson => write_object(fields, out).map(|()| true),
            FileFormat::MiitQuery => match queried(fields, &mut left) {
                None => Ok(false),
                Some(object) => {
                    let separator = if converted.records == 0 { "\n" } else { ",\n" };
                    write!(out, "{separator}{}", Value::Object(object)).map(|()| true)
                }
            },
        }
        .map(|is_written| converted.records += u64::from(is_written));
    })
    .map_err(ConvertError::Unreadable)?;
    written?;
    if to == FileFormat::MiitQuery {
        let total = converted.records;
        writeln!(out, "\n],\"total\":{total},\"pageNum\":1,\"pageSize\":{total},\"pages\":1}}}}")?;
    }
    converted.faults = faults;
    converted.faults.extend(left.faults(from));
    Ok(converted)
}

fn write_row(fields: &Fields<'_>, out: &mut dyn Write) -> io::Result<()> {
    for (index, field) in Field::ALL.into_iter().enumerate() {
        let text = fields.get(field);
        let separator = if index == 0 { "" } else { "," };
        if text.contains([',', '"', '\n', '\r']) {
            write!(out, "{separator}\"{}\"", text.replace('"', "\"\""))?;
        } else {
            write!(out, "{separator}{text}")?;
        }
    }
    writeln!(out)
}

fn write_object(fields: &Fields<'_>, out: &mut dyn Write) -> io::Result<()> {
    let texts = Field::ALL.into_iter().map(|field| (field, fields.get(field)));
    let object: Map<String, Value> = texts
        .filter(|(_, text)| !text.is_empty())
        .map(|(field, text)| (field.name().to_owned(), text.into()))
        .collect();
    writeln!(out, "{}", Value::Object(object))
}

/// What the ministry's reply has no place for.
#[derive(Default)]
struct LeftOut {
    records: u64,
    fields: BTreeSet<Field>,
}

impl LeftOut {
    fn faults(&self, file: &Path) -> impl Iterator<Item = Fault> {
        let warning = |problem: String, remedy: &str| {
            Fault::of_file(Severity::Warning, file, problem, remedy)
        };
        let records = (self.records > 0).then(|| {
            warning(
                format!("{} records left out: not a website's filing in force", self.records),
                "the ministry's query shows nothing else; write CSV or NDJSON to keep them",
            )
        });
        let names: Vec<&str> = self.fields.iter().map(|field| field.name()).collect();
        let fields = (!names.is_empty()).then(|| {
            warning(
                format!("fields left out: {}", names.join(", ")),
                "the ministry's reply has no place for them; write CSV or NDJSON to keep them",
            )
        });
        records.into_iter().chain(fields)
    }
}

/// The record as the ministry shows it: only what is filed and in force, and its own words.
fn queried(fields: &Fields<'_>, left: &mut LeftOut) -> Option<Map<String, Value>> {
    let (record, _) = FilingRecord::from_fields(fields);
    let Some(record) = record
        .filter(|record| record.standing == Standing::InForce && record.kind == Kind::Website)
    else {
        left.records += 1;
        return None;
    };
    let translated = |field: Field| TRANSLATED.iter().any(|(_, known)| *known == field);
    left.fields.extend(Field::ALL.into_iter().filter(|field| {
        !translated(*field)
            && !matches!(field, Field::Status | Field::Kind)
            && !fields.get(*field).is_empty()
    }));
    let value = |field: Field| match field {
        Field::Restricted => if record.restricted { "是" } else { "否" }.to_owned(),
        Field::Nature => record.nature.map_or_else(String::new, |nature| nature.chinese().into()),
        Field::Domain => record.domain.to_string(),
        // The ministry writes Beijing time, and does not say so.
        Field::UpdatedAt => record.updated_at.map_or_else(String::new, |at| {
            at.in_beijing().trim_end_matches("+08:00").replace('T', " ")
        }),
        _ => fields.get(field).to_owned(),
    };
    Some(
        TRANSLATED.iter().map(|(name, field)| ((*name).to_owned(), value(*field).into())).collect(),
    )
}
