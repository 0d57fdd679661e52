//! Writing a reply into a caller's buffer: header, question, records, OPT. Knows the size limit
//! and keeps the room that OPT will need.

use super::fixed::put;
use super::query::{HEADER_LEN, option};

/// The UDP payload size that beiand announces and keeps to (RFC 9715).
pub const UDP_PAYLOAD: u16 = 1232;
/// OPT record without options.
const OPT_LEN: usize = 11;
/// Code and length of an option.
const OPTION_HEADER_LEN: usize = 4;

const FLAG_QR: u8 = 0x80;
const FLAG_AA: u8 = 0x04;
const FLAG_TC: u8 = 0x02;

/// A compression pointer (RFC 1035 §4.1.4) to a place in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer(u16);

impl Pointer {
    /// The question's name.
    pub const QUESTION: Pointer = Pointer(0xc000 | HEADER_LEN as u16);

    /// A pointer to that offset. A reply's names all stand in its first 16 KiB: what comes after
    /// that carries no name that is pointed to.
    pub fn to(offset: usize) -> Option<Pointer> {
        (offset < 0x4000).then_some(Pointer(0xc000 | offset as u16))
    }

    /// The offset in the message.
    pub fn offset(self) -> usize {
        usize::from(self.0 & 0x3fff)
    }

    /// As it stands in the message.
    pub fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

/// The section that records are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Answer.
    Answer,
    /// Authority.
    Authority,
    /// Additional.
    Additional,
}

/// The reply is full: the RRset was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A reply in the making.
pub struct ReplyWriter<'b> {
    out: &'b mut [u8],
    at: usize,
    /// Where records end at the latest; OPT has the room from there to `size`.
    limit: usize,
    /// Largest message that the client takes.
    size: usize,
    counts: [u16; 3],
}

impl<'b> ReplyWriter<'b> {
    /// Starts with the query's header (as RFC 1035 §4.1.1 turns it into a response's) and its
    /// question, copied byte by byte so that its case stays. `out` holds the header and the
    /// question.
    pub fn new(out: &'b mut [u8], query: &[u8], question_end: usize) -> ReplyWriter<'b> {
        out[..question_end].copy_from_slice(&query[..question_end]);
        // Opcode and RD as asked; CD as asked (RFC 4035 §3.1.6); AD, Z and RA clear.
        out[2] = FLAG_QR | (query[2] & 0x79);
        out[3] = query[3] & 0x10;
        out[4..HEADER_LEN].fill(0);
        out[5] = u8::from(question_end > HEADER_LEN);
        let size = out.len();
        ReplyWriter { out, at: question_end, limit: size, size, counts: [0; 3] }
    }

    /// Bounds the message, with `reserve` bytes kept free for OPT.
    pub fn set_size(&mut self, size: usize, reserve: usize) {
        self.size = size.min(self.out.len());
        self.limit = self.size.saturating_sub(reserve).max(self.at);
    }

    /// Bytes written so far: the place of what comes next.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Number of records in a section so far.
    pub fn count(&self, section: Section) -> u16 {
        self.counts[section as usize]
    }

    /// Marks the answer as authoritative.
    pub fn set_authoritative(&mut self) {
        self.out[2] |= FLAG_AA;
    }

    /// Marks the answer as not authoritative.
    pub fn clear_authoritative(&mut self) {
        self.out[2] &= !FLAG_AA;
    }

    /// Marks the reply as truncated.
    pub fn set_truncated(&mut self) {
        self.out[2] |= FLAG_TC;
    }

    /// True where something was left out for want of room.
    pub fn is_truncated(&self) -> bool {
        self.out[2] & FLAG_TC != 0
    }

    /// Takes back what was written since `position`, with its records.
    pub fn rewind(&mut self, position: usize, counts: [u16; 3]) {
        self.at = position;
        self.counts = counts;
    }

    /// The record counts, for [`Self::rewind`].
    pub fn counts(&self) -> [u16; 3] {
        self.counts
    }

    /// Reserves room for records of that many bytes in all, and gives the bytes to fill.
    pub fn append(
        &mut self,
        section: Section,
        records: u16,
        len: usize,
    ) -> Result<&mut [u8], Full> {
        let end = self.at + len;
        if end > self.limit {
            return Err(Full);
        }
        let start = std::mem::replace(&mut self.at, end);
        self.counts[section as usize] += records;
        Ok(&mut self.out[start..end])
    }

    /// Finishes without EDNS.
    pub fn finish(mut self, rcode: u16) -> usize {
        self.write_header(rcode);
        self.at
    }

    /// Finishes with an OPT record; what does not fit is left out, last option first.
    pub fn finish_with_opt(mut self, rcode: u16, options: &OptOptions<'_>) -> usize {
        self.write_opt(rcode, options);
        self.finish(rcode)
    }

    /// Finishes with a TSIG record behind OPT, if there is to be one; it is left out where it does not
    /// fit.
    pub fn finish_with_tsig(
        mut self,
        rcode: u16,
        options: Option<&OptOptions<'_>>,
        tsig: &[u8],
    ) -> usize {
        if let Some(options) = options {
            self.write_opt(rcode, options);
        }
        self.limit = self.size;
        if let Ok(room) = self.append(Section::Additional, 1, tsig.len()) {
            room.copy_from_slice(tsig);
        }
        self.finish(rcode)
    }

    #[inline]
    fn write_opt(&mut self, rcode: u16, options: &OptOptions<'_>) {
        let start = self.at;
        if start + OPT_LEN > self.size {
            return;
        }
        let opt = &mut self.out[start..self.size];
        let mut at = OPT_LEN;
        let mut add = |code: u16, parts: [&[u8]; 3]| {
            let len: usize = parts.iter().map(|part| part.len()).sum();
            if at + 4 + len > opt.len() {
                return;
            }
            put(opt, at, code.to_be_bytes());
            put(opt, at + 2, (len as u16).to_be_bytes());
            at += 4;
            for part in parts {
                opt[at..at + part.len()].copy_from_slice(part);
                at += part.len();
            }
        };
        if let Some(cookie) = &options.cookie {
            add(option::COOKIE, [cookie, &[], &[]]);
        }
        if let Some(nsid) = options.nsid {
            add(option::NSID, [nsid, &[], &[]]);
        }
        if let Some(error) = options.error {
            add(option::EDE, [&error.code.to_be_bytes(), error.prefix, error.text]);
        }
        if let Some(block) = options.pad_to {
            let unpadded = start + at + OPTION_HEADER_LEN;
            let padding = unpadded.next_multiple_of(block).min(self.size).saturating_sub(unpadded);
            if unpadded <= self.size {
                put(opt, at, option::PADDING.to_be_bytes());
                put(opt, at + 2, (padding as u16).to_be_bytes());
                opt[at + 4..at + 4 + padding].fill(0);
                at += OPTION_HEADER_LEN + padding;
            }
        }
        opt[0] = 0;
        put(opt, 1, 41u16.to_be_bytes());
        put(opt, 3, UDP_PAYLOAD.to_be_bytes());
        opt[5] = (rcode >> 4) as u8;
        opt[6] = 0;
        // The DO bit is copied (RFC 3225 §3); the other flags are reserved and stay clear.
        opt[7] = if options.dnssec_ok { 0x80 } else { 0 };
        opt[8] = 0;
        put(opt, 9, ((at - OPT_LEN) as u16).to_be_bytes());
        self.at = start + at;
        self.counts[Section::Additional as usize] += 1;
    }

    fn write_header(&mut self, rcode: u16) {
        self.out[3] |= (rcode & 0x0f) as u8;
        for (section, count) in self.counts.iter().enumerate() {
            put(self.out, 6 + 2 * section, count.to_be_bytes());
        }
    }
}

/// An extended DNS error (RFC 8914).
#[derive(Clone, Copy, Debug)]
pub struct ExtendedError {
    /// INFO-CODE.
    pub code: u16,
    /// First part of EXTRA-TEXT.
    pub prefix: &'static [u8],
    /// Second part of EXTRA-TEXT.
    pub text: &'static [u8],
}

/// What goes into a reply's OPT record.
#[derive(Debug, Default)]
pub struct OptOptions<'a> {
    /// The DO bit of the query.
    pub dnssec_ok: bool,
    /// Client and server cookie.
    pub cookie: Option<[u8; 24]>,
    /// The server's identifier, where it was asked for.
    pub nsid: Option<&'a [u8]>,
    /// An extended error.
    pub error: Option<ExtendedError>,
    /// Pad the message to a multiple of so many bytes (RFC 7830), as far as there is room.
    pub pad_to: Option<usize>,
}

impl OptOptions<'_> {
    /// Bytes that OPT will take, an extended error not counted: it only ever goes with short
    /// replies, or is left out.
    pub fn reserve(&self) -> usize {
        OPT_LEN
            + self.cookie.map_or(0, |cookie| 4 + cookie.len())
            + self.nsid.map_or(0, |nsid| 4 + nsid.len())
    }
}
