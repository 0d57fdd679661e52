//! Observing: samples of what is asked and answered, for a query log and for dnstap.
//!
//! | file | idea |
//! | --- | --- |
//! | `mod` | what is told of an exchange, and by which threads |
//! | `settings` | what is written, how much of it, and where to |
//! | `outlet` | sampling, and the bounded queue to a thread that writes |
//! | `line` | an exchange as a line of the query log |
//! | `dnstap` | an exchange as dnstap messages |
//! | `frames` | Frame Streams: how dnstap messages stand in a file or socket |
//! | `file`, `socket` | where it is written |
//!
//! Who answers never waits for who writes: what does not fit in the queue is lost, and counted. Where
//! nothing is observed, a batch of packets costs one comparison.

mod dnstap;
mod file;
mod frames;
mod line;
mod outlet;
mod settings;
mod socket;

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

pub use settings::{
    ClientDetail, DnstapMessages, DnstapPlace, DnstapSettings, FileSettings, ObserveSettings,
    QueryLogSettings,
};

pub(super) use outlet::Writer;

use super::Phase;
use super::counters::Protocol;
use crate::answer::Reply;
use dnstap::Dnstap;
use file::RotatedFile;
use outlet::{Outlet, Sink, Takes, Tally, Writes};
use socket::Socket;

/// Who asks, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) protocol: Protocol,
    pub(super) client: SocketAddr,
    /// Our side of it, where the transport knows it.
    pub(super) local: Option<SocketAddr>,
}

/// A query and its reply.
struct Exchange<'a> {
    peer: Peer,
    /// When the query was taken up, and when its reply was ready.
    taken: SystemTime,
    replied: SystemTime,
    query: &'a [u8],
    reply: Reply,
    /// None where the reply is withheld.
    message: Option<&'a [u8]>,
}

/// Where exchanges are told. Dropping the last one ends the threads that write.
#[derive(Debug, Default)]
pub(super) struct Observer {
    outlets: Vec<Outlet>,
}

impl Observer {
    /// As configured, with what is to run on a thread of its own each. `None` where nothing is
    /// observed.
    pub(super) fn new(
        settings: ObserveSettings,
        phase: &watch::Receiver<Phase>,
    ) -> Option<(Observer, Vec<Writer>)> {
        let mut observer = Observer::default();
        let mut writers = Vec::new();
        let mut add = |name, takes, sample, writes, sink| {
            let (outlet, writer) = outlet::new(name, takes, sample, writes, sink, phase.clone());
            observer.outlets.push(outlet);
            writers.push(writer);
        };
        if let Some(QueryLogSettings { file, sample, client }) = settings.query_log {
            let sink = Box::new(RotatedFile::of_lines(file));
            add("query_log", Takes::Question, sample, Writes::Lines(client), sink);
        }
        if let Some(settings) = settings.dnstap {
            let sink: Box<dyn Sink> = match &settings.place {
                DnstapPlace::File(file) => Box::new(RotatedFile::of_frames(file.clone())),
                DnstapPlace::Socket(path) => Box::new(Socket::new(path.clone(), phase.clone())),
            };
            let sample = settings.sample;
            add("dnstap", Takes::Messages, sample, Writes::Dnstap(Dnstap::new(settings)), sink);
        }
        (!writers.is_empty()).then_some((observer, writers))
    }

    /// What was written and lost, for who asks later; it keeps no thread from its end.
    pub(super) fn observed(&self) -> Vec<Observed> {
        self.outlets.iter().map(|outlet| Observed(Arc::clone(&outlet.tally))).collect()
    }
}

/// What one outlet has written and lost since the start.
#[derive(Clone, Debug)]
pub struct Observed(Arc<Tally>);

impl Observed {
    /// `query_log` or `dnstap`.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Exchanges written.
    pub fn written(&self) -> u64 {
        self.0.written()
    }

    /// Exchanges that were sampled, and not written: nobody reads, or not fast enough.
    pub fn lost(&self) -> u64 {
        self.0.lost()
    }
}

/// An observer, and the time at which the queries at hand were taken up.
pub(super) struct Observing {
    observer: Arc<Observer>,
    taken: SystemTime,
}

impl Observing {
    /// The queries at hand are taken up now.
    pub(super) fn by(observer: &Arc<Observer>) -> Observing {
        Observing { observer: Arc::clone(observer), taken: SystemTime::now() }
    }

    /// Tells an exchange to whoever's turn it is to have one.
    pub(super) fn tell(&self, peer: &Peer, query: &[u8], reply: &Reply, message: Option<&[u8]>) {
        let replied = SystemTime::now();
        let Observing { observer, taken } = self;
        let exchange =
            Exchange { peer: *peer, taken: *taken, replied, query, reply: *reply, message };
        observer.outlets.iter().for_each(|outlet| outlet.offer(&exchange));
    }
}

thread_local! {
    static HERE: OnceCell<Arc<Observer>> = const { OnceCell::new() };
}

/// Has the tasks of the calling thread, one of a runtime's, observed.
pub(super) fn observe_here(observer: &Arc<Observer>) {
    HERE.with(|here| {
        here.get_or_init(|| Arc::clone(observer));
    });
}

/// The calling thread's own observer, with queries that are taken up now. `None` where nothing is
/// observed.
pub(super) fn here() -> Option<Observing> {
    HERE.with(|here| here.get().map(Observing::by))
}
