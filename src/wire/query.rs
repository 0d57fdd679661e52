//! Reading a query: header, question, EDNS (RFC 1035 §4.1, RFC 6891), as a view over its bytes.

use super::rrtype::Rtype;

/// Length of the message header.
pub const HEADER_LEN: usize = 12;
/// Option codes of EDNS that beiand reads or writes (IANA registry).
pub mod option {
    /// Name server identifier (RFC 5001).
    pub const NSID: u16 = 3;
    /// DNS cookies (RFC 7873).
    pub const COOKIE: u16 = 10;
    /// Padding (RFC 7830).
    pub const PADDING: u16 = 12;
    /// Extended DNS errors (RFC 8914).
    pub const EDE: u16 = 15;
}

/// Response codes (RFC 6895 §2.3).
pub mod rcode {
    #![allow(missing_docs)]
    pub const NOERROR: u16 = 0;
    pub const FORMERR: u16 = 1;
    pub const SERVFAIL: u16 = 2;
    pub const NXDOMAIN: u16 = 3;
    pub const NOTIMP: u16 = 4;
    pub const REFUSED: u16 = 5;
    pub const YXDOMAIN: u16 = 6;
    pub const NOTAUTH: u16 = 9;
    pub const BADVERS: u16 = 16;
}

/// A query that can be read to its end.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Where the question section ends; with a question, its name starts at [`HEADER_LEN`].
    pub question_end: usize,
    /// The question; `None` for a message without one.
    pub question: Option<Question>,
    /// What the OPT record says; `None` without one.
    pub edns: Option<Edns<'a>>,
    /// Where the TSIG record (RFC 8945) begins that the message ends with.
    pub tsig_at: Option<usize>,
}

/// Type and class of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// QTYPE.
    pub rtype: Rtype,
    /// QCLASS.
    pub class: u16,
}

/// What a query's OPT record says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edns<'a> {
    /// Largest UDP reply the client takes.
    pub payload: u16,
    /// EDNS version; beiand speaks 0.
    pub version: u8,
    /// DNSSEC OK.
    pub dnssec_ok: bool,
    /// NSID is asked for.
    pub wants_nsid: bool,
    /// The PADDING option: the reply may be padded, too (RFC 7830 §4).
    pub wants_padding: bool,
    /// The COOKIE option, of a valid length.
    pub cookie: Option<&'a [u8]>,
}

/// Why a message is answered with FORMERR, with what could be read before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormErr {
    /// The end of a question that could be read; the reply echoes it.
    pub question_end: Option<usize>,
    /// What an OPT record before the fault says, its options aside: the reply has OPT, too
    /// (RFC 6891 §6.1.1).
    pub edns: Option<Edns<'static>>,
}

impl<'a> Query<'a> {
    /// Reads a message of at least [`HEADER_LEN`] bytes as one with opcode QUERY.
    pub fn read(message: &'a [u8]) -> Result<Query<'a>, FormErr> {
        let count = |at| read_u16(message, at).unwrap_or(0);
        let (questions, answers, authorities, additionals) =
            (count(4), count(6), count(8), count(10));
        let mut refused = FormErr { question_end: None, edns: None };
        let mut at = HEADER_LEN;
        let mut question = None;
        match questions {
            0 => {}
            1 => {
                at = end_of_name(message, at).ok_or(refused)?;
                question = Some(Question {
                    rtype: Rtype(read_u16(message, at).ok_or(refused)?),
                    class: read_u16(message, at + 2).ok_or(refused)?,
                });
                at += 4;
                refused.question_end = Some(at);
            }
            _ => return Err(refused),
        }
        let mut query = Query { question_end: at, question, edns: None, tsig_at: None };
        // An IXFR carries the client's SOA in the authority section (RFC 1995 §3).
        let is_ixfr = question.is_some_and(|question| question.rtype == Rtype::IXFR);
        let is_query = answers == 0 && (authorities == 0 || is_ixfr);
        for _ in 0..u32::from(answers) + u32::from(authorities) {
            at = record(message, at).ok_or(refused)?.end;
        }
        for left in (0..additionals).rev() {
            let record = record(message, at).ok_or(refused)?;
            match record.rtype {
                Rtype::OPT => {
                    if message[at] != 0 || query.edns.is_some() {
                        return Err(refused);
                    }
                    let edns = Edns::of(&record);
                    refused.edns = Some(edns);
                    query.edns = Some(edns.with_options(record.rdata).ok_or(refused)?);
                }
                Rtype::TSIG if left == 0 => query.tsig_at = Some(at),
                Rtype::TSIG => return Err(refused),
                _ => {}
            }
            at = record.end;
        }
        if at != message.len() || !is_query {
            return Err(refused);
        }
        Ok(query)
    }
}

/// The smallest TTL of a reply's records, OPT aside; none where it has no other. Of a message that
/// cannot be read, it is that of the records before the fault.
pub fn smallest_ttl(reply: &[u8]) -> Option<u32> {
    let count = |at| read_u16(reply, at).map_or(0, usize::from);
    let mut at = HEADER_LEN;
    for _ in 0..count(4) {
        at = end_of_name(reply, at)? + 4;
    }
    let mut smallest: Option<u32> = None;
    for _ in 0..count(6) + count(8) + count(10) {
        let Some(record) = record(reply, at) else { break };
        if record.rtype != Rtype::OPT {
            smallest = Some(smallest.map_or(record.ttl, |ttl| ttl.min(record.ttl)));
        }
        at = record.end;
    }
    smallest
}

struct Record<'a> {
    rtype: Rtype,
    class: u16,
    ttl: u32,
    rdata: &'a [u8],
    end: usize,
}

fn record(message: &[u8], at: usize) -> Option<Record<'_>> {
    let at = end_of_name(message, at)?;
    let fixed = message.get(at..at + 10)?;
    let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let end = at + 10 + usize::from(word(8));
    Some(Record {
        rtype: Rtype(word(0)),
        class: word(2),
        ttl: u32::from(word(4)) << 16 | u32::from(word(6)),
        rdata: message.get(at + 10..end)?,
        end,
    })
}

impl Edns<'static> {
    /// The fixed fields of an OPT record.
    fn of(opt: &Record<'_>) -> Edns<'static> {
        Edns {
            payload: opt.class,
            version: (opt.ttl >> 16) as u8,
            dnssec_ok: opt.ttl & 0x8000 != 0,
            ..Edns::default()
        }
    }

    /// With the options, if they can be read. What another version has there is not for beiand to
    /// judge.
    fn with_options(self, mut rest: &[u8]) -> Option<Edns<'_>> {
        let mut edns: Edns<'_> = self;
        while !rest.is_empty() && edns.version == 0 {
            let code = read_u16(rest, 0)?;
            let data = rest.get(4..4 + usize::from(read_u16(rest, 2)?))?;
            match code {
                option::NSID => edns.wants_nsid = true,
                option::PADDING => edns.wants_padding = true,
                // RFC 7873 §5.2.2: any other length is malformed. The first of several counts.
                option::COOKIE if !matches!(data.len(), 8 | 16..=40) => return None,
                option::COOKIE if edns.cookie.is_none() => edns.cookie = Some(data),
                _ => {}
            }
            rest = &rest[4 + data.len()..];
        }
        Some(edns)
    }
}

/// Where the name at `at` ends in the message; follows no pointer, but steps over a final one,
/// as in owner names of records. The question's own name is read without pointers elsewhere.
fn end_of_name(message: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    loop {
        let len = *message.get(at)?;
        match len {
            0 => return Some(at + 1),
            1..=63 => at += usize::from(len) + 1,
            0xc0.. if start > HEADER_LEN => {
                message.get(at + 1)?;
                return Some(at + 2);
            }
            _ => return None,
        }
        if at - start >= super::name::MAX_NAME_LEN {
            return None;
        }
    }
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_ttl_is_that_of_any_record_but_opt() {
        let mut reply = vec![0, 0, 0x84, 0, 0, 1, 0, 1, 0, 1, 0, 1];
        reply.extend(b"\x01a\x00\x00\x01\x00\x01");
        for ttl in [300, 60] {
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0]);
            reply.extend(u16::to_be_bytes(ttl));
            reply.extend([0, 4, 192, 0, 2, 1]);
        }
        reply.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        assert_eq!(smallest_ttl(&reply), Some(60));
        assert_eq!(smallest_ttl(&reply[..reply.len() - 27]), Some(300), "cut short");
        assert_eq!(smallest_ttl(&[0; 12]), None);
        assert_eq!(smallest_ttl(&[]), None);
    }
}
