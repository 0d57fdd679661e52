//! NDJSON: one object a line, its keys the names of the fields.
//!
//! A flat object of plain strings, which is what machines write, is read where it stands; anything
//! else goes through `serde_json`.

use serde_json::{Map, Value};

use super::rows::RowProblem;
use crate::filing::record::{Field, Fields};

/// Buffers that are used again for each line.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// Values that don't stand in the line as they are.
    values: Vec<(Field, String)>,
    /// The keys of the line before, which most writers repeat in the same order.
    keys: Vec<(String, Option<Field>)>,
}

/// Reads one line. `unknown` is told each key that is not a field.
pub(super) fn object<'a>(
    line: &'a str,
    decoded: &'a mut Decoded,
    fields: &mut Fields<'a>,
    unknown: &mut dyn FnMut(&str),
) -> Result<(), RowProblem> {
    if plain_object(line, &mut decoded.keys, fields, unknown).is_some() {
        return Ok(());
    }
    *fields = Fields::default();
    let object: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
        // serde_json counts bytes, and from 1.
        let at = error.column().saturating_sub(1).min(line.len());
        let before = line.as_bytes().get(..at).map_or(0, count_chars);
        RowProblem {
            column: before + 1,
            text: line.trim().to_owned(),
            problem: match error.classify() {
                serde_json::error::Category::Data => "the line is not a JSON object".to_owned(),
                serde_json::error::Category::Eof => "the JSON object is not finished".to_owned(),
                _ => "the line is not JSON".to_owned(),
            },
            remedy: "write one object a line, as in {\"domain\":\"example.cn\"}".into(),
        }
    })?;
    decoded.values.clear();
    for (key, value) in object {
        let Some(field) = Field::parse(&key) else {
            unknown(&key);
            continue;
        };
        decoded.values.push((
            field,
            scalar(&value).ok_or_else(|| RowProblem {
                column: position(line, &key)
                    .map_or(0, |at| count_chars(&line.as_bytes()[..at]) + 1),
                text: value.to_string(),
                problem: format!("the value of \"{key}\" is not text"),
                remedy: "write a string, true, false or null".into(),
            })?,
        ));
    }
    let decoded: &'a Decoded = decoded;
    for (field, value) in &decoded.values {
        fields.set(*field, value.as_str());
    }
    Ok(())
}

/// A value as a CSV file would hold it.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Bool(false) => Some("no".to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The byte in the text at which the value of a key begins.
pub(super) fn position(text: &str, key: &str) -> Option<usize> {
    let quoted = format!("\"{key}\"");
    let behind_key = text.find(&quoted)? + quoted.len();
    let rest = text[behind_key..].trim_start();
    let rest = rest.strip_prefix(':')?.trim_start();
    let rest = rest.strip_prefix('"').unwrap_or(rest);
    Some(text.len() - rest.len())
}

/// The value of a key, where it is written as it mostly is: found without reading the line.
pub(super) fn perhaps_value(line: &[u8], field: Field) -> Option<&[u8]> {
    let key = field.name().as_bytes();
    let at = memchr::memmem::find(line, key)?;
    let behind = line.get(at + key.len()..)?.strip_prefix(b"\"")?.trim_ascii_start();
    let value = behind.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    value.get(..memchr::memchr(b'"', value)?)
}

fn count_chars(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count() as u32
}

/// Reads an object of strings without escapes, `true`, `false` and `null`. `None`: it is something
/// else, or no JSON.
fn plain_object<'a>(
    line: &'a str,
    keys: &mut Vec<(String, Option<Field>)>,
    fields: &mut Fields<'a>,
    unknown: &mut dyn FnMut(&str),
) -> Option<()> {
    let mut index = 0;
    let mut rest = line.trim_ascii().strip_prefix('{')?.trim_ascii_start();
    if rest == "}" {
        return Some(());
    }
    loop {
        let (key, behind) = plain_string(rest)?;
        let behind = without(behind.trim_ascii_start(), b':')?.trim_ascii_start();
        let (value, behind) = if behind.starts_with('"') {
            plain_string(behind)?
        } else {
            [("true", "yes"), ("false", "no"), ("null", "")]
                .into_iter()
                .find_map(|(word, value)| Some((value, behind.strip_prefix(word)?)))?
        };
        let field = match keys.get(index) {
            Some((before, field)) if before == key => *field,
            _ => {
                keys.truncate(index);
                keys.push((key.to_owned(), Field::parse(key)));
                keys[index].1
            }
        };
        index += 1;
        match field {
            Some(field) => fields.set(field, value),
            None => unknown(key),
        }
        let behind = behind.trim_ascii_start();
        if behind == "}" {
            return Some(());
        }
        rest = without(behind, b',')?.trim_ascii_start();
    }
}

/// The string at the start of the text, and what stands behind it.
fn plain_string(text: &str) -> Option<(&str, &str)> {
    let text = without(text, b'"')?;
    let end = memchr::memchr2(b'"', b'\\', text.as_bytes())?;
    let (string, rest) = (&text[..end], &text[end..]);
    Some((string, without(rest, b'"')?))
}

/// What stands behind a character of ASCII at the start of the text. `str::strip_prefix` takes six
/// times as long.
fn without(text: &str, first: u8) -> Option<&str> {
    debug_assert!(first.is_ascii());
    if text.as_bytes().first() == Some(&first) { text.get(1..) } else { None }
}
