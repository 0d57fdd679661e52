//! The answer core, asked for one name as a resolver asks it, and its reply as `dig` shows it.

use std::net::Ipv4Addr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name as ProtoName, RData, Record};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

use super::{AnswerTold, GateTold};
use crate::answer::{Context, MAX_MESSAGE, Outcome, Reply, State, Transport, answer};
use crate::gate::Mode;
use crate::master::rdata_to_text;
use crate::wire::query::option;
use crate::wire::{Name, Rtype};

/// A reply of the answer core.
#[derive(Debug)]
pub struct Asked {
    /// What is worth counting about it.
    pub reply: Reply,
    /// The message.
    pub message: Message,
}

/// Asks over a stream, with EDNS, at an instant in seconds from 1970. `None` where there is no
/// reply that could be read, which for a whole name and a plain query never happens.
pub fn ask(state: &State, name: &Name, rtype: Rtype, now: u32) -> Option<Asked> {
    // RD set, one question, one additional record.
    const HEADER: [u8; 12] = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    const CLASS_IN: [u8; 2] = [0, 1];
    // RFC 6891 §6.1.2: root, type 41, a payload of 1232 bytes, no flags, no options.
    const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    let query = [&HEADER, name.as_wire(), &rtype.0.to_be_bytes(), &CLASS_IN, &OPT[..]].concat();
    let client = Ipv4Addr::LOCALHOST.into();
    let context = Context { client, transport: Transport::Stream, now };
    let mut out = vec![0; MAX_MESSAGE];
    let Outcome::Reply(reply) = answer(state, &context, &query, &mut out) else { return None };
    let message = Message::from_vec(out.get(..reply.len)?).ok()?;
    Some(Asked { reply, message })
}

/// A name of a message, in lower case.
pub fn name_of(name: &ProtoName) -> Option<Name> {
    Name::from_wire(&name.to_bytes().ok()?).map(|name| name.to_lowercase())
}

impl Asked {
    /// The name asked for, in lower case, and each that the answer's aliases lead it to.
    pub fn hops(&self, name: &Name) -> Vec<Name> {
        let mut hops = vec![name.clone()];
        while let Some(last) = hops.last() {
            let next = self.message.answers.iter().find_map(|record| match &record.data {
                RData::CNAME(target) if name_of(&record.name).as_ref() == Some(last) => {
                    name_of(&target.0)
                }
                _ => None,
            });
            match next {
                Some(next) if !hops.contains(&next) => hops.push(next),
                _ => break,
            }
        }
        hops
    }

    /// The reply as `dig` shows it, from a gate in that mode.
    pub(super) fn told(&self, mode: Mode, verdict: Gated) -> AnswerTold {
        let Message { metadata, answers, authorities, additionals, .. } = &self.message;
        let flags = [
            (true, "qr"),
            (metadata.authoritative, "aa"),
            (metadata.truncation, "tc"),
            (metadata.recursion_desired, "rd"),
        ];
        let flags: Vec<_> = flags.iter().filter(|(is_set, _)| *is_set).map(|it| it.1).collect();
        let lines = |records: &[Record]| records.iter().map(line).collect();
        AnswerTold {
            status: status(metadata.response_code),
            flags: flags.join(" "),
            answer: lines(answers),
            authority: lines(authorities),
            additional: lines(additionals),
            extended_error: self.extended_error(),
            gate: match (self.reply.blocked, mode, verdict) {
                (Some(_), Mode::Enforce, _) => Some(GateTold::Changed),
                (Some(_), Mode::Observe, _) => Some(GateTold::Observed),
                (None, _, Gated::Blocked) => Some(GateTold::Untouched),
                (None, _, Gated::Open) => None,
            },
        }
    }

    /// Code and text of the extended error (RFC 8914).
    fn extended_error(&self) -> Option<String> {
        let options = self.message.edns.as_ref()?.options();
        match options.get(EdnsCode::from(option::EDE))? {
            EdnsOption::Unknown(_, data) => {
                let (code, text) = data.split_first_chunk::<2>()?;
                let text = String::from_utf8_lossy(text);
                Some(format!("{} ({text})", u16::from_be_bytes(*code)))
            }
            _ => None,
        }
    }
}

/// Whether some name on the way is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gated {
    Open,
    Blocked,
}

/// The mnemonic of the IANA registry, as `dig` writes it.
fn status(code: ResponseCode) -> String {
    format!("{code:?}").to_uppercase()
}

/// A record as zone files and `dig` write it.
fn line(record: &Record) -> String {
    let rtype = Rtype(record.record_type().into());
    let mut rdata = Vec::new();
    let mut encoder = BinEncoder::new(&mut rdata);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    // What was read from a message is not too long for one.
    let _ = record.data.emit(&mut encoder);
    let owner = record.name.to_bytes().ok().and_then(|wire| Name::from_wire(&wire));
    let owner = owner.unwrap_or_else(Name::root);
    format!("{owner} {} IN {rtype} {}", record.ttl, rdata_to_text(rtype, &rdata))
}
