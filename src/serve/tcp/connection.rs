//! One client over TCP: frames in, frames out, in order.
//!
//! While it waits, a connection keeps at most a small buffer: bytes are read and replies are
//! written by way of buffers that belong to the thread. Nothing more is read while replies wait for
//! a client that does not take them, so what it can make us hold is bounded.

use std::cell::RefCell;
use std::io::{self, Read};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout_at};

use super::TcpSettings;
use super::table::{Order, Seat};
use crate::answer::{Context, MAX_MESSAGE, Outcome, Transport};
use crate::serve::counters::{self, Protocol};
use crate::serve::guarded::answer_guarded;
use crate::serve::unix_now;
use crate::state::Shared;

const LENGTH_PREFIX: usize = 2;
/// Bytes read at once.
const READ_CHUNK: usize = 16 << 10;
/// Once this many bytes of replies stand ready they are sent before another query is looked at.
const SEND_FROM: usize = 16 << 10;
/// The buffer that an idle connection may keep.
const KEPT_CAPACITY: usize = 512;

/// What one thread reads and writes through, for whichever connection it is busy with.
struct Scratch {
    input: [u8; READ_CHUNK],
    output: [u8; SEND_FROM + LENGTH_PREFIX + MAX_MESSAGE],
}

thread_local! {
    static SCRATCH: RefCell<Box<Scratch>> = RefCell::new(Box::new(Scratch {
        input: [0; READ_CHUNK],
        output: [0; SEND_FROM + LENGTH_PREFIX + MAX_MESSAGE],
    }));
}

pub(super) struct Connection {
    stream: TcpStream,
    client: Option<IpAddr>,
    seat: Seat,
    settings: TcpSettings,
    shared: Arc<Shared>,
    /// Read but not answered yet: the start of a frame, or frames that wait for `unsent`.
    input: Vec<u8>,
    /// Replies that the client has not taken yet.
    unsent: Vec<u8>,
    last_query: Instant,
}

/// Where a step has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There may be more to do.
    Again,
    /// Nothing to read for now.
    Starved,
    /// The client is done, or is not to be spoken with any longer.
    Over,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        seat: Seat,
        settings: TcpSettings,
        shared: Arc<Shared>,
    ) -> Connection {
        // Replies are written whole; waiting to fill a segment only delays them.
        let _ = stream.set_nodelay(true);
        Connection {
            client: stream.peer_addr().ok().map(|peer| peer.ip()),
            stream,
            seat,
            settings,
            shared,
            input: Vec::new(),
            unsent: Vec::new(),
            last_query: Instant::now(),
        }
    }

    /// Speaks with the client until one side has had enough.
    pub(super) async fn run(mut self) {
        let Some(client) = self.client else { return };
        if let Err(error) = self.converse(client).await {
            tracing::debug!(%client, %error, "TCP connection ended");
        }
    }

    async fn converse(&mut self, client: IpAddr) -> io::Result<()> {
        let mut order = None;
        loop {
            // A client with ever more to say must not keep the thread from the others.
            tokio::task::coop::consume_budget().await;
            let step = SCRATCH.with_borrow_mut(|scratch| self.step(client, order, scratch))?;
            if !self.unsent.is_empty() && self.flush(&mut order).await? == Step::Over {
                return Ok(());
            }
            match step {
                Step::Again => {}
                Step::Over => break,
                Step::Starved if order.is_some() && self.input.is_empty() => break,
                Step::Starved => {
                    if self.wait(&mut order).await? == Step::Over {
                        return Ok(());
                    }
                }
            }
        }
        self.stream.shutdown().await
    }

    /// Waits for something to read.
    async fn wait(&mut self, order: &mut Option<Order>) -> io::Result<Step> {
        if self.input.is_empty() && self.input.capacity() > KEPT_CAPACITY {
            self.input = Vec::new();
        }
        let idle_at = self.last_query + self.settings.idle_timeout;
        tokio::select! {
            biased;
            given = self.seat.ordered() => Ok(obey(given, order)),
            readable = self.stream.readable() => readable.map(|()| Step::Again),
            () = sleep_until(idle_at.into()) => Ok(Step::Over),
        }
    }

    /// Waits until the client has taken its replies, or has shown that it won't.
    async fn flush(&mut self, order: &mut Option<Order>) -> io::Result<Step> {
        let until = Instant::now() + self.settings.write_timeout;
        let mut sent = 0;
        while sent < self.unsent.len() {
            tokio::select! {
                biased;
                given = self.seat.ordered() => {
                    if obey(given, order) == Step::Over {
                        return Ok(Step::Over);
                    }
                }
                written = timeout_at(until.into(), self.stream.write(&self.unsent[sent..])) => {
                    match written {
                        Ok(Ok(0)) | Err(_) => return Ok(Step::Over),
                        Ok(written) => sent += written?,
                    }
                }
            }
        }
        // Freed rather than kept: few connections ever need it.
        self.unsent = Vec::new();
        Ok(Step::Again)
    }

    /// Reads if there is no whole frame yet, answers whole frames, and writes what can be written.
    fn step(
        &mut self,
        client: IpAddr,
        order: Option<Order>,
        scratch: &mut Scratch,
    ) -> io::Result<Step> {
        if next_frame(&self.input).is_none() {
            let read = self.read(order, &mut scratch.input);
            match read {
                Ok(0) => return Ok(Step::Over),
                Ok(len) => self.input.extend_from_slice(&scratch.input[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Step::Starved);
                }
                Err(error) => return Err(error),
            }
        }
        let (answered, step) = self.answer_frames(client, &mut scratch.output);
        let replies = &scratch.output[..answered];
        let written = match self.stream.try_write(replies) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.unsent.extend_from_slice(&replies[written..]);
        Ok(step)
    }

    /// Reads what is there. The runtime may not have been told yet of bytes that are, so when this
    /// is to be the last word, the socket itself is asked first.
    fn read(&self, order: Option<Order>, input: &mut [u8]) -> io::Result<usize> {
        if order.is_some() {
            match (&*SockRef::from(&self.stream)).read(input) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
        self.stream.try_read(input)
    }

    /// Answers whole frames into `output` until there is none left or `output` is well filled.
    fn answer_frames(&mut self, client: IpAddr, output: &mut [u8]) -> (usize, Step) {
        let state = self.shared.load();
        let context = Context { client, transport: Transport::Stream, now: unix_now() };
        let (mut consumed, mut filled) = (0, 0);
        let mut step = Step::Again;
        while filled < SEND_FROM
            && let Some(query) = next_frame(&self.input[consumed..])
        {
            consumed += LENGTH_PREFIX + query.len();
            let (prefix, reply_space) = output[filled..].split_at_mut(LENGTH_PREFIX);
            let outcome = answer_guarded(&state, &context, query, reply_space);
            counters::here(Protocol::Tcp, |slot| slot.count(&outcome));
            // Who sends responses, or less than a header, does not speak DNS with us.
            let Outcome::Reply(reply) = outcome else {
                step = Step::Over;
                break;
            };
            let Ok(len) = u16::try_from(reply.len) else {
                step = Step::Over;
                break;
            };
            prefix.copy_from_slice(&len.to_be_bytes());
            filled += LENGTH_PREFIX + reply.len;
        }
        if consumed > 0 {
            self.input.drain(..consumed);
            self.last_query = Instant::now();
            self.seat.active(self.last_query);
        }
        (filled, step)
    }
}

/// Takes an order in: closing is at once, draining is remembered.
fn obey(given: Order, order: &mut Option<Order>) -> Step {
    *order = Some(given);
    match given {
        Order::Close => Step::Over,
        Order::Drain => Step::Again,
    }
}

/// The message in the first frame (RFC 1035 §4.2.2), if all of it is there.
fn next_frame(input: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = input.split_first_chunk::<LENGTH_PREFIX>()?;
    rest.get(..usize::from(u16::from_be_bytes(*prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_whole_or_none() {
        assert_eq!(next_frame(&[]), None);
        assert_eq!(next_frame(&[0]), None);
        assert_eq!(next_frame(&[0, 2, 7]), None);
        assert_eq!(next_frame(&[0, 2, 7, 8, 0, 1]), Some(&[7, 8][..]));
        assert_eq!(next_frame(&[0, 0]), Some(&[][..]));
        assert_eq!(next_frame(&[1, 0]), None, "the length is big-endian");
    }
}
