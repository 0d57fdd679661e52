//! Which names are asked for: on the command line, and on standard input where `-` stands.

use std::fmt;
use std::io::{self, BufRead, Read};

use crate::cli::{ExplainArguments, parse_name};
use crate::fault::{Fault, Severity};
use crate::wire::{Name, Rtype};

/// Longest line of standard input that is read. A name takes 1,020 bytes at most, with every byte
/// of it escaped.
const LONGEST_LINE: usize = 4096;

/// A name, in lower case, and the type that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) rtype: Rtype,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.rtype)
    }
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    words: Vec<Word>,
    rtype: Rtype,
}

#[derive(Clone, Debug)]
enum Word {
    Name(Name),
    /// `-`: the lines of standard input.
    Input,
}

impl Asked {
    /// Reads the command line. An error is a sentence for people.
    pub fn of(arguments: &ExplainArguments) -> Result<Asked, String> {
        let mut asked = Asked { words: Vec::new(), rtype: arguments.rtype.unwrap_or(Rtype::A) };
        let last = arguments.names.len().saturating_sub(1);
        for (index, text) in arguments.names.iter().enumerate() {
            let is_bare = index > 0 && text != "-" && !text.contains(['.', '。']);
            match (is_bare, Rtype::parse(text.as_bytes())) {
                (true, Some(rtype)) if index == last && arguments.rtype.is_none() => {
                    asked.rtype = rtype;
                }
                (true, Some(_)) if index < last => {
                    return Err(format!(
                        "{text:?}: a record type stands behind all names; write a name of one \
                         label with its dot, {text}."
                    ));
                }
                (true, _) => {
                    return Err(format!(
                        "{text:?} is no record type, such as A, AAAA, MX, HTTPS or TYPE65280; \
                         write a name of one label with its dot, {text}."
                    ));
                }
                (false, _) => asked.words.push(Word::parse(text)?),
            }
        }
        match asked.words.iter().filter(|word| matches!(word, Word::Input)).count() {
            0 | 1 => Ok(asked),
            _ => Err("standard input can be read once only: write - once".to_owned()),
        }
    }

    /// True where one name is asked for, and no more can come.
    pub(super) fn is_single(&self) -> bool {
        matches!(self.words.as_slice(), [Word::Name(_)])
    }

    /// Every question in order; a line of standard input that is none is a fault.
    pub(super) fn questions<'a>(
        &'a self,
        input: &'a mut dyn BufRead,
    ) -> impl Iterator<Item = io::Result<Result<Question, Fault>>> + 'a {
        let rtype = self.rtype;
        // Its only reader is the one `-`.
        let mut lines = Some(Lines { input, number: 0, rtype });
        self.words.iter().flat_map(move |word| {
            let (name, lines) = match word {
                Word::Name(name) => (Some(Ok(Ok(Question { name: name.clone(), rtype }))), None),
                Word::Input => (None, lines.take()),
            };
            name.into_iter().chain(lines.into_iter().flatten())
        })
    }

    /// The questions of the command line itself, for tests.
    #[cfg(test)]
    pub(in crate::cli) fn names(&self) -> Vec<String> {
        let mut nothing = io::empty();
        let questions = self.questions(&mut nothing).flatten().flatten();
        questions.map(|question| question.to_string()).collect()
    }
}

impl Word {
    fn parse(text: &str) -> Result<Word, String> {
        if text == "-" {
            return Ok(Word::Input);
        }
        let name = parse_name(text).map_err(|problem| format!("{text:?}: {problem}"))?;
        Ok(Word::Name(name.to_lowercase()))
    }
}

/// The questions on standard input.
struct Lines<'a> {
    input: &'a mut dyn BufRead,
    /// Of the line read last, from 1.
    number: u32,
    rtype: Rtype,
}

impl Iterator for Lines<'_> {
    type Item = io::Result<Result<Question, Fault>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        loop {
            line.clear();
            match self.read_line(&mut line) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
            self.number = self.number.saturating_add(1);
            if let Some(question) = self.question(&line) {
                return Some(Ok(question));
            }
        }
    }
}

impl Lines<'_> {
    /// Reads a line without its end; of one that is too long [`LONGEST_LINE`] bytes and one more.
    /// False at the end.
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        let limit = LONGEST_LINE as u64 + 1;
        if (&mut *self.input).take(limit).read_until(b'\n', line)? == 0 {
            return Ok(false);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > LONGEST_LINE {
            self.input.skip_until(b'\n')?;
        }
        Ok(true)
    }

    /// What a line asks; `None` where it is empty or a remark.
    fn question(&self, line: &[u8]) -> Option<Result<Question, Fault>> {
        let line = if self.number == 1 { line.strip_prefix(b"\xef\xbb\xbf") } else { None }
            .unwrap_or(line)
            .trim_ascii();
        if line.is_empty() || line.starts_with(b"#") || line.starts_with(b";") {
            return None;
        }
        let fault = |text: &str, problem: String, remedy: &str| Fault {
            line: self.number,
            text: text.to_owned(),
            ..Fault::of_file(Severity::Error, "standard input", problem, remedy)
        };
        let remedy = "write a name, such as www.example.com, and perhaps a type behind it";
        if line.len() > LONGEST_LINE {
            let start = String::from_utf8_lossy(line);
            let problem = format!("the line is longer than {LONGEST_LINE} bytes");
            return Some(Err(fault(&start, problem, remedy)));
        }
        let Ok(line) = std::str::from_utf8(line) else {
            let lossy = String::from_utf8_lossy(line);
            return Some(Err(fault(&lossy, "the line is not UTF-8".to_owned(), remedy)));
        };
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?;
        let rtype = words.next();
        if words.next().is_some() {
            let problem = "more than a name and a type".to_owned();
            return Some(Err(fault(line, problem, "write each name on a line of its own")));
        }
        let name = match parse_name(name) {
            Ok(name) => name.to_lowercase(),
            Err(problem) => return Some(Err(fault(name, problem, remedy))),
        };
        let rtype = match rtype.map(|text| Rtype::parse(text.as_bytes()).ok_or(text)) {
            None => self.rtype,
            Some(Ok(rtype)) => rtype,
            Some(Err(text)) => {
                let remedy = "write one such as A, AAAA, MX, HTTPS or TYPE65280";
                return Some(Err(fault(text, "not a record type".to_owned(), remedy)));
            }
        };
        Some(Ok(Question { name, rtype }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &str) -> Result<Asked, String> {
        Asked::of(&ExplainArguments {
            names: words.split(' ').map(str::to_owned).collect(),
            rtype: None,
            at: None,
            server: false,
        })
    }

    #[test]
    fn behind_the_first_name_a_word_without_a_dot_is_the_type() {
        for (words, wanted) in [
            ("a.example", &["a.example. A"][..]),
            ("A.example mx", &["a.example. MX"]),
            ("mx", &["mx. A"]),
            ("mx mx", &["mx. MX"]),
            ("a.example mx. b.example", &["a.example. A", "mx. A", "b.example. A"]),
            ("a.example b.example TYPE65280", &["a.example. TYPE65280", "b.example. TYPE65280"]),
            ("a.example -", &["a.example. A"]),
        ] {
            assert_eq!(asked(words).unwrap().names(), wanted, "{words}");
        }
        for (words, says) in [
            ("a.example notype", "no record type"),
            ("a.example mx b.example", "behind all names"),
            ("a..b", "a label is empty"),
            ("- -", "once"),
        ] {
            let problem = asked(words).unwrap_err();
            assert!(problem.contains(says), "{words}: {problem}");
        }
        let with_type = ExplainArguments {
            names: vec!["a.example".to_owned(), "mx".to_owned()],
            rtype: Some(Rtype::TXT),
            at: None,
            server: false,
        };
        assert!(Asked::of(&with_type).is_err(), "two types");
    }

    fn lines(input: &[u8]) -> Vec<String> {
        let asked = asked("- AAAA").unwrap();
        let mut input = io::BufReader::with_capacity(7, input);
        let questions: Vec<_> = asked.questions(&mut input).map(|line| line.unwrap()).collect();
        let told = |question: Result<Question, Fault>| match question {
            Ok(question) => question.to_string(),
            Err(fault) => fault.to_string(),
        };
        questions.into_iter().map(told).collect()
    }

    #[test]
    fn each_line_is_a_name_and_perhaps_a_type_and_a_bad_one_does_not_end_it() {
        let long = [b"x".repeat(2 * LONGEST_LINE), b"\n".to_vec()].concat();
        let input = [
            b"\xef\xbb\xbfa.example\r\n\n  # a remark\n;another\nB.example\tmx\n".as_slice(),
            &long,
            b"a..b\nc.example what\n\xff\xfe\na.example A A\n\x1b[31m\nlast.example",
        ];
        let told = lines(&input.concat());
        assert_eq!(told[..2], ["a.example. AAAA", "b.example. MX"]);
        let problems = [
            (6, "longer than 4096 bytes"),
            (7, "\"a..b\": a label is empty; write a name"),
            (8, "\"what\": not a record type"),
            (9, "not UTF-8"),
            (10, "more than a name and a type"),
        ];
        for (told, (line, says)) in told[2..].iter().zip(problems) {
            let place = format!("standard input:{line}: error: ");
            assert!(told.starts_with(&place) && told.contains(says), "{told}");
            assert!(told.len() < 400, "{told}");
        }
        assert_eq!(told[7..], ["\\027[31m. AAAA", "last.example. AAAA"]);
        assert!(lines(b"").is_empty());
    }
}
