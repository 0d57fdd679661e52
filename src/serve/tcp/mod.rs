//! Everything that comes over TCP connections: plain DNS (RFC 7766, RFC 9210), DNS over TLS
//! (RFC 7858), DNS over HTTPS (RFC 8484) and the pages of our own: accepting, limits, stopping.
//!
//! | file | idea |
//! | --- | --- |
//! | `mod` | accepting, the TLS handshake, stopping |
//! | `table` | who is connected: the limits, and who makes room |
//! | `connection` | one client of plain DNS or DNS over TLS: frames in, frames out |
//! | `exchange` | one request of DNS over HTTPS and its response; `super::http` has the connection |
//!
//! Our own acceptor, because hickory-server's has no limits, answers one query at a time, cannot
//! drain, does not serve GET, and cannot stream a transfer.

mod accept_trouble;
mod connection;
mod exchange;
mod table;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use rustls::ServerConfig;
use socket2::{SockRef, Socket};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Phase;
use super::counters::{self, Protocol};
use super::http::{self, Page, Versions};
use super::settings::TcpSettings;
use crate::state::Shared;
use accept_trouble::AcceptTrouble;
use connection::Connection;
use table::Admission;

pub(super) use table::{Order, Seat, Table};

/// A bound listener, and what is spoken on its connections.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: std::net::TcpListener,
    pub(super) carries: Carries,
}

/// What is spoken on a connection.
#[derive(Clone, Debug)]
pub(super) enum Carries {
    /// Frames.
    Dns,
    /// Frames inside TLS.
    Tls(Arc<ServerConfig>),
    /// HTTP inside TLS; DNS is at this path.
    Https(Arc<ServerConfig>, Arc<str>),
    /// HTTP; a page of our own.
    Page(Protocol, Arc<dyn Page>),
}

/// Bytes of request headers; a GET of DNS over HTTPS has its whole query in its first line.
const MAX_DNS_HEAD: u32 = 96 << 10;
/// What browsers send with a site's cookies fits.
const MAX_PAGE_HEAD: u32 = 16 << 10;

impl Carries {
    fn protocol(&self) -> Protocol {
        match self {
            Carries::Dns => Protocol::Tcp,
            Carries::Tls(_) => Protocol::Tls,
            Carries::Https(..) => Protocol::Https,
            Carries::Page(protocol, _) => *protocol,
        }
    }
}

/// Listeners and what their connections share.
pub(super) struct Server {
    listeners: Vec<Listener>,
    acceptor: Acceptor,
}

impl Server {
    /// The limits are those of `table`, which several servers may share.
    pub(super) fn new(listeners: Vec<Listener>, table: Arc<Table>, shared: Arc<Shared>) -> Server {
        Server { listeners, acceptor: Acceptor { table, shared } }
    }

    /// Serves until told to stop and drained.
    pub(super) async fn run(self, mut stop: watch::Receiver<Phase>) {
        let mut accepting = JoinSet::new();
        for Listener { socket, carries } in self.listeners {
            match TcpListener::from_std(socket) {
                Ok(listener) => {
                    let acceptor = self.acceptor.clone();
                    accepting.spawn(acceptor.accept_all(listener, carries, stop.clone()));
                }
                Err(error) => tracing::error!(%error, "TCP listener cannot be served"),
            }
        }
        let until = match stop.wait_for(|phase| *phase != Phase::Serving).await.as_deref() {
            Ok(Phase::Draining { until }) => *until,
            _ => Instant::now(),
        };
        let table = self.acceptor.table;
        let drained = async {
            while accepting.join_next().await.is_some() {}
            table.drain().await;
        };
        if timeout_at(until.into(), drained).await.is_err() {
            tracing::info!(
                connections = table.len(),
                "TCP connections cut off at the end of the drain"
            );
        }
    }
}

#[derive(Clone)]
struct Acceptor {
    table: Arc<Table>,
    shared: Arc<Shared>,
}

impl Acceptor {
    async fn accept_all(
        self,
        listener: TcpListener,
        carries: Carries,
        mut stop: watch::Receiver<Phase>,
    ) {
        let mut trouble = AcceptTrouble::default();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|phase| *phase != Phase::Serving) => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    trouble.is_over(&listener);
                    self.take(stream, peer, &carries);
                }
                Err(error) => {
                    if let Some(pause) = trouble.pause_after(&error, &listener) {
                        self.table.evict_idle();
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
        // Clients whose handshake was done before the stop count as having come in time.
        // Asked directly, since the runtime may not have been told yet of the last ones.
        while let Ok((socket, peer)) = SockRef::from(&listener).accept() {
            if let (Ok(stream), Some(peer)) = (into_stream(socket), peer.as_socket()) {
                self.take(stream, peer, &carries);
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr, carries: &Carries) {
        let (client, protocol) = (peer.ip(), carries.protocol());
        match self.table.admit(client, protocol) {
            Admission::Seated(seat) => {
                counters::here(protocol, |slot| slot.connection());
                // Replies are written whole; waiting to fill a segment only delays them.
                let _ = stream.set_nodelay(true);
                let (carries, shared) = (carries.clone(), Arc::clone(&self.shared));
                tokio::spawn(attend(stream, peer, seat, carries, shared));
            }
            Admission::Refused => {
                counters::here(protocol, |slot| slot.connection_over_limit());
                tracing::debug!(%client, protocol = protocol.name(), "connection over the limit");
            }
        }
    }
}

/// Speaks with one client to the end of its connection.
async fn attend(
    stream: TcpStream,
    client: SocketAddr,
    seat: Seat,
    carries: Carries,
    shared: Arc<Shared>,
) {
    match carries {
        Carries::Dns => Connection::new(stream, client, seat, shared).run().await,
        Carries::Tls(tls) => {
            if let Some(stream) = handshake(stream, client.ip(), &seat, tls).await {
                Connection::new(stream, client, seat, shared).run().await;
            }
        }
        Carries::Https(tls, path) => {
            if let Some(stream) = handshake(stream, client.ip(), &seat, tls).await {
                let resource = Arc::new(exchange::Resource::new(path, client, shared));
                let respond = |request| Arc::clone(&resource).respond(request);
                http::converse(stream, Versions::OneAndTwo, MAX_DNS_HEAD, seat, respond).await;
            }
        }
        Carries::Page(_, page) => {
            let respond = |request| {
                let page = Arc::clone(&page);
                async move { page.answer(request).await }
            };
            http::converse(stream, Versions::One, MAX_PAGE_HEAD, seat, respond).await;
        }
    }
}

/// Agrees on TLS, within the time that a client may be idle. Who has got no further than this when
/// told to make room, or when the server stops, has asked nothing yet.
async fn handshake(
    stream: TcpStream,
    client: IpAddr,
    seat: &Seat,
    tls: Arc<ServerConfig>,
) -> Option<TlsStream<TcpStream>> {
    let until = Instant::now() + seat.settings().idle_timeout;
    tokio::select! {
        biased;
        _ = seat.ordered() => None,
        agreed = timeout_at(until.into(), TlsAcceptor::from(tls).accept(stream)) => match agreed {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%client, %error, "TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!(%client, "TLS handshake took too long");
                None
            }
        },
    }
}

fn into_stream(socket: Socket) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    TcpStream::from_std(socket.into())
}
