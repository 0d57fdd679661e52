//! The answer core as a hickory-server request handler.
//!
//! hickory-server takes no encoded reply, so the core's reply is decoded, and hickory encodes it
//! again. The core stays the only one to decide what is replied: question, sections, flags, RCODE
//! and EDNS options are taken over as they stand; compression may differ.

use std::cell::RefCell;
use std::sync::Arc;

use hickory_proto::op::{Header, HeaderCounts, Message, MessageType, Metadata, ResponseCode};
use hickory_proto::serialize::binary::BinDecoder;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol as Carrier;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponseBuilder, Queries};

use super::counters::{self, Protocol};
use super::guarded::{answer_guarded, server_failure};
use super::unix_now;
use crate::answer::{Context, MAX_MESSAGE, Outcome, Transport};
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
            Carrier::Https => Protocol::Https,
            _ => Protocol::Tls,
        };
        let context =
            Context { client: request.src().ip(), transport: Transport::Stream, now: unix_now() };
        let reply = reply(&self.shared, &context, request.as_slice(), protocol);
        let Some((message, queries)) = reply else {
            return nothing_sent(request);
        };
        let response = MessageResponseBuilder::new(&queries, message.edns.as_ref()).build(
            message.metadata,
            &message.answers,
            &message.authorities,
            [],
            &message.additionals,
        );
        response_handle.send_response(response).await.unwrap_or_else(|error| {
            tracing::debug!(%error, client = %context.client, "reply not sent");
            counters::here(protocol, |slot| slot.unsent(1));
            nothing_sent(request)
        })
    }
}

/// The core's reply as hickory wants it, or none where nothing is to be sent.
fn reply(
    shared: &Shared,
    context: &Context,
    query: &[u8],
    protocol: Protocol,
) -> Option<(Message, Queries)> {
    thread_local! {
        static OUT: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_MESSAGE]);
    }
    OUT.with_borrow_mut(|out| {
        let outcome = answer_guarded(&shared.load(), context, query, out);
        counters::here(protocol, |slot| slot.count(&outcome));
        match outcome {
            Outcome::Drop => None,
            Outcome::Reply(reply) => {
                out.get(..reply.len).and_then(decode).or_else(|| decode(&server_failure(query)?))
            }
        }
    })
}

fn decode(reply: &[u8]) -> Option<(Message, Queries)> {
    const HEADER_LEN: usize = 12;
    let decode = || -> Result<_, Box<dyn std::error::Error>> {
        let message = Message::from_vec(reply)?;
        let mut questions = BinDecoder::new(reply);
        questions.read_slice(HEADER_LEN)?;
        let queries = Queries::read(&mut questions, message.queries.len())?;
        Ok((message, queries))
    };
    decode().inspect_err(|error| tracing::error!(%error, "own reply cannot be decoded")).ok()
}

/// What hickory-server is told where no reply was sent; it only logs it.
fn nothing_sent(request: &Request) -> ResponseInfo {
    let mut metadata =
        Metadata::new(request.metadata.id, MessageType::Response, request.metadata.op_code);
    metadata.response_code = ResponseCode::ServFail;
    ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() })
}
