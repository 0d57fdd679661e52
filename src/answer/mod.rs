//! Query bytes to reply bytes: one function, without I/O, that every transport calls.

use std::net::IpAddr;

use crate::filing::Reason;
use crate::state::State;

/// How a query came in; decides the reply's size limit and what may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams: replies are bounded by the client's payload size and ours.
    Udp,
    /// TCP and whatever else carries whole messages of up to 65,535 bytes.
    Stream,
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
    /// The reason, where the gate changed the answer (or, observing, would have).
    pub blocked: Option<Reason>,
}

/// Largest reply over UDP (RFC 9715).
pub const MAX_UDP_REPLY: usize = 1232;
/// Largest DNS message.
pub const MAX_MESSAGE: usize = 65_535;

/// Answers one query. `out` holds at least [`MAX_UDP_REPLY`] bytes over UDP and [`MAX_MESSAGE`]
/// over a stream. Allocates nothing.
pub fn answer(state: &State, context: &Context, query: &[u8], out: &mut [u8]) -> Outcome {
    let _ = (state, context);
    // Placeholder until the answer core lands: REFUSED for whatever is a query.
    if query.len() < 12 || query[2] & 0x80 != 0 || query.len() > out.len() {
        return Outcome::Drop;
    }
    out[..query.len()].copy_from_slice(query);
    out[2] = 0x80 | (query[2] & 0x79);
    out[3] = 5;
    Outcome::Reply(Reply { len: query.len(), rcode: 5, blocked: None })
}
