//! DNS over QUIC and over HTTP/3: hickory-server behind [`super::bridge`]. Experimental.
//!
//! Owns starting, reviving and stopping it. What hickory-server 0.26 does not do well stays so until
//! it does: a client that stalls in its handshake keeps new ones waiting for up to five seconds, a
//! connection has 100 requests, there is no limit on connections and no drain.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::NetError;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Phase;
use super::bridge::Bridge;
use crate::state::Shared;

/// A socket for QUIC.
#[derive(Debug)]
pub(super) struct QuicListener {
    pub(super) socket: UdpSocket,
    pub(super) carries: QuicCarries,
    /// From one request to the next.
    pub(super) idle_timeout: Duration,
}

/// What is spoken inside QUIC.
#[derive(Clone, Debug)]
pub(super) enum QuicCarries {
    Dns(Arc<ServerConfig>),
    Http(Arc<ServerConfig>),
}

/// Serves until told to stop.
pub(super) async fn serve(
    listeners: Vec<QuicListener>,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<Phase>,
) {
    let mut servers = JoinSet::new();
    for listener in listeners {
        servers.spawn(keep_serving(listener, Arc::clone(&shared)));
    }
    let _ = stop.wait_for(|phase| *phase != Phase::Serving).await;
    // Dropping the servers ends their connections.
    servers.shutdown().await;
}

/// Runs a server for one listener, and another one should it end.
async fn keep_serving(listener: QuicListener, shared: Arc<Shared>) {
    const PAUSE: Duration = Duration::from_millis(100);
    loop {
        match start(&listener, &shared) {
            Ok(mut server) => {
                let ended = server.block_until_done().await;
                tracing::warn!(error = ?ended.err(), "QUIC listener ended, starting it anew");
            }
            Err(error) => tracing::error!(%error, "QUIC listener cannot be started"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn start(listener: &QuicListener, shared: &Arc<Shared>) -> Result<Server<Bridge>, NetError> {
    let mut server = Server::new(Bridge::new(Arc::clone(shared)));
    let socket = tokio::net::UdpSocket::from_std(listener.socket.try_clone()?)?;
    let timeout = listener.idle_timeout;
    match &listener.carries {
        QuicCarries::Dns(tls) => {
            server.register_quic_listener_and_tls_config(socket, timeout, Arc::clone(tls))?;
        }
        QuicCarries::Http(tls) => {
            server.register_h3_listener_with_tls_config(socket, timeout, Arc::clone(tls), None)?;
        }
    }
    Ok(server)
}
