//! Where a record ends.
//!
//! Owns the one rule by which both the file reader (which cuts a file into portions for several
//! threads) and the row readers (which walk through a portion) find record ends, so that they
//! cannot disagree. It does not look into fields.

use memchr::memchr;

/// How the records of a file are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A record is a line.
    Lines,
    /// A record is a line, but a field in double quotes may hold line ends.
    QuotedLines,
}

/// What stands after the last line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Perhaps more is to come: what has no line end is no record yet.
    Open,
    /// Nothing: what is left is a record.
    Final,
}

/// A quoted field that is longer than this was never closed: the record then ends with its line,
/// or one stray quote would swallow the rest of the file.
pub(super) const LONGEST_QUOTED: usize = 64 * 1024;

/// The length of the record at the start of `bytes`, its line end included. `None` where it isn't
/// all there.
pub(super) fn record_len(bytes: &[u8], framing: Framing, end: End) -> Option<usize> {
    let at_end = match end {
        End::Open => None,
        End::Final => (!bytes.is_empty()).then_some(bytes.len()),
    };
    let Some(line_end) = memchr(b'\n', bytes) else {
        return at_end;
    };
    let line_len = line_end + 1;
    match framing {
        Framing::Lines => Some(line_len),
        Framing::QuotedLines => {
            let line = &bytes[..line_end];
            match memchr(b'"', line) {
                None => Some(line_len),
                Some(quote) => match quoted_record_len(bytes, quote) {
                    Some(len) => Some(len),
                    None if bytes.len() > LONGEST_QUOTED => Some(line_len),
                    None => match end {
                        End::Open => None,
                        End::Final if ends_in_last_line(bytes, line_len) => Some(bytes.len()),
                        End::Final => Some(line_len),
                    },
                },
            }
        }
    }
}

/// Cuts `bytes` behind the last whole record; also tells how many line ends stand before the cut.
pub(super) fn whole_records(bytes: &[u8], framing: Framing) -> (usize, u32) {
    let lines = |len: usize| memchr::memchr_iter(b'\n', &bytes[..len]).count() as u32;
    let cut = match framing {
        Framing::QuotedLines if memchr(b'"', bytes).is_some() => {
            let mut cut = 0;
            while let Some(len) = record_len(&bytes[cut..], framing, End::Open) {
                cut += len;
            }
            cut
        }
        _ => memchr::memrchr(b'\n', bytes).map_or(0, |line_end| line_end + 1),
    };
    (cut, lines(cut))
}

/// The length of a record with quotes, found as a CSV reader does it: a quote opens a field only
/// at its start, and a doubled one stands for itself.
fn quoted_record_len(bytes: &[u8], first_quote: usize) -> Option<usize> {
    let window = &bytes[..bytes.len().min(LONGEST_QUOTED)];
    let mut is_within = false;
    let mut marks = marks(&window[first_quote..], [b'"', b'\n']).map(|mark| first_quote + mark);
    while let Some(at) = marks.next() {
        match window[at] {
            b'\n' if !is_within => return Some(at + 1),
            b'\n' => {}
            _ if !is_within => is_within = at == 0 || window[at - 1] == b',',
            _ if window.get(at + 1) == Some(&b'"') => {
                marks.next();
            }
            _ => is_within = false,
        }
    }
    None
}

/// Where these bytes are. Values are short: to look at eight bytes at once, and to go on,
/// takes a third of what `memchr` takes to begin anew behind each.
pub(super) fn marks<const N: usize>(bytes: &[u8], sought: [u8; N]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    let mut left = 0;
    std::iter::from_fn(move || {
        while left == 0 {
            let ahead = bytes.get(at..).filter(|ahead| !ahead.is_empty())?;
            left = found_in(first_word(ahead), sought);
            at += 8;
        }
        let mark = at - 8 + left.trailing_zeros() as usize / 8;
        left &= left - 1;
        Some(mark)
    })
}

/// The same of all that there are, which takes less than one by one.
pub(super) fn each_mark<const N: usize>(
    bytes: &[u8],
    sought: [u8; N],
    mut take: impl FnMut(usize),
) {
    let (words, rest) = bytes.as_chunks();
    let words = words.iter().map(|&word| u64::from_le_bytes(word));
    for (word, at) in words.chain([first_word(rest)]).zip((0..).step_by(8)) {
        let mut left = found_in(word, sought);
        while left != 0 {
            take(at + left.trailing_zeros() as usize / 8);
            left &= left - 1;
        }
    }
}

/// The first eight bytes, or zeros behind fewer.
fn first_word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    match bytes.first_chunk() {
        Some(eight) => word = *eight,
        None => word[..bytes.len()].copy_from_slice(bytes),
    }
    u64::from_le_bytes(word)
}

/// In the highest bit of each byte: whether it is one of those sought, none of which is zero.
fn found_in<const N: usize>(word: u64, sought: [u8; N]) -> u64 {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const LOW: u64 = EACH * 0x7f;
    let without = |byte: u8| {
        let other = word ^ (EACH * u64::from(byte));
        ((other & LOW) + LOW) | other
    };
    !sought.into_iter().fold(!0, |all, byte| all & without(byte)) & !LOW
}

/// Whether only the final line, which has no line end, is left for the open quote.
fn ends_in_last_line(bytes: &[u8], line_len: usize) -> bool {
    bytes.len() <= line_len
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(text: &str, framing: Framing, end: End) -> Vec<&str> {
        let (mut at, mut found) = (0, Vec::new());
        while let Some(len) = record_len(&text.as_bytes()[at..], framing, end) {
            found.push(&text[at..at + len]);
            at += len;
        }
        found
    }

    #[test]
    fn a_quoted_line_end_is_part_of_the_record() {
        let text = "a,\"b\nc\",d\ne,f\n";
        assert_eq!(records(text, Framing::QuotedLines, End::Open), ["a,\"b\nc\",d\n", "e,f\n"]);
        assert_eq!(records(text, Framing::Lines, End::Open).len(), 3);
    }

    #[test]
    fn a_quote_inside_a_field_opens_nothing() {
        let text = "a,5\" disk\nb,c\n";
        assert_eq!(records(text, Framing::QuotedLines, End::Open), ["a,5\" disk\n", "b,c\n"]);
    }

    #[test]
    fn doubled_quotes_do_not_close() {
        let text = "a,\"b\"\"\n\"\"c\"\nd\n";
        assert_eq!(records(text, Framing::QuotedLines, End::Open), ["a,\"b\"\"\n\"\"c\"\n", "d\n"]);
    }

    #[test]
    fn a_record_without_line_end_is_whole_only_at_the_final_end() {
        assert_eq!(records("a\nb", Framing::Lines, End::Open), ["a\n"]);
        assert_eq!(records("a\nb", Framing::Lines, End::Final), ["a\n", "b"]);
        assert_eq!(records("a,\"b\n", Framing::QuotedLines, End::Open), [""; 0]);
        assert_eq!(records("a,\"b\nc\n", Framing::QuotedLines, End::Final), ["a,\"b\n", "c\n"]);
    }

    #[test]
    fn a_quote_that_never_closes_costs_one_line() {
        let mut text = "a,\"b\n".to_owned();
        while text.len() <= LONGEST_QUOTED {
            text.push_str("c,d\n");
        }
        let found = records(&text, Framing::QuotedLines, End::Open);
        assert_eq!(found[..2], ["a,\"b\n", "c,d\n"]);
    }

    /// As [`quoted_record_len`], byte by byte.
    fn walked_len(bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] == b'"' && (at == 0 || bytes[at - 1] == b',') {
                at += 1;
                loop {
                    match (bytes.get(at)?, bytes.get(at + 1)) {
                        (b'"', Some(b'"')) => at += 2,
                        (b'"', _) => break,
                        _ => at += 1,
                    }
                }
            } else if bytes[at] == b'\n' {
                return Some(at + 1);
            }
            at += 1;
        }
        None
    }

    proptest! {
        #[test]
        fn marks_are_the_bytes_sought(row in "[,\"-+!#a\u{a2}\u{ac}例]{0,40}") {
            let expected: Vec<usize> = memchr::memchr2_iter(b',', b'"', row.as_bytes()).collect();
            let found: Vec<usize> = marks(row.as_bytes(), [b',', b'"']).collect();
            prop_assert_eq!(&found, &expected);
            let mut told = Vec::new();
            each_mark(row.as_bytes(), [b',', b'"'], |mark| told.push(mark));
            prop_assert_eq!(told, expected);
        }

        #[test]
        fn a_record_with_quotes_ends_where_a_walk_ends(text in "[ab]{0,9}\"[ab,\"\n]{0,30}\n?") {
            let first = text.find('"').unwrap_or_default();
            let found = quoted_record_len(text.as_bytes(), first);
            prop_assert_eq!(found, walked_len(text.as_bytes()));
        }

        /// Cutting a text anywhere and reading on behind the cut finds the same records.
        #[test]
        fn portions_hold_the_records_of_the_whole(text in "[ab,\"\n]{0,60}", cut in 0usize..60) {
            for framing in [Framing::Lines, Framing::QuotedLines] {
                let whole = records(&text, framing, End::Open);
                let cut = cut.min(text.len());
                let (end, lines) = whole_records(&text.as_bytes()[..cut], framing);
                let mut found = records(&text[..end], framing, End::Final);
                prop_assert_eq!(lines as usize, text[..end].matches('\n').count());
                found.extend(records(&text[end..], framing, End::Open));
                prop_assert_eq!(found, whole);
            }
        }
    }
}
