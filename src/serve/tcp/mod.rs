//! Plain DNS over TCP (RFC 7766, RFC 9210): accepting, and stopping.
//!
//! [`table`] keeps the limits, [`connection`] speaks with one client. Our own acceptor, because
//! hickory-server's has no limits, answers one query at a time and cannot stream a transfer.

mod accept_trouble;
mod connection;
mod table;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use socket2::{SockRef, Socket};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::Phase;
use super::counters::{self, Protocol};
use super::settings::TcpSettings;
use crate::state::Shared;
use accept_trouble::AcceptTrouble;
use connection::Connection;
use table::{Admission, Table};

/// Every TCP listener and what their connections share.
pub(super) struct Server {
    listeners: Vec<std::net::TcpListener>,
    acceptor: Acceptor,
}

impl Server {
    pub(super) fn new(
        listeners: Vec<std::net::TcpListener>,
        settings: TcpSettings,
        shared: Arc<Shared>,
    ) -> Server {
        let table = Arc::new(Table::new(settings));
        Server { listeners, acceptor: Acceptor { table, settings, shared } }
    }

    /// Serves until told to stop and drained.
    pub(super) async fn run(self, mut stop: watch::Receiver<Phase>) {
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    accepting.spawn(self.acceptor.clone().accept_all(listener, stop.clone()));
                }
                Err(error) => tracing::error!(%error, "TCP listener cannot be served"),
            }
        }
        let until = match stop.wait_for(|phase| *phase != Phase::Serving).await.as_deref() {
            Ok(Phase::Draining { until }) => *until,
            _ => std::time::Instant::now(),
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
    settings: TcpSettings,
    shared: Arc<Shared>,
}

impl Acceptor {
    async fn accept_all(self, listener: TcpListener, mut stop: watch::Receiver<Phase>) {
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
                    self.take(stream, peer);
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
                self.take(stream, peer);
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        match self.table.admit(peer.ip()) {
            Admission::Seated(seat) => {
                counters::here(Protocol::Tcp, |slot| slot.connection());
                let shared = Arc::clone(&self.shared);
                tokio::spawn(Connection::new(stream, seat, self.settings, shared).run());
            }
            Admission::Refused => {
                counters::here(Protocol::Tcp, |slot| slot.connection_over_limit());
                tracing::debug!(client = %peer.ip(), "TCP connection over the limit");
            }
        }
    }
}

fn into_stream(socket: Socket) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    TcpStream::from_std(socket.into())
}
