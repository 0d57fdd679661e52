//! The answer core behind a guard: a panic in one answer costs that answer and nothing else.
//!
//! The core is written not to panic; this is for the day that it does all the same.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::counters;
use super::observe::{self, Peer};
use super::traced;
use crate::answer::{AskedName, Context, MAX_MESSAGE, Outcome, Reply, answer_asked};
use crate::state::{Shared, State};

/// Answers one message into the thread's buffer, counts it, has it observed, and gives the reply to
/// `take`. None where nothing is to be sent.
pub(super) fn answer_one<T>(
    shared: &Shared,
    context: &Context,
    peer: &Peer,
    query: &[u8],
    take: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    thread_local! {
        static OUT: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_MESSAGE]);
    }
    OUT.with_borrow_mut(|out| {
        let observing = observe::here();
        let outcome = answer_guarded(&shared.load(), context, query, out);
        counters::here(peer.protocol, |slot| slot.count(&outcome));
        let Outcome::Reply(reply) = outcome else { return None };
        let message = out.get(..reply.len)?;
        if let Some(observing) = observing {
            observing.tell(peer, query, &reply, Some(message));
        }
        Some(take(message))
    })
}

/// [`answer`](crate::answer::answer), with SERVFAIL in place of a panic.
pub(super) fn answer_guarded(
    state: &State,
    context: &Context,
    query: &[u8],
    out: &mut [u8],
) -> Outcome {
    let asked = AskedName::of(state, query);
    answer_asked_guarded(state, context, query, &asked, out)
}

/// [`answer_asked`], with SERVFAIL in place of a panic.
pub(super) fn answer_asked_guarded(
    state: &State,
    context: &Context,
    query: &[u8],
    asked: &AskedName,
    out: &mut [u8],
) -> Outcome {
    let outcome = guard(query, out, |query, out| answer_asked(state, context, query, asked, out));
    if !state.traces.is_empty() {
        traced::log(state, context, query, &outcome);
    }
    outcome
}

fn guard(
    query: &[u8],
    out: &mut [u8],
    respond: impl FnOnce(&[u8], &mut [u8]) -> Outcome,
) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| respond(query, out))) {
        Ok(Outcome::Reply(reply)) if reply.len > out.len() => reply_server_failure(query, out),
        Ok(outcome) => outcome,
        Err(_) => {
            tracing::error!(query = %Hex(query), "answering panicked");
            reply_server_failure(query, out)
        }
    }
}

fn reply_server_failure(query: &[u8], out: &mut [u8]) -> Outcome {
    let (Some(header), Some(start)) = (server_failure(query), out.first_chunk_mut()) else {
        return Outcome::Drop;
    };
    *start = header;
    Outcome::Reply(Reply {
        len: header.len(),
        rcode: SERVFAIL.into(),
        qtype: None,
        is_truncated: false,
        blocked: None,
    })
}

const SERVFAIL: u8 = 2;

/// A bare header with SERVFAIL: nothing of the query beyond its header is looked at again. None
/// where not even that is there.
pub(super) fn server_failure(query: &[u8]) -> Option<[u8; 12]> {
    const OPCODE_AND_RD: u8 = 0x79;
    let &[id_high, id_low, flags, ..] = query.first_chunk::<12>()?;
    Some([id_high, id_low, 0x80 | flags & OPCODE_AND_RD, SERVFAIL, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// The start of a query, in hexadecimal, for the log.
struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN_BYTES: usize = 512;
        self.0.iter().take(SHOWN_BYTES).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: [u8; 12] = [0xab, 0xcd, 0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, 1];

    #[test]
    fn a_panic_becomes_servfail_with_the_query_id() {
        let mut out = [0xff; 64];
        let outcome = guard(&QUERY, &mut out, |_, _| panic!("for the test"));
        assert!(matches!(outcome, Outcome::Reply(Reply { len: 12, rcode: 2, .. })));
        assert_eq!(out[..12], [0xab, 0xcd, 0x81, 0x02, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_panic_on_less_than_a_header_is_dropped() {
        let outcome = guard(&QUERY[..11], &mut [0; 64], |_, _| panic!("for the test"));
        assert_eq!(outcome, Outcome::Drop);
    }

    #[test]
    fn a_reply_longer_than_its_buffer_becomes_servfail() {
        let outcome = guard(&QUERY, &mut [0; 64], |_, _| {
            Outcome::Reply(Reply {
                len: 65,
                rcode: 0,
                qtype: None,
                is_truncated: false,
                blocked: None,
            })
        });
        assert!(matches!(outcome, Outcome::Reply(Reply { len: 12, rcode: 2, .. })));
    }
}
