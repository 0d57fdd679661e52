//! Master files entry by entry (RFC 1035 §5): directives, owners, TTLs, classes and types.
//!
//! Owns what one entry takes from those before it. How data becomes wire form is
//! [`super::rdata`]'s business, whether the records make a zone is [`super::check`]'s.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::check::{Extent, check_indexed, tidy};
use super::faults::Faults;
use super::generate::{MAX_STEPS, Range, expand};
use super::include::{IncludeError, locate, read_file};
use super::index::Index;
use super::layout::parse_rtype;
use super::lexer::{Bad, Lexer, Mark, Outcome, Quoting, Word};
use super::rdata::{self, expect, parse_seconds, read_name};
use super::records::{RecordRef, Records};
use crate::fault::{Fault, Severity};
use crate::wire::{Name, Rtype, name};

/// How deep files include files.
const MAX_DEPTH: usize = 16;
/// Most `$INCLUDE`s that one zone follows.
const MAX_INCLUDES: usize = 4096;
/// Most records that the `$GENERATE`s of one zone make.
const MAX_GENERATED: u64 = 1 << 20;
/// Highest TTL (RFC 2181 §8).
const MAX_TTL: u32 = i32::MAX as u32;

/// Reads zone files one after another, and keeps its memory from each for the next.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    origin: Vec<u8>,
    owner: Vec<u8>,
    rdata: Vec<u8>,
    index: Index,
    is_unread: bool,
}

impl Reader {
    /// A reader that has read nothing yet.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Whether the zone that was read last was refused because its file, or one that it includes,
    /// could not be read: the next try may go well though no file has changed.
    pub fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// Reads the zone `origin` from `file` into `out`, whose old content goes away, and checks
    /// it. Included files are held inside the folder `root`. Gives warnings or, where the zone is
    /// refused, the faults, at least one of them an error.
    pub fn read_zone(
        &mut self,
        file: &Path,
        root: &Path,
        origin: &Name,
        out: &mut Records,
    ) -> Result<Vec<Fault>, Vec<Fault>> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let result = match read_file(file, &mut bytes) {
            Ok(()) => self.read_zone_bytes(&bytes, file, root, origin, out),
            Err(error) => {
                out.clear();
                out.add_file(file.to_owned());
                self.is_unread = true;
                let problem = format!("the zone file cannot be read: {error}");
                let remedy = "put a file there that the server's user may read";
                Err(vec![Fault::of_file(Severity::Error, file, problem, remedy)])
            }
        };
        self.bytes = bytes;
        result
    }

    /// As [`Reader::read_zone`], of bytes that were read from `file` already.
    pub fn read_zone_bytes(
        &mut self,
        bytes: &[u8],
        file: &Path,
        root: &Path,
        origin: &Name,
        out: &mut Records,
    ) -> Result<Vec<Fault>, Vec<Fault>> {
        out.clear();
        let file_index = out.add_file(file.to_owned());
        self.origin.clear();
        self.origin.extend_from_slice(origin.as_wire());
        let mut job = Job {
            zone: origin.as_wire(),
            root,
            out,
            faults: Faults::default(),
            origin: std::mem::take(&mut self.origin),
            owner: std::mem::take(&mut self.owner),
            rdata: std::mem::take(&mut self.rdata),
            owner_state: Owner::Missing,
            default_ttl: None,
            last_ttl: None,
            generated: 0,
            included: 0,
            is_unread: false,
            open: Vec::new(),
        };
        job.read_source(Source { bytes, path: file, index: file_index });
        let Job { origin: origin_buffer, owner, rdata, mut faults, out, is_unread, .. } = job;
        self.is_unread = is_unread;
        (self.origin, self.owner, self.rdata) = (origin_buffer, owner, rdata);

        self.index.fill(origin.as_wire(), out);
        let extent = if faults.has_errors() { Extent::Readable } else { Extent::Whole };
        tidy(origin.as_wire(), out, &mut self.index, &mut faults);
        check_indexed(origin.as_wire(), out, &self.index, extent, &mut faults);
        faults.finish(file)
    }
}

/// [`Reader::read_zone`] with a reader of its own.
pub fn read_zone(
    file: &Path,
    root: &Path,
    origin: &Name,
    out: &mut Records,
) -> Result<Vec<Fault>, Vec<Fault>> {
    Reader::new().read_zone(file, root, origin, out)
}

/// [`Reader::read_zone_bytes`] with a reader of its own.
pub fn read_zone_bytes(
    bytes: &[u8],
    file: &Path,
    root: &Path,
    origin: &Name,
    out: &mut Records,
) -> Result<Vec<Fault>, Vec<Fault>> {
    Reader::new().read_zone_bytes(bytes, file, root, origin, out)
}

/// One file's text.
#[derive(Clone, Copy)]
struct Source<'a> {
    bytes: &'a [u8],
    path: &'a Path,
    index: u16,
}

impl Source<'_> {
    fn fault(&self, severity: Severity, bad: &Bad) -> Fault {
        let line = bad.mark.line_start as usize..bad.mark.at as usize;
        let line = self.bytes.get(line).unwrap_or_default();
        // Bytes that go on a UTF-8 character are not counted.
        let column = line.iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
        Fault {
            severity,
            file: self.path.to_owned(),
            line: bad.mark.line,
            column: u32::try_from(column).unwrap_or(u32::MAX),
            text: String::from_utf8_lossy(&bad.text).into_owned(),
            problem: bad.problem.to_string(),
            remedy: bad.remedy.to_string(),
        }
    }
}

/// The owner that an entry without one takes over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Missing,
    InZone,
    OutOfZone,
}

/// The reading of one zone.
struct Job<'a> {
    zone: &'a [u8],
    root: &'a Path,
    out: &'a mut Records,
    faults: Faults,
    origin: Vec<u8>,
    owner: Vec<u8>,
    owner_state: Owner,
    rdata: Vec<u8>,
    /// Of `$TTL`, or of an SOA that came before any TTL.
    default_ttl: Option<u32>,
    /// The last that an entry gave or got.
    last_ttl: Option<u32>,
    /// Records that `$GENERATE` made.
    generated: u64,
    /// `$INCLUDE`s followed.
    included: usize,
    /// One of them could not be read.
    is_unread: bool,
    /// The files being read, links resolved, but the zone file only once it includes another.
    open: Vec<PathBuf>,
}

/// What stands between an entry's owner and its data.
struct Head {
    ttl: Option<u32>,
    rtype: Rtype,
    /// Where the type stands.
    mark: Mark,
}

impl Job<'_> {
    fn read_source(&mut self, source: Source<'_>) {
        let text = source.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source.bytes);
        let source = Source { bytes: text, ..source };
        let mut lexer = Lexer::new(text);
        while !lexer.is_at_end() && !self.faults.is_full() {
            match self.read_entry(&mut lexer, &source) {
                Ok(()) => lexer.end_line(),
                Err(bad) => {
                    self.faults.add(Severity::Error, || source.fault(Severity::Error, &bad));
                    lexer.skip_entry();
                }
            }
        }
    }

    fn warn(&mut self, source: &Source<'_>, bad: &Bad) {
        self.faults.add(Severity::Warning, || source.fault(Severity::Warning, bad));
    }

    fn read_entry(&mut self, lexer: &mut Lexer<'_>, source: &Source<'_>) -> Outcome<()> {
        let takes_last_owner = lexer.is_at_blank();
        let Some(first) = lexer.next()? else { return Ok(()) };
        if first.quoting == Quoting::Bare && matches!(first.text, [b'$', ..]) {
            if takes_last_owner {
                return Err(
                    first.bad("a directive starts in the first column", "take the blanks away")
                );
            }
            return self.read_directive(&first, lexer, source);
        }
        if takes_last_owner {
            if self.owner_state == Owner::Missing {
                return Err(first.bad(
                    "there is no owner before this line that it could take over",
                    "begin the line with a name, or with @ for the zone itself",
                ));
            }
            return self.read_record(&first, first, lexer, source);
        }
        // As on the line before, mostly: the zone's own records stand together.
        if self.owner_state == Owner::InZone && first.text == b"@" && self.owner == self.origin {
            let next = self.expect_head(lexer)?;
            return self.read_record(&first, next, lexer, source);
        }
        // A name that cannot be read must not leave the lines below it to the name before.
        self.owner_state = Owner::OutOfZone;
        self.owner.clear();
        read_name(&first, &self.origin, &mut self.owner)?;
        if name::suffix_matches(&self.owner, self.zone) {
            self.owner_state = Owner::InZone;
        } else {
            self.warn(source, &self.out_of_zone(&first));
        }
        let next = self.expect_head(lexer)?;
        self.read_record(&first, next, lexer, source)
    }

    fn out_of_zone(&self, owner: &Word<'_>) -> Box<Bad> {
        let zone = Name::from_wire(self.zone).unwrap_or_else(Name::root);
        let remedy = if owner.text.ends_with(b".") {
            Cow::Borrowed("take it away, or put it in its own zone's file")
        } else {
            Cow::Borrowed("look at the last $ORIGIN, or take it away")
        };
        owner.bad(
            format!("{} is not in the zone {zone}; it is ignored", name::to_text(&self.owner)),
            remedy,
        )
    }

    fn expect_head<'t>(&self, lexer: &mut Lexer<'t>) -> Outcome<Word<'t>> {
        expect(lexer, "a type and its data")
    }

    /// Reads a record of the current owner; `word` is the first behind the owner.
    fn read_record(
        &mut self,
        start: &Word<'_>,
        word: Word<'_>,
        lexer: &mut Lexer<'_>,
        source: &Source<'_>,
    ) -> Outcome<()> {
        let head = self.read_head(word, lexer)?;
        self.rdata.clear();
        rdata::read(head.rtype, head.mark, lexer, &self.origin, &mut self.rdata)?;
        let ttl = self.ttl_of(&head).ok_or_else(|| {
            start.bad(
                "this record has no TTL, and there is none before it",
                "put `$TTL 1h` above it",
            )
        })?;
        if self.owner_state == Owner::InZone {
            self.push(ttl, head.rtype, start.mark.line, source.index, start)?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        ttl: u32,
        rtype: Rtype,
        line: u32,
        file: u16,
        start: &Word<'_>,
    ) -> Outcome<()> {
        if self.out.is_full() {
            return Err(start.bad("the zone is larger than 4 GiB", "split it"));
        }
        let (owner, rdata) = (&self.owner[..], &self.rdata[..]);
        self.out.push(RecordRef { owner, rtype, ttl, rdata, file, line });
        Ok(())
    }

    /// Reads `[TTL] [class] type`, TTL and class in either order.
    fn read_head(&self, first: Word<'_>, lexer: &mut Lexer<'_>) -> Outcome<Head> {
        let mut word = first;
        let mut ttl = None;
        let mut has_class = false;
        loop {
            if word.quoting == Quoting::Quoted {
                return Err(word.bad("a type must not be quoted", "take the quotes away"));
            }
            if ttl.is_none() && word.text.first().is_some_and(u8::is_ascii_digit) {
                ttl = Some(parse_ttl(&word)?);
            } else if !has_class && is_class(&word)? {
                has_class = true;
            } else {
                let rtype = parse_rtype(word.text).ok_or_else(|| {
                    word.bad(
                        "this is not a record type",
                        "write a type such as A, or its number as in TYPE65534",
                    )
                })?;
                if rtype.is_meta() || rtype == Rtype(0) {
                    return Err(word.bad(
                        "this type may be asked for, but never stands in a zone",
                        "take the line away",
                    ));
                }
                return Ok(Head { ttl, rtype, mark: word.mark });
            }
            word = self.expect_head(lexer)?;
        }
    }

    /// The TTL of the record whose data was just read (RFC 1035 §5.1, RFC 2308 §4).
    fn ttl_of(&mut self, head: &Head) -> Option<u32> {
        let ttl = match (head.ttl, self.default_ttl, self.last_ttl) {
            (Some(ttl), _, _) | (None, Some(ttl), _) | (None, None, Some(ttl)) => ttl,
            (None, None, None) if head.rtype == Rtype::SOA => {
                let minimum = self.rdata.last_chunk().copied().map(u32::from_be_bytes)?;
                self.default_ttl = Some(minimum.min(MAX_TTL));
                minimum.min(MAX_TTL)
            }
            (None, None, None) => return None,
        };
        if head.ttl.is_some() {
            self.last_ttl = head.ttl;
        }
        Some(ttl)
    }

    fn read_directive(
        &mut self,
        directive: &Word<'_>,
        lexer: &mut Lexer<'_>,
        source: &Source<'_>,
    ) -> Outcome<()> {
        let is = |name: &[u8]| directive.text.eq_ignore_ascii_case(name);
        if is(b"$TTL") {
            let ttl = parse_ttl(&expect(lexer, "the TTL")?)?;
            expect_end(lexer)?;
            self.default_ttl = Some(ttl);
        } else if is(b"$ORIGIN") {
            let word = expect(lexer, "the new origin")?;
            self.rdata.clear();
            read_name(&word, &self.origin, &mut self.rdata)?;
            expect_end(lexer)?;
            std::mem::swap(&mut self.origin, &mut self.rdata);
        } else if is(b"$INCLUDE") {
            self.include(lexer, source)?;
        } else if is(b"$GENERATE") {
            self.generate(lexer, source)?;
        } else if is(b"$DATE") {
            // BIND writes it into its dumps; it says nothing about the zone.
            while lexer.next()?.is_some() {}
        } else {
            return Err(directive.bad(
                "there is no such directive",
                "write $ORIGIN, $TTL, $INCLUDE or $GENERATE; a name that starts with $ as \\$",
            ));
        }
        Ok(())
    }

    fn include(&mut self, lexer: &mut Lexer<'_>, source: &Source<'_>) -> Outcome<()> {
        let word = expect_path(lexer)?;
        let origin = match lexer.next()? {
            Some(word) => {
                let mut origin = Vec::with_capacity(word.text.len() + 2);
                read_name(&word, &self.origin, &mut origin)?;
                expect_end(lexer)?;
                origin
            }
            None => self.origin.clone(),
        };
        let mut name = Vec::new();
        rdata::unescape_into(&word, &mut name)?;
        let name = Path::new(std::ffi::OsStr::from_bytes(&name));
        let path = locate(name, source.path, self.root);
        let path = path.map_err(|error| self.refuse(&word, &error))?;
        if self.open.is_empty() {
            // A zone file that cannot be resolved was read from bytes alone: nothing includes it.
            self.open.extend(std::fs::canonicalize(source.path));
        }
        if self.open.contains(&path) {
            return Err(word.bad("this file includes itself", "take the line away"));
        }
        self.included += 1;
        if self.open.len() > MAX_DEPTH || self.included > MAX_INCLUDES {
            return Err(word.bad(
                format!("files are included more than {MAX_DEPTH} deep, or more than {MAX_INCLUDES} times"),
                "put them into fewer files",
            ));
        }
        let mut bytes = Vec::new();
        read_file(&path, &mut bytes).map_err(|error| self.refuse(&word, &error.into()))?;
        let known = self.out.files().iter().position(|file| *file == path);
        // There are no more files than includes.
        let index = known.map_or_else(|| self.out.add_file(path.clone()), |index| index as u16);

        let outer_origin = std::mem::replace(&mut self.origin, origin);
        let outer_owner = self.owner.clone();
        let outer_state = self.owner_state;
        self.open.push(path.clone());
        self.read_source(Source { bytes: &bytes, path: &path, index });
        self.open.pop();
        (self.origin, self.owner, self.owner_state) = (outer_origin, outer_owner, outer_state);
        Ok(())
    }

    fn refuse(&mut self, word: &Word<'_>, error: &IncludeError) -> Box<Bad> {
        self.is_unread |= matches!(error, IncludeError::Unreadable(_));
        word.bad(
            error.to_string(),
            "name a file inside the zones folder, beside this file or from the folder's top",
        )
    }

    fn generate(&mut self, lexer: &mut Lexer<'_>, source: &Source<'_>) -> Outcome<()> {
        let range_word = expect(lexer, "the range")?;
        let range = Range::parse(range_word.text).ok_or_else(|| {
            range_word
                .bad("this is not a range", "write start-stop or start-stop/step, as in 1-254")
        })?;
        self.generated += range.len();
        if range.len() > MAX_STEPS || self.generated > MAX_GENERATED {
            return Err(range_word.bad(
                format!(
                    "this makes more records than the {MAX_STEPS} of one $GENERATE or the \
                     {MAX_GENERATED} of one zone"
                ),
                "make fewer, or use a wildcard",
            ));
        }
        let owner_word = expect(lexer, "the owner")?;
        let first = self.expect_head(lexer)?;
        let head = self.read_head(first, lexer)?;
        let data_mark = lexer.mark();
        let data_word = lexer.next()?.ok_or_else(|| {
            Bad::new(data_mark, b"", "the record ends before its data", "add what is missing")
        })?;
        if let Some(extra) = lexer.next()? {
            return Err(extra.bad(
                "the data of $GENERATE is one word",
                "put the data in quotes, as in \"10 mail$\"",
            ));
        }
        let outer_owner = std::mem::take(&mut self.owner);
        let outer_state = self.owner_state;
        let result = self.generate_records(range, &head, &owner_word, &data_word, source);
        (self.owner, self.owner_state) = (outer_owner, outer_state);
        result
    }

    fn generate_records(
        &mut self,
        range: Range,
        head: &Head,
        owner_word: &Word<'_>,
        data_word: &Word<'_>,
        source: &Source<'_>,
    ) -> Outcome<()> {
        let (mut owner_text, mut data_text) = (Vec::new(), Vec::new());
        for number in range.iter() {
            for (word, text) in [(owner_word, &mut owner_text), (data_word, &mut data_text)] {
                expand(word.text, number, text)
                    .map_err(|problem| word.bad("this template cannot be filled", problem))?;
            }
            let at_directive =
                |bad: Box<Bad>, word: &Word<'_>| Box::new(Bad { mark: word.mark, ..*bad });
            let owner = Word { text: &owner_text, ..*owner_word };
            self.owner.clear();
            read_name(&owner, &self.origin, &mut self.owner)?;
            self.rdata.clear();
            let mut lexer = Lexer::new(&data_text);
            rdata::read(head.rtype, head.mark, &mut lexer, &self.origin, &mut self.rdata)
                .map_err(|bad| at_directive(bad, data_word))?;
            if !lexer.is_at_end() {
                return Err(data_word.bad("this data has several lines", "write one line"));
            }
            let ttl = self.ttl_of(head).ok_or_else(|| {
                owner.bad("these records have no TTL", "put `$TTL 1h` above them")
            })?;
            if !name::suffix_matches(&self.owner, self.zone) {
                self.warn(source, &self.out_of_zone(&owner));
                continue;
            }
            self.push(ttl, head.rtype, owner_word.mark.line, source.index, &owner)?;
        }
        Ok(())
    }
}

/// The file of `$INCLUDE`, which may be quoted.
fn expect_path<'a>(lexer: &mut Lexer<'a>) -> Outcome<Word<'a>> {
    let mark = lexer.mark();
    lexer.next()?.ok_or_else(|| {
        Bad::new(mark, b"$INCLUDE", "the file is missing", "write $INCLUDE file [origin]")
    })
}

fn expect_end(lexer: &mut Lexer<'_>) -> Outcome<()> {
    match lexer.next()? {
        Some(extra) => Err(extra.bad("the directive has no more fields", "take this away")),
        None => Ok(()),
    }
}

fn parse_ttl(word: &Word<'_>) -> Outcome<u32> {
    match parse_seconds(word.text) {
        Some(ttl) if ttl <= MAX_TTL => Ok(ttl),
        None if !word.text.iter().all(u8::is_ascii_digit) => Err(word.bad(
            "this is neither a TTL nor a record type",
            "write a TTL in seconds, or with units as in 1h30m",
        )),
        _ => Err(word.bad("this TTL is too long", "write at most 2147483647 (RFC 2181 section 8)")),
    }
}

/// True for the class IN; other classes are refused.
fn is_class(word: &Word<'_>) -> Outcome<bool> {
    let text = word.text;
    let is = |class: &[u8]| text.eq_ignore_ascii_case(class);
    if text == b"IN" || is(b"IN") || is(b"CLASS1") {
        return Ok(true);
    }
    let number = text.split_at_checked(5).is_some_and(|(head, digits)| {
        head.eq_ignore_ascii_case(b"CLASS")
            && !digits.is_empty()
            && digits.iter().all(u8::is_ascii_digit)
    });
    if number || [&b"CH"[..], b"CHAOS", b"HS", b"HESIOD", b"CS", b"NONE"].iter().any(|c| is(c)) {
        return Err(word.bad("zones of the class IN only are served", "write IN, or nothing"));
    }
    Ok(false)
}
