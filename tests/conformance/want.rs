//! What a right answer is, in terms that a reader can check; and what was wrong with one, in short
//! words after those of ISC's `genreport`.

use std::fmt;

use beiand::wire::query::rcode;
use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::rdata::HTTPS;
use hickory_proto::rr::rdata::opt::EdnsCode;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinDecodable;

use crate::exchange::Seen;
use crate::packet::flag;

/// One thing that is asked of each reply.
#[derive(Clone, Copy)]
pub enum Want {
    /// One of these response codes.
    Status(&'static [u16]),
    /// The header bit is set.
    Set(u16),
    /// The header bit is clear.
    Clear(u16),
    /// There is an OPT record.
    Opt,
    /// There is none.
    NoOpt,
    /// OPT's DO bit is set.
    Do,
    /// OPT has the option.
    WithOption(u16),
    /// OPT has not.
    NoOption(u16),
    /// OPT has a whole cookie that begins with the client's.
    Cookie,
    /// OPT has this extended error.
    ExtendedError(u16),
    /// OPT's payload size is at most this.
    Payload(u16),
    /// The section holds these records, in any order.
    Answer(&'static [&'static str]),
    Authority(&'static [&'static str]),
    /// The section holds these records, and perhaps others; without any it is empty.
    Additional(&'static [&'static str]),
    /// The answer holds that many records.
    Answers(usize),
    /// The answer holds records of one type.
    OneRrset,
    /// Every TTL in the answer section is this one.
    AnswerTtl(u32),
    /// Every TTL in the authority section is this one.
    Ttl(u32),
    /// The message is at most that long.
    AtMost(usize),
    /// That many replies come; 1 unless said.
    Replies(usize),
    /// The server closes the connection.
    Closed,
}

use Want::*;

pub const NOERROR: Want = Status(&[rcode::NOERROR]);
pub const FORMERR: Want = Status(&[rcode::FORMERR]);
pub const NXDOMAIN: Want = Status(&[rcode::NXDOMAIN]);
pub const NOTIMP: Want = Status(&[rcode::NOTIMP]);
pub const REFUSED: Want = Status(&[rcode::REFUSED]);
pub const YXDOMAIN: Want = Status(&[rcode::YXDOMAIN]);
pub const NOTAUTH: Want = Status(&[rcode::NOTAUTH]);
pub const BADVERS: Want = Status(&[rcode::BADVERS]);
pub const AA: Want = Set(flag::AA);
pub const NO_AA: Want = Clear(flag::AA);
pub const TC: Want = Set(flag::TC);
pub const CD: Want = Set(flag::CD);
pub const SILENCE: Want = Replies(0);
/// The SOA record as the authority section of a negative answer holds it.
pub const SOA: Want = Authority(&["@ SOA"]);

/// What is wrong with what a server did; nothing where it is right.
pub fn faults(wants: &[Want], seen: &Seen) -> Vec<String> {
    let due = wants
        .iter()
        .find_map(|want| match want {
            Replies(due) => Some(*due),
            _ => None,
        })
        .unwrap_or(1);
    let close_is_due = wants.iter().any(|want| matches!(want, Closed));
    let mut faults = Vec::new();
    if seen.replies.len() < due {
        faults.push(if seen.closed && !close_is_due { "closed" } else { "timeout" }.to_owned());
    } else if seen.closed != close_is_due {
        faults.push(if seen.closed { "closed" } else { "open" }.to_owned());
    }
    // Each query is answered once, in whatever order.
    let mut open = seen.ids.clone();
    for reply in &seen.replies {
        let id = reply.first_chunk().map(|id| u16::from_be_bytes(*id));
        match open.iter().position(|asked| Some(*asked) == id) {
            Some(at) => {
                open.swap_remove(at);
            }
            None => faults.push("id".to_owned()),
        }
        if due == 0 {
            faults.push(rcode_word(u16::from(reply.get(3).copied().unwrap_or(0) & 0x0F)));
        } else {
            of_reply(wants, seen, reply, &mut faults);
        }
    }
    faults
}

fn of_reply(wants: &[Want], seen: &Seen, bytes: &[u8], faults: &mut Vec<String>) {
    let Some(reply) = Reply::read(bytes) else { return faults.push("malformed".to_owned()) };
    let mut fault = |word: &str| faults.push(word.to_owned());
    // What goes for each reply, whatever was asked.
    if bytes.len() > seen.limit {
        fault("toobig");
    }
    if reply.flags & flag::QR == 0 {
        fault("noqr");
    }
    for (bit, word) in [(flag::RA, "ra"), (flag::Z, "z"), (flag::AD, "ad")] {
        if reply.flags & bit != 0 {
            fault(word);
        }
    }
    let may_be_truncated = wants.iter().any(|want| matches!(want, Set(flag::TC)));
    if reply.flags & flag::TC != 0 && !may_be_truncated {
        fault("tc");
    }
    if let Some(query) = &seen.query {
        let asked = u16::from_be_bytes([query.bytes[2], query.bytes[3]]);
        if (asked ^ reply.flags) & 0x7800 != 0 {
            fault("opcode");
        }
        if (asked ^ reply.flags) & flag::RD != 0 {
            fault(if asked & flag::RD != 0 { "nord" } else { "rd" });
        }
        match (query.question(), &bytes[4..6]) {
            (Some(question), [0, 1]) if !bytes[12..].starts_with(question) => fault("mismatch"),
            (Some(_), [0, 0]) if matches!(reply.rcode, rcode::NOERROR | rcode::NXDOMAIN) => {
                fault("noquestion");
            }
            _ => {}
        }
    }
    if let Some(edns) = reply.edns() {
        if edns.version() != 0 {
            fault("version");
        }
        if edns.flags().z != 0 {
            fault("mbz");
        }
    }
    let records = [&reply.message.answers, &reply.message.authorities, &reply.message.additionals];
    if records[0].iter().any(|record| records[2].contains(record)) {
        fault("twice");
    }
    let is_refused = matches!(reply.rcode, rcode::FORMERR | rcode::NOTIMP | rcode::BADVERS);
    if is_refused && records.iter().any(|section| !section.is_empty()) {
        fault("records");
    }
    // A wrong response code explains what else is missing.
    let status = wants.iter().find_map(|want| match want {
        Status(codes) => Some(*codes),
        _ => None,
    });
    let wrong_status = status.is_some_and(|codes| !codes.contains(&reply.rcode));
    for want in wants {
        if !wrong_status || matches!(want, Status(_) | Opt | NoOpt) {
            faults.extend(want.fault(&reply, bytes));
        }
    }
}

impl Want {
    fn fault(&self, reply: &Reply, bytes: &[u8]) -> Option<String> {
        let (holds, word) = match *self {
            Status(codes) => (codes.contains(&reply.rcode), rcode_word(reply.rcode)),
            Set(bit) => (reply.flags & bit != 0, format!("no{}", flag_name(bit))),
            Clear(bit) => (reply.flags & bit == 0, flag_name(bit).to_owned()),
            Opt => (reply.edns().is_some(), "noopt".to_owned()),
            NoOpt => (reply.edns().is_none(), "opt".to_owned()),
            Do => (reply.edns().is_some_and(|edns| edns.flags().dnssec_ok), "nodo".to_owned()),
            WithOption(code) => (reply.option(code).is_some(), format!("no{}", option_name(code))),
            NoOption(code) => (reply.option(code).is_none(), echo_word(code)),
            Cookie => {
                let is_whole = |cookie: Vec<u8>| {
                    matches!(cookie.len(), 16..=40)
                        && cookie.starts_with(&crate::exchange::CLIENT_COOKIE)
                };
                (reply.option(10).is_some_and(is_whole), "nocookie".to_owned())
            }
            ExtendedError(code) => {
                let found = reply.option(15).and_then(|data| data.first_chunk().copied());
                (found == Some(code.to_be_bytes()), "noede".to_owned())
            }
            Payload(most) => {
                let payload = reply.edns().map_or(0, Edns::max_payload);
                (payload <= most, format!("payload={payload}"))
            }
            Answer(records) => section("answer", records, &reply.message.answers),
            Authority(records) => section("authority", records, &reply.message.authorities),
            Additional(records) => {
                let found = &reply.message.additionals;
                let (is_exact, word) = section("additional", records, found);
                let texts: Vec<String> = found.iter().map(text).collect();
                let holds_all = records.iter().all(|wanted| texts.iter().any(|t| t == wanted));
                (is_exact || (!records.is_empty() && holds_all), word)
            }
            Answers(count) => {
                let found = reply.message.answers.len();
                (found == count, format!("answer={found}"))
            }
            OneRrset => {
                let mut types: Vec<_> =
                    reply.message.answers.iter().map(Record::record_type).collect();
                types.dedup();
                (types.len() == 1, format!("rrsets={}", types.len()))
            }
            AnswerTtl(ttl) => {
                (reply.message.answers.iter().all(|r| r.ttl == ttl), "ttl".to_owned())
            }
            Ttl(ttl) => (reply.message.authorities.iter().all(|r| r.ttl == ttl), "ttl".to_owned()),
            AtMost(most) => (bytes.len() <= most, "toobig".to_owned()),
            Replies(_) | Closed => (true, String::new()),
        };
        (!holds).then_some(word)
    }
}

/// Whether a section holds these records and no others, and the word for what it holds instead.
fn section(name: &str, wanted: &[&str], found: &[Record]) -> (bool, String) {
    let mut texts: Vec<String> = found.iter().map(text).collect();
    let mut wanted = wanted.to_vec();
    texts.sort_unstable();
    wanted.sort_unstable();
    let mut types: Vec<String> = found.iter().map(|r| r.record_type().to_string()).collect();
    types.dedup();
    let word =
        if types.is_empty() { format!("no{name}") } else { format!("{name}={}", types.join("+")) };
    (texts == wanted, word)
}

/// A record without its TTL, as the cases and the document write it.
fn text(record: &Record) -> String {
    let data = match &record.data {
        // Its numbers are the same in every case.
        RData::SOA(_) => String::new(),
        // hickory-proto does not read DNAME; its name is never compressed (RFC 6672 §2.1).
        RData::Unknown { code: RecordType::DNAME | RecordType::Unknown(39), rdata } => {
            Name::from_bytes(&rdata.anything).map_or_else(|_| "?".to_owned(), |n| n.to_string())
        }
        RData::HTTPS(HTTPS(service)) | RData::SVCB(service) => {
            format!("{} {}", service.svc_priority, service.target_name)
        }
        data => data.to_string(),
    };
    let text = format!("{} {} {data}", record.name, record.record_type());
    text.replace(".site.example.", "").replace("site.example.", "@").trim_end().to_owned()
}

/// A reply as it is looked at.
struct Reply {
    flags: u16,
    rcode: u16,
    message: Message,
}

impl Reply {
    fn read(bytes: &[u8]) -> Option<Reply> {
        let message = Message::from_vec(bytes).ok()?;
        let high = message.edns.as_ref().map_or(0, |edns| u16::from(edns.rcode_high()));
        Some(Reply {
            flags: u16::from_be_bytes([bytes[2], bytes[3]]),
            rcode: high << 4 | u16::from(bytes[3] & 0x0F),
            message,
        })
    }

    fn edns(&self) -> Option<&Edns> {
        self.message.edns.as_ref()
    }

    fn option(&self, code: u16) -> Option<Vec<u8>> {
        Vec::try_from(self.edns()?.option(EdnsCode::from(code))?).ok()
    }
}

fn rcode_word(code: u16) -> String {
    const BADCOOKIE: u16 = 23;
    let word = match code {
        rcode::NOERROR => "noerror",
        rcode::FORMERR => "formerr",
        rcode::SERVFAIL => "servfail",
        rcode::NXDOMAIN => "nxdomain",
        rcode::NOTIMP => "notimp",
        rcode::REFUSED => "refused",
        rcode::YXDOMAIN => "yxdomain",
        rcode::NOTAUTH => "notauth",
        rcode::BADVERS => "badvers",
        BADCOOKIE => "badcookie",
        code => return format!("rcode{code}"),
    };
    word.to_owned()
}

fn flag_name(bit: u16) -> &'static str {
    match bit {
        flag::AA => "aa",
        flag::TC => "tc",
        flag::CD => "cd",
        _ => "flag",
    }
}

fn option_name(code: u16) -> String {
    let name = match code {
        3 => "nsid",
        8 => "subnet",
        9 => "expire",
        10 => "cookie",
        11 => "keepalive",
        12 => "padding",
        15 => "ede",
        code => return format!("option{code}"),
    };
    name.to_owned()
}

/// The word for an option that should not have come: `genreport` calls unknown ones "echoed".
fn echo_word(code: u16) -> String {
    let name = option_name(code);
    if name.starts_with("option") { "echoed".to_owned() } else { name }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let upper = |code: &u16| rcode_word(*code).to_ascii_uppercase();
        match self {
            Status(codes) => f.write_str(&codes.iter().map(upper).collect::<Vec<_>>().join(" or ")),
            Set(bit) => f.write_str(flag_name(*bit)),
            Clear(bit) => write!(f, "no {}", flag_name(*bit)),
            Opt => f.write_str("OPT"),
            NoOpt => f.write_str("no OPT"),
            Do => f.write_str("DO"),
            WithOption(code) => f.write_str(&option_name(*code)),
            NoOption(code) => write!(f, "no {}", option_name(*code)),
            Cookie => f.write_str("cookie"),
            ExtendedError(code) => write!(f, "EDE {code}"),
            Payload(most) => write!(f, "payload at most {most}"),
            Answer(records) => list(f, "answer", records),
            Authority(records) => list(f, "authority", records),
            Additional(records) => list(f, "additional", records),
            Answers(1) => f.write_str("answer: 1 record"),
            Answers(count) => write!(f, "answer: {count} records"),
            OneRrset => f.write_str("answer: one RRset"),
            AnswerTtl(ttl) => write!(f, "TTL {ttl}"),
            Ttl(ttl) => write!(f, "authority's TTL {ttl}"),
            AtMost(most) => write!(f, "at most {most} bytes"),
            Replies(0) => f.write_str("no reply"),
            Replies(1) => f.write_str("1 reply"),
            Replies(due) => write!(f, "{due} replies"),
            Closed => f.write_str("connection closed"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, name: &str, records: &[&str]) -> fmt::Result {
    if records.is_empty() {
        return write!(f, "no {name}");
    }
    let shown: Vec<String> = records.iter().map(|record| format!("`{record}`")).collect();
    write!(f, "{name}: {}", shown.join(", "))
}
