//! Sampling, and the queue between the threads that answer and one that writes.
//!
//! The queue is bounded in exchanges and in bytes. While there is nowhere to write to, what is
//! sampled is not even copied.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::super::Phase;
use super::super::counters::Protocol;
use super::dnstap::Dnstap;
use super::settings::ClientDetail;
use super::{Exchange, line};
use crate::answer::Reply;
use crate::wire::query::HEADER_LEN;

/// Exchanges that wait for being written, at most.
const MAX_WAITING: usize = 8_192;
/// Bytes of their messages, at most.
const MAX_WAITING_BYTES: usize = 4 << 20;
/// Bytes that are written at once.
const WRITTEN_AT_ONCE: usize = 256 << 10;
/// How long more is waited for, once there is something to write: who answers then need not wake the
/// writer for each query.
const GATHERING: Duration = Duration::from_millis(5);
/// How often a writer without work looks whether it is to stop.
const TICK: Duration = Duration::from_millis(250);
/// From a failure to the next attempt, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// From one line about losses in the log to the next.
const BETWEEN_REPORTS: Duration = Duration::from_secs(60);
/// Longest question: a name, type and class.
const MAX_QUESTION: usize = 255 + 4;

/// What is kept of an exchange until it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// The query up to the end of its question.
    Question,
    /// Query and reply.
    Messages,
}

/// How an exchange is written.
#[derive(Debug)]
pub(super) enum Writes {
    /// A line of the query log.
    Lines(ClientDetail),
    /// dnstap messages, each in a frame.
    Dnstap(Dnstap),
}

/// Where exchanges are written.
pub(super) trait Sink: fmt::Debug + Send {
    /// Makes it ready for [`Sink::write`]; also after that has failed.
    fn open(&mut self) -> io::Result<()>;
    /// Writes all, or is not ready any more.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Writes what belongs at the end.
    fn close(&mut self);
    /// Where it is, for the log.
    fn place(&self) -> String;
}

/// What became of the exchanges that were sampled.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) name: &'static str,
    is_open: AtomicBool,
    waiting_bytes: AtomicUsize,
    written: AtomicU64,
    lost: AtomicU64,
}

impl Tally {
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn lose(&self, exchanges: u64) {
        self.lost.fetch_add(exchanges, Ordering::Relaxed);
    }
}

/// An exchange that waits for being written.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) protocol: Protocol,
    pub(super) client: SocketAddr,
    pub(super) local: Option<SocketAddr>,
    pub(super) taken: SystemTime,
    pub(super) replied: SystemTime,
    pub(super) reply: Reply,
    pub(super) is_withheld: bool,
    /// The query and, behind it, the reply.
    bytes: Box<[u8]>,
    query_len: usize,
}

impl Kept {
    fn of(exchange: &Exchange<'_>, query: &[u8], message: &[u8]) -> Kept {
        Kept {
            protocol: exchange.peer.protocol,
            client: exchange.peer.client,
            local: exchange.peer.local,
            taken: exchange.taken,
            replied: exchange.replied,
            reply: exchange.reply,
            is_withheld: exchange.message.is_none(),
            bytes: [query, message].concat().into(),
            query_len: query.len(),
        }
    }

    /// The query, or as much of it as is kept.
    pub(super) fn query(&self) -> &[u8] {
        &self.bytes[..self.query_len]
    }

    /// The reply in wire form; empty where it was withheld, or is not kept.
    pub(super) fn message(&self) -> &[u8] {
        &self.bytes[self.query_len..]
    }
}

/// The end of the queue where exchanges come in.
#[derive(Debug)]
pub(super) struct Outlet {
    takes: Takes,
    sample: u64,
    seen: AtomicU64,
    queue: SyncSender<Kept>,
    pub(super) tally: Arc<Tally>,
}

/// A queue, and who empties it.
pub(super) fn new(
    name: &'static str,
    takes: Takes,
    sample: u64,
    writes: Writes,
    sink: Box<dyn Sink>,
    phase: watch::Receiver<Phase>,
) -> (Outlet, Writer) {
    let (queue, waiting) = sync_channel(MAX_WAITING);
    let tally = Arc::new(Tally {
        name,
        is_open: AtomicBool::new(false),
        waiting_bytes: AtomicUsize::new(0),
        written: AtomicU64::new(0),
        lost: AtomicU64::new(0),
    });
    let seen = AtomicU64::new(0);
    let outlet = Outlet { takes, sample: sample.max(1), seen, queue, tally: Arc::clone(&tally) };
    let writer = Writer {
        waiting,
        tally,
        writes,
        sink,
        phase,
        buffer: Vec::new(),
        trouble: None,
        reported: (0, None),
    };
    (outlet, writer)
}

impl Outlet {
    /// Takes an exchange if it is one that is sampled and there is room.
    pub(super) fn offer(&self, exchange: &Exchange<'_>) {
        if self.sample > 1 && !self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.sample)
        {
            return;
        }
        let (query, message) = match self.takes {
            Takes::Question => {
                let end = exchange.query.len().min(HEADER_LEN + MAX_QUESTION);
                (&exchange.query[..end], &[][..])
            }
            Takes::Messages => (exchange.query, exchange.message.unwrap_or_default()),
        };
        let (tally, len) = (&self.tally, query.len() + message.len());
        let has_room = tally.waiting_bytes.load(Ordering::Relaxed) + len <= MAX_WAITING_BYTES;
        if !has_room || !tally.is_open.load(Ordering::Relaxed) {
            return tally.lose(1);
        }
        tally.waiting_bytes.fetch_add(len, Ordering::Relaxed);
        if self.queue.try_send(Kept::of(exchange, query, message)).is_err() {
            tally.waiting_bytes.fetch_sub(len, Ordering::Relaxed);
            tally.lose(1);
        }
    }
}

/// Empties a queue, on a thread of its own, until everybody who fills it is gone.
pub(in crate::serve) struct Writer {
    waiting: Receiver<Kept>,
    tally: Arc<Tally>,
    writes: Writes,
    sink: Box<dyn Sink>,
    phase: watch::Receiver<Phase>,
    buffer: Vec<u8>,
    trouble: Option<Trouble>,
    /// The losses that the log tells of, and when it last did.
    reported: (u64, Option<Instant>),
}

/// What has failed is not told again until it has worked.
#[derive(Clone, Copy)]
struct Trouble {
    /// Until the next attempt.
    pause: Duration,
}

/// Whether there is more to come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queue {
    Open,
    Over,
}

impl Writer {
    pub(in crate::serve) fn name(&self) -> &'static str {
        self.tally.name
    }

    pub(in crate::serve) fn run(mut self) {
        let (to, place) = (self.name(), self.sink.place());
        tracing::info!(to, place, "observing queries");
        loop {
            // Set before the sink is told that it begins: who reads that has the next query.
            self.tally.is_open.store(true, Ordering::Relaxed);
            let ended = self.sink.open().and_then(|()| self.write_all());
            self.tally.is_open.store(false, Ordering::Relaxed);
            let Err(error) = ended else { return self.sink.close() };
            let pause = match self.trouble {
                Some(Trouble { pause }) => (pause * 2).min(LONGEST_PAUSE),
                None => {
                    tracing::warn!(to, place, %error, "observed queries cannot be written");
                    FIRST_PAUSE
                }
            };
            self.trouble = Some(Trouble { pause });
            if self.idle(pause) == Queue::Over {
                return self.sink.close();
            }
        }
    }

    /// Writes what comes, until nothing more can.
    fn write_all(&mut self) -> io::Result<()> {
        let mut is_behind = false;
        loop {
            self.report();
            let first = match self.waiting.recv_timeout(TICK) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) if self.is_past_the_end() => return Ok(()),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            if !is_behind {
                thread::sleep(GATHERING);
            }
            self.buffer.clear();
            let mut exchanges = 0;
            let mut next = Some(first);
            while let Some(kept) = next.take() {
                self.tally.waiting_bytes.fetch_sub(kept.bytes.len(), Ordering::Relaxed);
                match &self.writes {
                    Writes::Lines(client) => line::write(&kept, *client, &mut self.buffer),
                    Writes::Dnstap(dnstap) => dnstap.write(&kept, &mut self.buffer),
                }
                exchanges += 1;
                is_behind = self.buffer.len() >= WRITTEN_AT_ONCE;
                if !is_behind {
                    next = self.waiting.try_recv().ok();
                }
            }
            match self.sink.write(&self.buffer) {
                Ok(()) => {
                    self.tally.written.fetch_add(exchanges, Ordering::Relaxed);
                    if self.trouble.take().is_some() {
                        tracing::info!(to = self.name(), "observed queries are written again");
                    }
                }
                Err(error) => {
                    self.tally.lose(exchanges);
                    return Err(error);
                }
            }
        }
    }

    /// Lets time pass after a failure, and loses what comes meanwhile.
    fn idle(&mut self, pause: Duration) -> Queue {
        let until = Instant::now() + pause;
        loop {
            self.report();
            let left = until.saturating_duration_since(Instant::now());
            match self.waiting.recv_timeout(left.min(TICK)) {
                Ok(kept) => {
                    self.tally.waiting_bytes.fetch_sub(kept.bytes.len(), Ordering::Relaxed);
                    self.tally.lose(1);
                }
                Err(RecvTimeoutError::Disconnected) => return Queue::Over,
                Err(RecvTimeoutError::Timeout) if self.is_past_the_end() => return Queue::Over,
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Queue::Open,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Whether the server has stopped, though somebody still holds the other end of the queue.
    fn is_past_the_end(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Draining { until } if until < Instant::now())
    }

    /// Tells the log of losses, now and then.
    fn report(&mut self) {
        let (told, at) = self.reported;
        let lost = self.tally.lost();
        if lost > told && at.is_none_or(|at| at.elapsed() > BETWEEN_REPORTS) {
            tracing::warn!(to = self.name(), lost = lost - told, "observed queries lost");
            self.reported = (lost, Some(Instant::now()));
        }
    }
}
