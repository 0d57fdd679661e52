//! CSV: the header, and the fields of a row.
//!
//! A row is split where it stands, also one with whole values in quotes; what has stranger quotes
//! goes through `csv-core`.

use csv_core::{ReadRecordResult, Reader};

use serde::{Deserialize, Serialize};

use super::rows::{Header, HeaderFault, RowProblem};
use super::split::{each_mark, marks};
use crate::filing::record::{Field, Fields};

/// What the columns of a file mean, from its header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Columns(Vec<Option<Field>>);

/// Buffers for rows with quotes, used again for each.
#[derive(Debug, Default)]
pub(super) struct Unquoted {
    /// Made once: that takes longer than a hundred rows.
    reader: Option<Reader>,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Columns {
    /// Reads the header, which must name the column `domain`; names that mean nothing to us are
    /// told once.
    pub(super) fn parse(header: &str) -> Result<Header<Columns>, HeaderFault> {
        let mut unquoted = Unquoted::default();
        let names: Vec<String> = match unquoted.split(header) {
            Ok(count) => (0..count).map(|i| unquoted.field(i).unwrap_or_default().into()).collect(),
            Err(_) => Vec::new(),
        };
        let (mut columns, mut unknown) = (Vec::new(), Vec::new());
        for name in &names {
            let name = name.trim().to_ascii_lowercase();
            let field = Field::parse(&name);
            if field.is_some() && columns.contains(&field) {
                return Err(HeaderFault {
                    text: name,
                    problem: "the header names this column twice".into(),
                    remedy: "name each column once".into(),
                });
            }
            if field.is_none() && !name.is_empty() {
                unknown.push(name);
            }
            columns.push(field);
        }
        if !columns.contains(&Some(Field::Domain)) {
            return Err(HeaderFault {
                text: header.trim_end().to_owned(),
                problem: "the first line does not name a column \"domain\"".into(),
                remedy: "begin the file with a header such as domain,subject_number,status, \
                         separated by commas"
                    .into(),
            });
        }
        Ok(Header { layout: Columns(columns), unknown })
    }

    /// Reads one row, with or without its line end.
    pub(super) fn row<'a>(
        &self,
        row: &'a str,
        unquoted: &'a mut Unquoted,
        fields: &mut Fields<'a>,
    ) -> Result<(), RowProblem> {
        let row = row.strip_suffix('\n').unwrap_or(row);
        let row = row.strip_suffix('\r').unwrap_or(row);
        let mut found = 0;
        let mut set = |value: &'a str| {
            if let Some(Some(field)) = self.0.get(found) {
                fields.set(*field, value);
            }
            found += 1;
        };
        if memchr::memchr(b'"', row.as_bytes()).is_none() {
            let mut start = 0;
            each_mark(row.as_bytes(), [b','], |end| {
                set(&row[start..end]);
                start = end + 1;
            });
            set(&row[start..]);
        } else if !each_plain_value(row, &mut set) {
            *fields = Fields::default();
            found = unquoted.split(row)?;
            let unquoted: &'a Unquoted = unquoted;
            for (index, field) in self.0.iter().enumerate() {
                if let (Some(field), Some(value)) = (field, unquoted.field(index)) {
                    fields.set(*field, value);
                }
            }
        }
        if found == self.0.len() {
            Ok(())
        } else {
            Err(RowProblem {
                column: 0,
                text: row.to_owned(),
                problem: format!(
                    "the row has {found} fields where the header has {}",
                    self.0.len()
                ),
                remedy: "give every column a value, if an empty one, and put values that hold \
                         a comma in double quotes"
                    .into(),
            })
        }
    }

    /// The value of a field, where no value before it holds a comma: found without reading the row.
    pub(super) fn perhaps_value<'a>(&self, row: &'a [u8], field: Field) -> Option<&'a [u8]> {
        let index = self.0.iter().position(|&column| column == Some(field))?;
        let mut ends = marks(row, [b',', b'\r', b'\n']);
        let start = match index.checked_sub(1) {
            None => 0,
            Some(before) => ends.nth(before)? + 1,
        };
        let value = row.get(start..ends.next().unwrap_or(row.len()))?;
        let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        Some(unquoted.unwrap_or(value))
    }

    /// The byte in the row at which a field's value begins.
    pub(super) fn position(&self, row: &str, field: Field) -> Option<usize> {
        let index = self.0.iter().position(|&column| column == Some(field))?;
        let bytes = row.as_bytes();
        let mut start = 0;
        for _ in 0..index {
            let quoted = bytes.get(start) == Some(&b'"');
            let mut inside = quoted;
            let mut at = start + usize::from(quoted);
            while let Some(&byte) = bytes.get(at) {
                match byte {
                    b'"' if quoted => inside = !inside,
                    b',' if !inside => break,
                    _ => {}
                }
                at += 1;
            }
            start = at + 1;
        }
        (start < bytes.len()).then(|| start + usize::from(bytes[start] == b'"'))
    }
}

/// The values of a row with quotes, where these stand around whole values only. False where they do
/// not; some values may have been told then.
fn each_plain_value<'a>(row: &'a str, take: &mut impl FnMut(&'a str)) -> bool {
    let mut start = 0;
    // Within quotes a comma is part of the value.
    let mut quoted_to = 0;
    let mut is_quoted = false;
    for mark in marks(row.as_bytes(), [b',', b'"']).chain(std::iter::once(row.len())) {
        if mark < quoted_to {
            continue;
        }
        let is_quote = row.as_bytes().get(mark) == Some(&b'"');
        match (is_quote, is_quoted) {
            (false, false) => take(&row[start..mark]),
            (false, true) if mark == quoted_to => take(&row[start + 1..mark - 1]),
            (true, false) if mark == start => {
                let Some(len) = memchr::memchr(b'"', &row.as_bytes()[mark + 1..]) else {
                    return false;
                };
                quoted_to = mark + len + 2;
                is_quoted = true;
                continue;
            }
            _ => return false,
        }
        is_quoted = false;
        start = mark + 1;
    }
    // To `csv-core`, a line end outside of quotes ends the row.
    memchr::memchr2(b'\r', b'\n', row.as_bytes()).is_none()
}

impl Unquoted {
    /// Takes the quotes off a row; the number of its fields.
    fn split(&mut self, row: &str) -> Result<usize, RowProblem> {
        self.text.clear();
        self.text.resize(row.len() + 1, 0);
        self.ends.clear();
        self.ends.resize(memchr::memchr_iter(b',', row.as_bytes()).count() + 2, 0);
        let reader = self.reader.get_or_insert_with(Reader::new);
        reader.reset();
        let (mut read, mut written, mut found) = (0, 0, 0);
        loop {
            let (result, more_read, more_written, more_found) = reader.read_record(
                &row.as_bytes()[read..],
                &mut self.text[written..],
                &mut self.ends[found..],
            );
            read += more_read;
            written += more_written;
            found += more_found;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record if row[read..].trim().is_empty() => return Ok(found),
                ReadRecordResult::End => return Ok(found),
                // The buffers hold any row of that length: what is left is a stray line end.
                _ => {
                    return Err(RowProblem {
                        column: 0,
                        text: row.to_owned(),
                        problem: "the row is broken by a stray quote or line end".into(),
                        remedy: "close the quotes, and double those within a value".into(),
                    });
                }
            }
        }
    }

    fn field(&self, index: usize) -> Option<&str> {
        let start = match index {
            0 => 0,
            _ => *self.ends.get(index - 1)?,
        };
        let end = *self.ends.get(index)?;
        // `csv-core` splits UTF-8 text at ASCII bytes only, so this is UTF-8.
        std::str::from_utf8(self.text.get(start..end)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The values of a row, by what takes any row.
    fn by_csv_core(row: &str) -> Option<Vec<String>> {
        let mut unquoted = Unquoted::default();
        let found = unquoted.split(row).ok()?;
        (0..found).map(|index| unquoted.field(index).map(str::to_owned)).collect()
    }

    proptest! {
        #[test]
        fn plain_values_are_those_of_any_row(
            row in "[a,\"例 \r\n]{0,12}|((a|例| |\"\"|\"a,例\"|\"\n\r\"|\"a\"\"\"),){0,6}(a|\"b\"|\"b|\"b\"c)?",
        ) {
            let mut values = Vec::new();
            if each_plain_value(&row, &mut |value: &str| values.push(value.to_owned())) {
                // To `csv-core`, an empty row is none.
                let expected = by_csv_core(&row).filter(|_| !row.is_empty());
                prop_assert_eq!(values, expected.unwrap_or_else(|| vec![String::new()]));
            }
        }
    }
}
