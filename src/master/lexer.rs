//! Words of a master file (RFC 1035 §5.1): blanks, comments, quotes, parentheses and escapes.
//!
//! Owns where a word starts and ends and where it stands. What a word means, and what its
//! escapes stand for, is the caller's business.

use std::borrow::Cow;

use memchr::memchr2;

/// A place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Offset of the place; a text has no more than 4 GiB.
    pub(super) at: u32,
    /// Line, counted from 1.
    pub(super) line: u32,
    /// Offset of the line's first byte.
    pub(super) line_start: u32,
}

/// Whether a word stood in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    Bare,
    Quoted,
}

/// One word: its text without the quotes, escapes as written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a [u8],
    pub(super) quoting: Quoting,
    pub(super) mark: Mark,
}

impl Word<'_> {
    /// The fault that this word is.
    pub(super) fn bad(
        &self,
        problem: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Box<Bad> {
        Bad::new(self.mark, self.text, problem, remedy)
    }
}

/// What is wrong with the text, and where.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) mark: Mark,
    pub(super) text: Vec<u8>,
    pub(super) problem: Cow<'static, str>,
    pub(super) remedy: Cow<'static, str>,
}

impl Bad {
    pub(super) fn new(
        mark: Mark,
        text: &[u8],
        problem: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Box<Bad> {
        let text = text[..text.len().min(MAX_SHOWN)].to_vec();
        Box::new(Bad { mark, text, problem: problem.into(), remedy: remedy.into() })
    }
}

/// Most of an offending text that a fault carries, in bytes.
const MAX_SHOWN: usize = 400;

/// A result whose error is boxed, so that good records carry nothing big around.
pub(super) type Outcome<T> = Result<T, Box<Bad>>;

/// Reads the words of one text from front to back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
    line_start: u32,
    /// Parentheses open.
    depth: u32,
    /// Where the outermost of them stands.
    opened: Mark,
}

/// What a byte does in a bare word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Belongs to the word.
    Word,
    /// Ends the word.
    End,
    /// Takes the next byte along.
    Backslash,
    /// Must be written as `\DDD`.
    Control,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Word; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' | b'"' => Kind::End,
            b'\\' => Kind::Backslash,
            0..=0x1f | 0x7f => Kind::Control,
            _ => Kind::Word,
        };
        byte += 1;
    }
    kinds
};

#[inline]
fn kind(byte: u8) -> Kind {
    KINDS[usize::from(byte)]
}

/// The bytes of a bare word that `rest` starts with, up to the first that is special.
#[inline]
fn plain(rest: &[u8]) -> &[u8] {
    let len = rest.iter().position(|byte| kind(*byte) != Kind::Word);
    &rest[..len.unwrap_or(rest.len())]
}

/// The bytes of a quoted word that `rest` starts with, up to the first that is special.
fn plain_in_quotes(rest: &[u8]) -> &[u8] {
    // Long texts without any are the rule. Without branches, many bytes are compared at a time.
    let is_special = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\') | (byte == 0x7f);
    let (chunks, _) = rest.as_chunks::<32>();
    let is_plain = |chunk: &&[u8; 32]| !chunk.iter().fold(false, |any, b| any | is_special(*b));
    let skipped = 32 * chunks.iter().take_while(is_plain).count();
    let len = rest[skipped..].iter().position(|byte| is_special(*byte));
    &rest[..len.map_or(rest.len(), |len| skipped + len)]
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Lexer<'a> {
        let start = Mark { at: 0, line: 1, line_start: 0 };
        Lexer { bytes, at: 0, line: 1, line_start: 0, depth: 0, opened: start }
    }

    /// The place of the next byte.
    #[inline]
    pub(super) fn mark(&self) -> Mark {
        Mark { at: self.at as u32, line: self.line, line_start: self.line_start }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// True where the line goes on with a space or a tab.
    #[inline]
    pub(super) fn is_at_blank(&self) -> bool {
        matches!(self.bytes.get(self.at), Some(b' ' | b'\t'))
    }

    #[inline]
    fn end_of_blanks(&self) -> usize {
        let mut at = self.at;
        while matches!(self.bytes.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        at
    }

    /// The next byte that is no blank, within the line.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.end_of_blanks()).copied()
    }

    /// The next word; `None` at the end of the entry, which is the end of the line unless
    /// parentheses are open.
    pub(super) fn next(&mut self) -> Outcome<Option<Word<'a>>> {
        match self.next_plain() {
            Some(word) => Ok(Some(word)),
            None if self.depth == 0 && self.bytes.get(self.at) == Some(&b'\n') => Ok(None),
            None => self.next_of_any_kind(),
        }
    }

    /// The next word where it is bare, without escapes, and behind nothing but blanks, as nearly all
    /// words are. Stays where it is if it finds anything else.
    #[inline(always)]
    pub(super) fn next_plain(&mut self) -> Option<Word<'a>> {
        let at = self.end_of_blanks();
        let text = plain(&self.bytes[at..]);
        let end = self.bytes.get(at + text.len());
        if text.is_empty() || end.is_some_and(|byte| kind(*byte) != Kind::End) {
            return None;
        }
        let mark = Mark { at: at as u32, ..self.mark() };
        self.at = at + text.len();
        Some(Word { text, quoting: Quoting::Bare, mark })
    }

    fn next_of_any_kind(&mut self) -> Outcome<Option<Word<'a>>> {
        Ok(if self.skip_to_word()? { Some(self.word(Pairs::No)?) } else { None })
    }

    /// As [`Lexer::next`], but a quote after `=` opens a quoted value that belongs to the word
    /// (RFC 9460 §2.1). The quotes stay in the word's text.
    pub(super) fn next_pair(&mut self) -> Outcome<Option<Word<'a>>> {
        Ok(if self.skip_to_word()? { Some(self.word(Pairs::Yes)?) } else { None })
    }

    /// Goes past the end of a line. To be called where [`Lexer::next`] gave `None`.
    #[inline]
    pub(super) fn end_line(&mut self) {
        if matches!(self.bytes.get(self.at), Some(b'\n' | b'\r')) {
            self.newline();
        }
    }

    /// Goes past the rest of a faulty entry: to the end of its line or, where parentheses are
    /// open, of the line on which they close.
    pub(super) fn skip_entry(&mut self) {
        loop {
            match self.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    self.depth = 0;
                    self.skip_to_newline();
                    break;
                }
            }
        }
        self.end_line();
    }

    /// Goes on to the first byte of a word; false at the end of the entry.
    fn skip_to_word(&mut self) -> Outcome<bool> {
        loop {
            let Some(&byte) = self.bytes.get(self.at) else {
                if self.depth == 0 {
                    return Ok(false);
                }
                return Err(Bad::new(
                    self.opened,
                    b"(",
                    "this parenthesis is never closed",
                    "add the `)`",
                ));
            };
            match byte {
                b' ' | b'\t' => self.at += 1,
                b'\n' | b'\r' if self.depth == 0 => return Ok(false),
                b'\n' | b'\r' => self.newline(),
                b';' => self.skip_to_newline(),
                b'(' => {
                    if self.depth == 0 {
                        self.opened = self.mark();
                    }
                    self.depth += 1;
                    self.at += 1;
                }
                b')' if self.depth == 0 => {
                    return Err(Bad::new(
                        self.mark(),
                        b")",
                        "this parenthesis was never opened",
                        "take it away, or write it as \\)",
                    ));
                }
                b')' => {
                    self.depth -= 1;
                    self.at += 1;
                }
                _ => return Ok(true),
            }
        }
    }

    fn skip_to_newline(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    }

    fn newline(&mut self) {
        self.at += match self.bytes[self.at..] {
            [b'\r', b'\n', ..] => 2,
            _ => 1,
        };
        self.line += 1;
        self.line_start = self.at as u32;
    }

    fn word(&mut self, pairs: Pairs) -> Outcome<Word<'a>> {
        let mark = self.mark();
        if self.bytes[self.at] == b'"' {
            let text = self.quoted()?;
            return Ok(Word { text, quoting: Quoting::Quoted, mark });
        }
        let start = self.at;
        loop {
            self.at += plain(&self.bytes[self.at..]).len();
            let Some(&byte) = self.bytes.get(self.at) else { break };
            match kind(byte) {
                Kind::Word => self.at += 1,
                Kind::End => {
                    if byte == b'"' && pairs == Pairs::Yes && self.is_after_equals(start) {
                        self.quoted()?;
                    }
                    break;
                }
                Kind::Backslash => self.escape()?,
                Kind::Control => return Err(self.control(byte)),
            }
        }
        Ok(Word { text: &self.bytes[start..self.at], quoting: Quoting::Bare, mark })
    }

    fn is_after_equals(&self, start: usize) -> bool {
        self.at > start && self.bytes[self.at - 1] == b'='
    }

    /// Reads from one quote to the next; gives what is between them.
    fn quoted(&mut self) -> Outcome<&'a [u8]> {
        let opened = self.mark();
        self.at += 1;
        let start = self.at;
        loop {
            self.at += plain_in_quotes(&self.bytes[self.at..]).len();
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.bytes[start..self.at - 1]);
                }
                None | Some(b'\n' | b'\r') => {
                    return Err(Bad::new(
                        opened,
                        &self.bytes[start - 1..self.at],
                        "this quote is not closed on its line",
                        "add the `\"`",
                    ));
                }
                Some(b'\\') => self.escape()?,
                Some(b'\t') => self.at += 1,
                Some(&byte @ (0..=0x1f | 0x7f)) => return Err(self.control(byte)),
                Some(_) => self.at += 1,
            }
        }
    }

    /// Goes past a backslash and the byte after it, which must be printable.
    fn escape(&mut self) -> Outcome<()> {
        match self.bytes.get(self.at + 1) {
            None | Some(b'\n' | b'\r') => Err(Bad::new(
                self.mark(),
                b"\\",
                "a backslash at the end of a line stands for nothing",
                "write a backslash as \\\\",
            )),
            Some(&byte @ (0..=0x1f | 0x7f)) => Err(self.control(byte)),
            Some(_) => {
                self.at += 2;
                Ok(())
            }
        }
    }

    fn control(&self, byte: u8) -> Box<Bad> {
        Bad::new(
            self.mark(),
            &[byte],
            "a control character stands in the text: is this a master file?",
            format!("write the byte as \\{byte:03}"),
        )
    }
}

/// Whether a quote after `=` belongs to the word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pairs {
    No,
    Yes,
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The entries of a text: words joined by `|`, quoted ones in `<>`; faults as `!line:offset`.
    fn entries(text: &str) -> Vec<String> {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut entries = Vec::new();
        while !lexer.is_at_end() {
            let mut words = Vec::new();
            loop {
                match lexer.next() {
                    Ok(Some(word)) => {
                        let text = String::from_utf8_lossy(word.text);
                        words.push(match word.quoting {
                            Quoting::Bare => text.into_owned(),
                            Quoting::Quoted => format!("<{text}>"),
                        });
                    }
                    Ok(None) => {
                        lexer.end_line();
                        break;
                    }
                    Err(bad) => {
                        words.push(format!(
                            "!{}:{}",
                            bad.mark.line,
                            bad.mark.at - bad.mark.line_start
                        ));
                        lexer.skip_entry();
                        break;
                    }
                }
            }
            entries.push(words.join("|"));
        }
        entries
    }

    #[test]
    fn words_end_at_blanks_comments_and_parentheses() {
        assert_eq!(entries("a b\tc;d\n"), ["a|b|c"]);
        assert_eq!(entries("a(b)c"), ["a|b|c"]);
        assert_eq!(entries("a ; \"not a quote\nb"), ["a", "b"]);
    }

    #[test]
    fn escapes_take_the_next_byte_along() {
        assert_eq!(entries(r#"a\;b a\ b \(c "d\"e;(" "#), [r#"a\;b|a\ b|\(c|<d\"e;(>"#]);
    }

    #[test]
    fn parentheses_join_lines_and_nest() {
        assert_eq!(entries("a ( b ; x )\n ( c )\n d ) e\nf"), ["a|b|c|d|e", "f"]);
        assert_eq!(entries("a ( \"b)\" \n) c"), ["a|<b)>|c"]);
    }

    #[test]
    fn every_line_end_ends_a_line() {
        assert_eq!(entries("a\nb\r\nc\rd"), ["a", "b", "c", "d"]);
        assert_eq!(entries("a ; x\rb"), ["a", "b"]);
    }

    #[test]
    fn a_quote_starts_a_word_of_its_own() {
        assert_eq!(entries(r#"a"b c"d "#), ["a|<b c>|d"]);
        assert_eq!(entries(r#""a""b"c"#), ["<a>|<b>|c"]);
    }

    #[test]
    fn what_is_broken_is_placed_and_the_next_line_is_read() {
        assert_eq!(entries("a \"b\nc"), ["a|!1:2", "c"]);
        assert_eq!(entries("a b)\nc"), ["a|b|!1:3", "c"]);
        assert_eq!(entries("a\n b (c\nd"), ["a", "b|c|d|!2:3"]);
        assert_eq!(entries("a\u{1}b\nc"), ["!1:1", "c"]);
        assert_eq!(entries("a\\\nc"), ["!1:1", "c"]);
    }

    #[test]
    fn a_quoted_value_belongs_to_its_key() {
        let mut lexer = Lexer::new(br#"alpn="h2, h3" port=53"#);
        let word = lexer.next_pair().expect("lexes").expect("is there");
        assert_eq!(word.text, br#"alpn="h2, h3""#);
        assert_eq!(lexer.next_pair().expect("lexes").expect("is there").text, b"port=53");
    }

    proptest! {
        #[test]
        fn plain_words_are_cut_out_as_any_word_is(
            text in "([a-c=]|[ \\t\\r\\n;()\"\\\\\\x00-\\x7f]|(\"[a-c \\\\]{0,70}\")){0,60}"
        ) {
            let mut plain = Lexer::new(text.as_bytes());
            while !plain.is_at_end() {
                let mut any = plain;
                let found = format!("{:?}", plain.next());
                prop_assert_eq!(&found, &format!("{:?}", any.next_of_any_kind()));
                if found == "Ok(None)" {
                    plain.end_line();
                    any.end_line();
                } else if found.starts_with("Err") {
                    plain.skip_entry();
                    any.skip_entry();
                }
                prop_assert_eq!(format!("{plain:?}"), format!("{any:?}"));
            }
        }

        #[test]
        fn quotes_end_where_the_first_special_byte_stands(
            text in vec(prop_oneof![40 => 0x20..=0xffu8, 1 => any::<u8>()], 0..100)
        ) {
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f | 0x7f);
            let len = text.iter().position(special).unwrap_or(text.len());
            prop_assert_eq!(plain_in_quotes(&text), &text[..len]);
        }
    }
}
