//! Query bytes to reply bytes: one function, without I/O, that every transport calls.
//!
//! | file | idea |
//! | --- | --- |
//! | `mod` | what a message deserves: dropped, refused as malformed, answered (RFC 8906) |
//! | `internet` | class IN: zones, chains, referrals, the gate |
//! | `why` | the synthesised `_icp` TXT record |
//! | `chaos` | class CH: version and identity |
//! | `cookie` | DNS cookies (RFC 7873, 9018) |
//! | `trace` | which domains' decisions are to be logged |

pub mod chaos;
pub mod cookie;
mod internet;
pub mod trace;
mod why;

use std::net::IpAddr;
use std::sync::Arc;

use crate::filing::Reason;
use crate::gate::Gate;
use crate::wire::query::{Edns, HEADER_LEN, Query, Question, rcode};
use crate::wire::reply::{ExtendedError, OptOptions, ReplyWriter, UDP_PAYLOAD};
use crate::wire::tsig::{self, Unsigned};
use crate::wire::{HashedName, Rtype};
use crate::zone::ZoneTable;

pub use chaos::Identity;
pub use trace::Trace;

/// Largest reply over UDP (RFC 9715).
pub const MAX_UDP_REPLY: usize = UDP_PAYLOAD as usize;
/// Largest DNS message.
pub const MAX_MESSAGE: usize = 65_535;
/// Replies are padded to multiples of this (RFC 8467 §4.1).
const PADDED_BLOCK: usize = 468;
/// Largest reply over UDP to a query without EDNS (RFC 1035 §4.2.1).
const MAX_PLAIN_REPLY: usize = 512;

/// Extended errors (RFC 8914) that are not the gate's.
mod extended_error {
    pub(super) const NOT_READY: u16 = 14;
    pub(super) const NOT_AUTHORITATIVE: u16 = 20;
}

const CLASS_IN: u16 = 1;
const CLASS_CH: u16 = 3;
const CLASS_ANY: u16 = 255;

/// Everything an answer depends on. Immutable once published.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Whether the data is there.
    pub phase: Phase,
    /// The hosted zones, each with its verdict.
    pub zones: ZoneTable,
    /// The gate.
    pub gate: Arc<Gate>,
    /// Who this server says it is.
    pub identity: Arc<Identity>,
    /// Filing records in force; for those who ask how things are.
    pub records: usize,
    /// Counts up by one with each state that is published.
    pub generation: u64,
    /// Domains whose decisions are to be logged; none, but for the minutes that somebody looks.
    pub traces: Vec<Arc<Trace>>,
}

/// Whether the data is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The first load is not done: SERVFAIL, with "not ready".
    #[default]
    Loading,
    /// Answering.
    Serving,
}

/// How a query came in; decides the reply's size limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams: replies are bounded by the client's payload size and ours.
    Udp,
    /// TCP and whatever else carries whole messages of up to 65,535 bytes.
    Stream,
    /// As [`Transport::Stream`], encrypted: whoever listens sees lengths only, so that replies are
    /// padded where the query asks for it (RFC 7830).
    Encrypted,
}

/// What an answer depends on beside the state and the query.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The client's address, for DNS cookies.
    pub client: IpAddr,
    /// How the query came in.
    pub transport: Transport,
    /// Seconds since 1970-01-01T00:00:00Z, read once for a batch of packets.
    pub now: u32,
}

/// What to do with the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send nothing (RFC 8906: a response, or too short for a header).
    Drop,
    /// Send the first `len` bytes of the output buffer.
    Reply(Reply),
}

/// A reply, and what is worth counting about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Length of the message in the output buffer.
    pub len: usize,
    /// Extended response code (RFC 6891 §6.1.3).
    pub rcode: u16,
    /// The type that was asked for, where the query has a question that could be read.
    pub qtype: Option<Rtype>,
    /// Whether the TC bit is set.
    pub is_truncated: bool,
    /// The reason, where the gate changed the answer (or, observing, would have).
    pub blocked: Option<Reason>,
}

/// What was found out about a query, beside the records written.
struct Finding {
    rcode: u16,
    error: Option<ExtendedError>,
    blocked: Option<Reason>,
}

impl Finding {
    fn of(rcode: u16) -> Finding {
        Finding { rcode, error: None, blocked: None }
    }
}

/// The name of a query's question, read ahead of the answer: of a batch of queries, each one's
/// lookup waits for memory while the others' are begun.
pub struct AskedName {
    name: HashedName,
    is_whole: bool,
}

impl Default for AskedName {
    fn default() -> AskedName {
        AskedName { name: HashedName::room(), is_whole: false }
    }
}

impl AskedName {
    /// The name that a query asks for.
    pub fn of(state: &State, query: &[u8]) -> AskedName {
        let mut asked = AskedName::default();
        asked.read(state, query);
        asked
    }

    /// Reads the name where a question has it, in place of the one before, and begins to fetch what
    /// leads to its zone.
    pub fn read(&mut self, state: &State, query: &[u8]) {
        let question = query.get(HEADER_LEN..).unwrap_or_default();
        self.is_whole = self.name.fill(question, state.zones.key());
        if self.is_whole {
            state.zones.fetch_shards(&self.name);
        }
    }

    /// Begins to fetch the zones of all names of a batch, once all have been read.
    pub fn fetch_zones(batch: &[AskedName], state: &State) {
        let names = || batch.iter().filter(|asked| asked.is_whole).map(|asked| &asked.name);
        names().for_each(|name| state.zones.fetch_slots(name));
        names().for_each(|name| state.zones.fetch_zones(name));
    }
}

/// Answers one query, as [`answer_asked`].
pub fn answer(state: &State, context: &Context, query: &[u8], out: &mut [u8]) -> Outcome {
    answer_asked(state, context, query, &AskedName::of(state, query), out)
}

/// Answers one query, whose name has been read. `out` holds at least [`MAX_UDP_REPLY`] bytes over
/// UDP and [`MAX_MESSAGE`] over a stream. Allocates nothing on the way of an ordinary answer.
pub fn answer_asked(
    state: &State,
    context: &Context,
    query: &[u8],
    asked: &AskedName,
    out: &mut [u8],
) -> Outcome {
    let (Some(header), true) = (query.first_chunk::<HEADER_LEN>(), out.len() >= MAX_UDP_REPLY)
    else {
        return Outcome::Drop;
    };
    if header[2] & 0x80 != 0 {
        return Outcome::Drop;
    }
    let read = Query::read(query);
    let opcode = header[2] >> 3 & 0x0f;
    if opcode != 0 {
        // A message of another kind is told in header and OPT; what else it holds is unknown.
        let edns = read.map_or_else(|fault| fault.edns, |read| read.edns);
        let options = edns.map(|edns| opt_options(state, context, &edns));
        let reply = ReplyWriter::new(out, query, HEADER_LEN);
        return finish(reply, None, Finding::of(rcode::NOTIMP), options);
    }
    let read = match read {
        Ok(read) => read,
        Err(fault) => {
            let end = fault.question_end.unwrap_or(HEADER_LEN);
            // A name of 255 bytes and its type and class are well within the smallest buffer.
            let reply = ReplyWriter::new(out, query, end);
            let options = fault.edns.map(|edns| opt_options(state, context, &edns));
            return finish(reply, None, Finding::of(rcode::FORMERR), options);
        }
    };
    let mut reply = ReplyWriter::new(out, query, read.question_end);
    let mut options = read.edns.map(|edns| opt_options(state, context, &edns));
    let size = match (context.transport, read.edns) {
        (Transport::Stream | Transport::Encrypted, _) => MAX_MESSAGE,
        (Transport::Udp, None) => MAX_PLAIN_REPLY,
        (Transport::Udp, Some(edns)) => {
            usize::from(edns.payload).clamp(MAX_PLAIN_REPLY, MAX_UDP_REPLY)
        }
    };
    reply.set_size(size, options.as_ref().map_or(0, OptOptions::reserve));
    let qtype = read.question.map(|question| question.rtype);
    let finding = match (read.edns, read.question) {
        (Some(edns), _) if edns.version > 0 => Finding::of(rcode::BADVERS),
        _ if read.tsig_at.is_some() => {
            let tsig = read.tsig_at.and_then(|at| tsig::unknown_key(query, at));
            return refuse_key(reply, qtype, tsig, options);
        }
        // A query for a cookie alone (RFC 7873 §5.4).
        (Some(Edns { cookie: Some(_), .. }), None) => Finding::of(rcode::NOERROR),
        (_, None) => Finding::of(rcode::FORMERR),
        (_, Some(question)) => find(state, context, query, question, asked, &mut reply),
    };
    if let Some(options) = &mut options {
        options.error = finding.error;
    }
    finish(reply, qtype, finding, options)
}

fn find(
    state: &State,
    context: &Context,
    query: &[u8],
    question: Question,
    asked: &AskedName,
    reply: &mut ReplyWriter<'_>,
) -> Finding {
    match (question.class, question.rtype) {
        (_, Rtype::OPT | Rtype::TSIG | Rtype::NXNAME) => Finding::of(rcode::FORMERR),
        (_, Rtype::MAILA | Rtype::MAILB | Rtype::TKEY) => Finding::of(rcode::NOTIMP),
        (_, Rtype::AXFR | Rtype::IXFR) => Finding::of(rcode::REFUSED),
        // The name was read to its end with the query, so that it is whole.
        (CLASS_IN | CLASS_ANY, _) if !asked.is_whole => Finding::of(rcode::FORMERR),
        (CLASS_IN | CLASS_ANY, rtype) => {
            let finding = internet::find(state, context, &asked.name, rtype, reply);
            // RFC 1035 §6.2: an answer for all classes is never authoritative.
            if question.class == CLASS_ANY {
                reply.clear_authoritative();
            }
            finding
        }
        (CLASS_CH, rtype) => {
            Finding::of(chaos::find(&state.identity, &query[HEADER_LEN..], rtype, reply))
        }
        _ => Finding::of(rcode::REFUSED),
    }
}

fn opt_options<'a>(state: &'a State, context: &Context, edns: &Edns<'_>) -> OptOptions<'a> {
    let identity = &state.identity;
    OptOptions {
        dnssec_ok: edns.dnssec_ok,
        cookie: edns.cookie.and_then(|cookie| {
            let client = cookie.first_chunk()?;
            Some(identity.cookie_secret.cookie(client, context.client, context.now))
        }),
        nsid: (edns.wants_nsid && !identity.nsid.is_empty()).then_some(identity.nsid.as_slice()),
        error: None,
        pad_to: (edns.wants_padding && context.transport == Transport::Encrypted)
            .then_some(PADDED_BLOCK),
    }
}

/// No key is shared with anybody (RFC 8945 §5.2.1); without `tsig`, the query's could not be read.
#[cold]
fn refuse_key(
    reply: ReplyWriter<'_>,
    qtype: Option<Rtype>,
    tsig: Option<Unsigned>,
    options: Option<OptOptions<'_>>,
) -> Outcome {
    let Some(tsig) = tsig else {
        return finish(reply, qtype, Finding::of(rcode::FORMERR), options);
    };
    let rcode = rcode::NOTAUTH;
    let len = reply.finish_with_tsig(rcode, options.as_ref(), &tsig);
    Outcome::Reply(Reply { len, rcode, qtype, is_truncated: false, blocked: None })
}

fn finish(
    reply: ReplyWriter<'_>,
    qtype: Option<Rtype>,
    finding: Finding,
    options: Option<OptOptions<'_>>,
) -> Outcome {
    let Finding { rcode, blocked, .. } = finding;
    let is_truncated = reply.is_truncated();
    let len = match options {
        Some(options) => reply.finish_with_opt(rcode, &options),
        None => reply.finish(rcode),
    };
    Outcome::Reply(Reply { len, rcode, qtype, is_truncated, blocked })
}
