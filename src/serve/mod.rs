//! The transports: what carries queries to the answer core and replies back.
//!
//! | part | carries |
//! | --- | --- |
//! | `udp` | UDP: one thread a worker and listen address, batches, the hot path |
//! | `tcp` | TCP, DNS over TLS and over HTTPS: our own acceptor with limits, pipelining, timeouts |
//! | `quic`, `bridge` | DNS over QUIC and over HTTP/3 on hickory-server; experimental |
//! | `rate_limit` | response rate limiting over UDP |
//! | `observe` | samples of queries and replies, for a query log and dnstap |
//! | `tls` | the certificate of all that is encrypted, and its renewal |
//! | `http` | HTTP on a connection: DNS over HTTPS, and pages of our own |
//!
//! A transport knows sockets, frames and limits. What a query means and what is replied is
//! [`crate::answer`]'s alone, so that every transport gives the same answers.
//!
//! The order of use: [`bind()`] while the process may still bind low ports and read private keys,
//! then drop privileges, then [`Bound::run`], and at the end [`Running::stop`].

mod bind;
mod bridge;
mod counters;
mod guarded;
pub mod http;
mod observe;
mod qtype;
mod quic;
mod rate_limit;
mod settings;
mod tcp;
mod tls;
mod traced;
mod udp;
mod validity;

use std::io;
use std::net::TcpListener;
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

pub use bind::{BindError, Bound, LocalAddrs, bind, bind_listeners};
pub use counters::{Counters, Counting, Counts, Protocol, RCODE_SLOTS};
pub use observe::{
    ClientDetail, DnstapMessages, DnstapPlace, DnstapSettings, FileSettings, ObserveSettings,
    Observed, QueryLogSettings,
};
pub use qtype::QtypeGroup;
pub use settings::{
    CertificateFiles, EncryptedSettings, RateLimitSettings, Settings, TcpSettings, UdpSettings,
};
pub use tls::{Certificate, check_certificate};
pub use traced::TARGET as TRACE_TARGET;

use crate::state::Shared;
use counters::Registry;
use http::Page;
use observe::Observer;
use rate_limit::RateLimit;

impl Bound {
    /// Starts every thread and answers from `shared` until [`Running::stop`].
    ///
    /// # Errors
    /// When a thread or a runtime cannot be made; what was started has then been stopped again.
    pub fn run(self, shared: Arc<Shared>) -> io::Result<Running> {
        let (stop, stop_seen) = watch::channel(Phase::Serving);
        let (finished, all_finished) = mpsc::channel::<()>();
        let mut running = Running {
            shared: Arc::clone(&shared),
            registry: Arc::default(),
            observer: Weak::new(),
            observed: Vec::new(),
            stop,
            finished: Some(finished),
            all_finished,
            udp_sockets: self.udp.clone(),
            workers: self.workers,
            threads: Vec::new(),
        };
        let rate_limit = RateLimit::new(self.rate_limit).map(Arc::new);
        let mut observer = None;
        if let Some((made, writers)) = Observer::new(self.observe, &stop_seen) {
            running.observed = made.observed();
            let made = Arc::new(made);
            running.observer = Arc::downgrade(&made);
            observer = Some(made);
            for writer in writers {
                running.spawn(writer.name().to_owned(), move || writer.run())?;
            }
        }
        for (number, socket) in self.udp.into_iter().enumerate() {
            let worker = udp::Worker::new(
                socket,
                self.udp_batch,
                rate_limit.clone(),
                observer.clone(),
                Arc::clone(&shared),
                running.registry.slot(Protocol::Udp),
                stop_seen.clone(),
            );
            running.spawn(format!("udp-{number}"), move || worker.run())?;
        }
        let table = Arc::new(tcp::Table::new(self.tcp_settings));
        // Runtimes of their own: a flood of TLS handshakes takes nothing from plain TCP.
        for (name, listeners) in [("tcp", self.tcp), ("tls", self.encrypted)] {
            if listeners.is_empty() {
                continue;
            }
            let server = tcp::Server::new(listeners, Arc::clone(&table), Arc::clone(&shared));
            running.spawn_runtime(name, server.run(stop_seen.clone()))?;
        }
        if !self.quic.is_empty() {
            let serving = quic::serve(self.quic, shared, stop_seen);
            running.spawn_runtime("quic", serving)?;
        }
        Ok(running)
    }
}

/// The transports at work. Dropping it stops them without draining.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    /// Its writers end with whoever answers, which this does not.
    observer: Weak<Observer>,
    observed: Vec<Observed>,
    stop: watch::Sender<Phase>,
    /// For each thread one of its own; `None` once they are to end.
    finished: Option<mpsc::Sender<()>>,
    /// Closed once every sender is gone.
    all_finished: mpsc::Receiver<()>,
    udp_sockets: Vec<Arc<socket2::Socket>>,
    workers: usize,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Running {
    /// What was counted since the start, summed over all threads.
    pub fn counters(&self) -> Counters {
        self.registry.sum()
    }

    /// For whoever asks for [`Running::counters`] later, and from elsewhere.
    pub fn counting(&self) -> Counting {
        Counting::of(&self.registry, &self.observed)
    }

    /// Serves a page of our own until [`Running::stop`], on threads that take nothing from DNS, and
    /// with connections of its own: `limits` are not shared with DNS over TCP. Does nothing without
    /// listeners.
    ///
    /// # Errors
    /// When a thread or the runtime cannot be made.
    pub fn serve_page(
        &mut self,
        protocol: Protocol,
        listeners: Vec<TcpListener>,
        limits: TcpSettings,
        page: Arc<dyn Page>,
    ) -> io::Result<()> {
        if listeners.is_empty() {
            return Ok(());
        }
        let carries = tcp::Carries::Page(protocol, page);
        let listener = |socket| tcp::Listener { socket, carries: carries.clone() };
        let listeners = listeners.into_iter().map(listener).collect();
        let table = Arc::new(tcp::Table::new(limits));
        let server = tcp::Server::new(listeners, table, Arc::clone(&self.shared));
        let serving = server.run(self.stop.subscribe());
        self.spawn_runtime(protocol.name(), serving)
    }

    /// Serves in a thread that has a runtime of its own.
    fn spawn_runtime(
        &mut self,
        name: &'static str,
        serving: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let runtime = runtime(name, self.workers, &self.registry, &self.observer)?;
        self.spawn(name.to_owned(), move || {
            runtime.block_on(serving);
            runtime.shutdown_background();
        })
    }

    fn spawn(&mut self, name: String, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let finished = self.finished.clone();
        let thread = thread::Builder::new().name(name).spawn(move || {
            body();
            drop(finished);
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Stops within about `drain`: accepts nothing new, answers what stands in the socket buffers,
    /// lets connections get the answers to what they have sent, then ends the threads. Gives the
    /// final counters. DNS over QUIC and over HTTP/3 end at once (hickory-server cannot drain).
    pub fn stop(mut self, drain: Duration) -> Counters {
        self.halt(drain);
        self.registry.sum()
    }

    fn halt(&mut self, drain: Duration) {
        /// What threads get to notice the end of the drain and return.
        const GRACE: Duration = Duration::from_secs(1);
        let deadline = Instant::now() + drain;
        self.finished = None;
        let _ = self.stop.send(Phase::Draining { until: deadline });
        for socket in &self.udp_sockets {
            // An unconnected UDP socket reports ENOTCONN, but its blocked reader wakes up.
            let _ = socket.shutdown(std::net::Shutdown::Read);
        }
        let patience = drain.saturating_add(GRACE);
        let all_ended = matches!(
            self.all_finished.recv_timeout(patience),
            Err(mpsc::RecvTimeoutError::Disconnected)
        );
        for thread in self.threads.drain(..) {
            if all_ended || thread.is_finished() {
                let _ = thread.join();
            } else {
                tracing::warn!(thread = thread.thread().name(), "thread did not stop in time");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.halt(Duration::ZERO);
        }
    }
}

/// What the threads are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Finish what has arrived, and end at this instant whatever is left.
    Draining {
        until: Instant,
    },
}

/// A runtime whose threads each count in cache lines of their own, and have their tasks observed.
fn runtime(
    name: &str,
    workers: usize,
    registry: &Arc<Registry>,
    observer: &Weak<Observer>,
) -> io::Result<tokio::runtime::Runtime> {
    let (registry, observer) = (Arc::clone(registry), Weak::clone(observer));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name(name)
        .enable_all()
        .on_thread_start(move || {
            counters::count_here(&registry);
            observer.upgrade().iter().for_each(observe::observe_here);
        })
        .build()
}

/// Seconds since 1970-01-01T00:00:00Z, as [`crate::answer::Context::now`] wants them.
fn unix_now() -> u32 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
}
