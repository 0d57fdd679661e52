//! One client of plain DNS or DNS over TLS: frames in, frames out, in order.
//!
//! While it waits, a connection keeps at most a small buffer: bytes are read and replies are
//! written by way of buffers that belong to the thread. Nothing more is read while replies wait for
//! a client that does not take them, so what it can make us hold is bounded.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Instant;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout, timeout_at};
use tokio_rustls::server::TlsStream;

use super::table::{Order, Seat};
use crate::answer::{Context, MAX_MESSAGE, Outcome, Transport};
use crate::serve::counters::{self, Protocol};
use crate::serve::guarded::answer_guarded;
use crate::serve::observe::{self, Peer};
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

/// What carries the frames.
pub(super) trait Carrier: AsyncRead + AsyncWrite + Unpin {
    const PROTOCOL: Protocol;
    const TRANSPORT: Transport;

    fn socket(&self) -> &TcpStream;
}

impl Carrier for TcpStream {
    const PROTOCOL: Protocol = Protocol::Tcp;
    const TRANSPORT: Transport = Transport::Stream;

    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Carrier for TlsStream<TcpStream> {
    const PROTOCOL: Protocol = Protocol::Tls;
    const TRANSPORT: Transport = Transport::Encrypted;

    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

pub(super) struct Connection<S> {
    stream: S,
    client: SocketAddr,
    seat: Seat,
    shared: Arc<Shared>,
    /// Read but not answered yet: the start of a frame, or frames that wait for `unsent`.
    input: Vec<u8>,
    /// Replies that the stream has not taken yet.
    unsent: Vec<u8>,
    /// The stream has passed on all that it has taken.
    is_flushed: bool,
    last_query: Instant,
}

/// Where a step has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There may be more to do.
    Again,
    /// The client is done, or is not to be spoken with any longer.
    Over,
}

impl<S: Carrier> Connection<S> {
    pub(super) fn new(
        stream: S,
        client: SocketAddr,
        seat: Seat,
        shared: Arc<Shared>,
    ) -> Connection<S> {
        Connection {
            stream,
            client,
            seat,
            shared,
            input: Vec::new(),
            unsent: Vec::new(),
            is_flushed: true,
            last_query: Instant::now(),
        }
    }

    /// Speaks with the client until one side has had enough.
    pub(super) async fn run(mut self) {
        if let Err(error) = self.converse().await {
            let protocol = S::PROTOCOL.name();
            tracing::debug!(client = %self.client.ip(), protocol, %error, "connection ended");
        }
    }

    async fn converse(&mut self) -> io::Result<()> {
        let mut order = None;
        loop {
            // A client with ever more to say must not keep the thread from the others.
            tokio::task::coop::consume_budget().await;
            if next_frame(&self.input).is_none() && self.read(&mut order).await? == Step::Over {
                break;
            }
            let step = poll_fn(|context| Poll::Ready(self.step(context))).await?;
            if self.flush(&mut order).await? == Step::Over {
                return Ok(());
            }
            if step == Step::Over {
                break;
            }
        }
        if order == Some(Order::Close) {
            return Ok(());
        }
        let patience = self.seat.settings().write_timeout;
        timeout(patience, self.stream.shutdown()).await.unwrap_or(Ok(()))
    }

    /// Waits for something to read, and reads it. It is over with the end of what the client says,
    /// once it has been idle too long, and, when the server stops, once nothing more has come.
    async fn read(&mut self, order: &mut Option<Order>) -> io::Result<Step> {
        if self.input.is_empty() && self.input.capacity() > KEPT_CAPACITY {
            self.input = Vec::new();
        }
        let idle_at = self.last_query + self.seat.settings().idle_timeout;
        let Connection { stream, input, seat, .. } = self;
        loop {
            let at_once = poll_fn(|context| Poll::Ready(poll_read(stream, input, context))).await;
            if let Poll::Ready(read) = at_once {
                return read;
            }
            // The runtime may not have been told yet of bytes that are there, so when this is to
            // be the last word, the socket itself is asked.
            if order.is_some() && input.is_empty() && is_exhausted(stream.socket()) {
                return Ok(Step::Over);
            }
            tokio::select! {
                biased;
                given = seat.ordered() => {
                    if obey(given, order) == Step::Over {
                        return Ok(Step::Over);
                    }
                }
                read = poll_fn(|context| poll_read(stream, input, context)) => return read,
                () = sleep_until(idle_at.into()) => return Ok(Step::Over),
            }
        }
    }

    /// Answers whole frames, and writes what can be written at once.
    fn step(&mut self, context: &mut task::Context<'_>) -> io::Result<Step> {
        SCRATCH.with_borrow_mut(|scratch| {
            let (answered, step) = self.answer_frames(&mut scratch.output);
            let replies = &scratch.output[..answered];
            if answered > 0 {
                let stream = Pin::new(&mut self.stream);
                let written = match stream.poll_write(context, replies) {
                    Poll::Ready(written) => written?,
                    Poll::Pending => 0,
                };
                self.unsent.extend_from_slice(&replies[written..]);
                self.is_flushed = match Pin::new(&mut self.stream).poll_flush(context) {
                    Poll::Ready(flushed) => flushed.map(|()| true)?,
                    Poll::Pending => false,
                };
            }
            Ok(step)
        })
    }

    /// Waits until the client has taken its replies, or has shown that it won't.
    async fn flush(&mut self, order: &mut Option<Order>) -> io::Result<Step> {
        let until = Instant::now() + self.seat.settings().write_timeout;
        let mut sent = 0;
        while sent < self.unsent.len() || !self.is_flushed {
            let Connection { stream, unsent, seat, is_flushed, .. } = self;
            let writing = async {
                if sent == unsent.len() {
                    stream.flush().await?;
                    *is_flushed = true;
                    return Ok::<_, io::Error>(Step::Again);
                }
                *is_flushed = false;
                let written = stream.write(&unsent[sent..]).await?;
                sent += written;
                Ok(if written == 0 { Step::Over } else { Step::Again })
            };
            tokio::select! {
                biased;
                given = seat.ordered() => {
                    if obey(given, order) == Step::Over {
                        return Ok(Step::Over);
                    }
                }
                written = timeout_at(until.into(), writing) => {
                    if written.unwrap_or(Ok(Step::Over))? == Step::Over {
                        return Ok(Step::Over);
                    }
                }
            }
        }
        // Freed rather than kept: few connections ever need it.
        self.unsent = Vec::new();
        Ok(Step::Again)
    }

    /// Answers whole frames into `output` until there is none left or `output` is well filled.
    fn answer_frames(&mut self, output: &mut [u8]) -> (usize, Step) {
        let state = self.shared.load();
        let (client, transport) = (self.client.ip(), S::TRANSPORT);
        let context = Context { client, transport, now: unix_now() };
        let observing = observe::here().map(|observing| {
            let local = self.stream.socket().local_addr().ok();
            (observing, Peer { protocol: S::PROTOCOL, client: self.client, local })
        });
        let (mut consumed, mut filled) = (0, 0);
        let mut step = Step::Again;
        while filled < SEND_FROM
            && let Some(query) = next_frame(&self.input[consumed..])
        {
            consumed += LENGTH_PREFIX + query.len();
            let (prefix, reply_space) = output[filled..].split_at_mut(LENGTH_PREFIX);
            let outcome = answer_guarded(&state, &context, query, reply_space);
            counters::here(S::PROTOCOL, |slot| slot.count(&outcome));
            // Who sends responses, or less than a header, does not speak DNS with us.
            let Outcome::Reply(reply) = outcome else {
                step = Step::Over;
                break;
            };
            let Ok(len) = u16::try_from(reply.len) else {
                step = Step::Over;
                break;
            };
            if let Some((observing, peer)) = &observing {
                observing.tell(peer, query, &reply, reply_space.get(..reply.len));
            }
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

/// Appends to `input` what the stream has to give; it is over where that is its end.
fn poll_read<S: Carrier>(
    stream: &mut S,
    input: &mut Vec<u8>,
    context: &mut task::Context<'_>,
) -> Poll<io::Result<Step>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut read = ReadBuf::new(&mut scratch.input);
        task::ready!(Pin::new(stream).poll_read(context, &mut read))?;
        input.extend_from_slice(read.filled());
        Poll::Ready(Ok(if read.filled().is_empty() { Step::Over } else { Step::Again }))
    })
}

/// Whether the socket has neither bytes nor an end to give.
fn is_exhausted(socket: &TcpStream) -> bool {
    let peeked = SockRef::from(socket).peek(&mut [MaybeUninit::uninit()]);
    matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
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
