//! A line of the query log: a JSON object and its line end.
//!
//! | field | what it says |
//! | --- | --- |
//! | `time` | when the query was taken up, RFC 3339 with milliseconds, UTC |
//! | `client`, `port` | who asked: address and port, or the network alone, or neither |
//! | `transport` | `udp`, `tcp`, `tls`, `https`, `quic`, `http3` |
//! | `name`, `type` | the question, the name in lower case; neither where there is none to read |
//! | `rcode` | the extended response code, as a number |
//! | `bytes` | the length of the reply |
//! | `truncated` | whether the reply bears TC |
//! | `blocked` | the reason code where the gate changed the answer, or observing would have |
//! | `withheld` | true where the rate limit kept the reply back |

use serde::Serialize;

use super::outlet::Kept;
use super::settings::ClientDetail;
use crate::wire::name;
use crate::wire::query::HEADER_LEN;

#[derive(Serialize)]
struct Line {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    transport: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    qtype: Option<String>,
    rcode: u16,
    bytes: usize,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    withheld: bool,
}

/// Appends the line of an exchange.
pub(super) fn write(kept: &Kept, detail: ClientDetail, buffer: &mut Vec<u8>) {
    let (client, port) = match detail.of(kept.client) {
        Some((network, Some(port))) => (Some(network.addr().to_string()), Some(port)),
        Some((network, None)) => (Some(network.to_string()), None),
        None => (None, None),
    };
    let reply = &kept.reply;
    let line = Line {
        time: jiff::Timestamp::try_from(kept.taken).unwrap_or_default().strftime(TIME).to_string(),
        client,
        port,
        transport: kept.protocol.name(),
        name: reply.qtype.and_then(|_| name_asked(kept.query())),
        qtype: reply.qtype.map(|qtype| qtype.to_string()),
        rcode: reply.rcode,
        bytes: reply.len,
        truncated: reply.is_truncated,
        blocked: reply.blocked.map(|reason| reason.code()),
        withheld: kept.is_withheld,
    };
    // Texts and numbers always become JSON, and a Vec takes all that is written to it.
    if serde_json::to_writer(&mut *buffer, &line).is_ok() {
        buffer.push(b'\n');
    }
}

const TIME: &str = "%Y-%m-%dT%H:%M:%S.%3fZ";

fn name_asked(query: &[u8]) -> Option<String> {
    let question = query.get(HEADER_LEN..)?;
    let name = question.get(..name::name_len(question)?)?;
    Some(name::to_text(name).to_ascii_lowercase())
}
