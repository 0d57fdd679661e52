//! The answer core as a hickory-server request handler.
//!
//! hickory-server takes no encoded reply, so the core's reply is decoded, and hickory encodes it
//! again. The core stays the only one to decide what is replied: question, sections, flags, RCODE
//! and EDNS options are taken over as they stand; compression may differ.

use std::array;
use std::slice::Iter;
use std::sync::Arc;

use hickory_proto::op::{Header, HeaderCounts, Message, MessageType, Metadata, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use hickory_proto::serialize::binary::BinDecoder;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol as Carrier;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder, Queries};

use super::counters::{self, Protocol};
use super::guarded::{answer_one, server_failure};
use super::observe::Peer;
use super::unix_now;
use crate::answer::{Context, Transport};
use crate::state::Shared;

/// Answers hickory-server's requests from the state in use.
#[derive(Debug)]
pub(super) struct Bridge {
    shared: Arc<Shared>,
}

impl Bridge {
    pub(super) fn new(shared: Arc<Shared>) -> Bridge {
        Bridge { shared }
    }
}

#[async_trait::async_trait]
impl RequestHandler for Bridge {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let protocol = match request.protocol() {
            Carrier::H3 => Protocol::Http3,
            _ => Protocol::Quic,
        };
        // Not padded: hickory-server encodes anew, and the length would be another.
        let context =
            Context { client: request.src().ip(), transport: Transport::Stream, now: unix_now() };
        let query = request.as_slice();
        let peer = Peer { protocol, client: request.src(), local: None };
        let reply = answer_one(&self.shared, &context, &peer, query, |reply| {
            decode(reply).or_else(|| decode(&server_failure(query)?))
        });
        let Some((message, queries)) = reply.flatten() else {
            return nothing_sent(request);
        };
        let response = response(&message, &queries);
        response_handle.send_response(response).await.unwrap_or_else(|error| {
            tracing::debug!(%error, client = %context.client, "reply not sent");
            counters::here(protocol, |slot| slot.unsent(1));
            nothing_sent(request)
        })
    }
}

/// The core's reply as hickory wants it.
fn decode(reply: &[u8]) -> Option<(Message, Queries)> {
    const HEADER_LEN: usize = 12;
    let decode = || -> Result<_, Box<dyn std::error::Error>> {
        let mut message = Message::from_vec(reply)?;
        // TSIG stands last (RFC 8945 §5.1), where hickory would put OPT.
        if let [.., last] = &message.additionals[..]
            && last.record_type() == RecordType::TSIG
            && let Some(edns) = message.edns.take()
        {
            message.additionals.insert(message.additionals.len() - 1, Record::from(&edns));
        }
        let mut questions = BinDecoder::new(reply);
        questions.read_slice(HEADER_LEN)?;
        let queries = Queries::read(&mut questions, message.queries.len())?;
        Ok((message, queries))
    };
    decode().inspect_err(|error| tracing::error!(%error, "own reply cannot be decoded")).ok()
}

fn response<'m>(
    message: &'m Message,
    queries: &'m Queries,
) -> MessageResponse<
    'm,
    'm,
    Iter<'m, Record>,
    Iter<'m, Record>,
    array::IntoIter<&'m Record, 0>,
    Iter<'m, Record>,
> {
    MessageResponseBuilder::new(queries, message.edns.as_ref()).build(
        message.metadata,
        &message.answers,
        &message.authorities,
        [],
        &message.additionals,
    )
}

/// What hickory-server is told where no reply was sent; it only logs it.
fn nothing_sent(request: &Request) -> ResponseInfo {
    let mut metadata =
        Metadata::new(request.metadata.id, MessageType::Response, request.metadata.op_code);
    metadata.response_code = ResponseCode::ServFail;
    ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::op::{Edns, OpCode, Query};
    use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
    use hickory_proto::rr::rdata::{A, CNAME, NULL, SOA};
    use hickory_proto::rr::{Name, RData};
    use hickory_proto::serialize::binary::BinEncoder;

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    /// A reply as the core might write it, after its way through hickory.
    fn through_the_bridge(reply: &[u8]) -> Message {
        let (message, queries) = decode(reply).unwrap();
        let mut bytes = Vec::new();
        response(&message, &queries).destructive_emit(&mut BinEncoder::new(&mut bytes)).unwrap();
        Message::from_vec(&bytes).unwrap()
    }

    fn reply_with_everything() -> Message {
        let mut reply = Message::new(0xbeef, MessageType::Response, OpCode::Query);
        reply.metadata.authoritative = true;
        reply.metadata.recursion_desired = true;
        reply.metadata.checking_disabled = true;
        reply.metadata.response_code = ResponseCode::NXDomain;
        reply.add_query(Query::query(name("wWw.ExAmple.cn."), RecordType::Unknown(65280)));
        let unknown =
            RData::Unknown { code: RecordType::Unknown(65280), rdata: NULL::with(vec![1, 2, 3]) };
        reply.answers = vec![
            Record::from_rdata(
                name("wWw.ExAmple.cn."),
                60,
                RData::CNAME(CNAME(name("a.example.cn."))),
            ),
            Record::from_rdata(name("a.example.cn."), 61, unknown),
        ];
        let soa = SOA::new(name("ns.example.cn."), name("h.example.cn."), 1, 2, 3, 4, 5);
        reply.authorities = vec![Record::from_rdata(name("example.cn."), 62, RData::SOA(soa))];
        let glue = RData::A(A(Ipv4Addr::new(192, 0, 2, 1)));
        reply.additionals = vec![Record::from_rdata(name("ns.example.cn."), 63, glue)];
        let mut edns = Edns::new();
        edns.set_max_payload(1232).set_dnssec_ok(true);
        let extended_error = [&[0, 4], &b"icp:no-filing"[..]].concat();
        edns.options_mut().insert(EdnsOption::Unknown(15, extended_error));
        edns.options_mut().insert(EdnsOption::Unknown(10, vec![9; 16]));
        reply.edns = Some(edns);
        reply
    }

    #[test]
    fn sections_flags_rcode_and_edns_options_survive_the_bridge() {
        let reply = reply_with_everything();
        let sent = through_the_bridge(&reply.to_vec().unwrap());
        assert_eq!(sent, reply);
        let edns = sent.edns.unwrap();
        let Some(EdnsOption::Unknown(15, text)) = edns.option(EdnsCode::from(15)) else {
            panic!("no extended error in {edns}")
        };
        assert_eq!(text[2..], *b"icp:no-filing");
        assert_eq!(sent.queries[0].name().to_ascii(), "wWw.ExAmple.cn.", "0x20 case is kept");
    }

    #[test]
    fn an_extended_rcode_and_a_missing_question_survive_the_bridge() {
        let mut reply = reply_with_everything();
        reply.metadata.response_code = ResponseCode::BADCOOKIE;
        reply.answers.clear();
        reply.queries.clear();
        let sent = through_the_bridge(&reply.to_vec().unwrap());
        assert_eq!(sent.metadata, reply.metadata);
        assert!(sent.queries.is_empty() && sent.answers.is_empty());
    }

    #[test]
    fn a_bare_server_failure_can_be_sent() {
        let failure = server_failure(&[0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        let sent = through_the_bridge(&failure);
        assert_eq!(
            (sent.metadata.id, sent.metadata.response_code),
            (0xabcd, ResponseCode::ServFail)
        );
    }
}
