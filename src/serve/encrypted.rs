//! DNS over TLS and over HTTPS: hickory-server behind [`super::bridge`].
//!
//! Owns starting, reviving and stopping it. Its limits are hickory-server's: a time for the
//! handshake and for each request, no limit on connections, no drain.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Phase;
use super::bind::{Carries, EncryptedListener};
use super::bridge::Bridge;
use crate::state::Shared;

/// Serves until told to stop.
pub(super) async fn serve(
    listeners: Vec<EncryptedListener>,
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

/// Runs a server for one listener, and another one when it dies: hickory-server gives up a
/// listener for good when a client aborts its connection before it is accepted.
async fn keep_serving(listener: EncryptedListener, shared: Arc<Shared>) {
    const PAUSE: Duration = Duration::from_millis(100);
    loop {
        match start(&listener, &shared) {
            Ok(mut server) => {
                let ended = server.block_until_done().await;
                tracing::warn!(error = ?ended.err(), "encrypted listener ended, starting it anew");
            }
            Err(error) => tracing::error!(%error, "encrypted listener cannot be started"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn start(listener: &EncryptedListener, shared: &Arc<Shared>) -> io::Result<Server<Bridge>> {
    let mut server = Server::new(Bridge::new(Arc::clone(shared)));
    let socket = tokio::net::TcpListener::from_std(listener.listener.try_clone()?)?;
    let tls = Arc::clone(&listener.tls);
    match &listener.carries {
        Carries::Dns => {
            server.register_tls_listener_with_tls_config(socket, listener.timeout, tls)?;
        }
        Carries::Http { path } => server.register_https_listener_with_tls_config(
            socket,
            listener.timeout,
            tls,
            None,
            path.clone(),
        )?,
    }
    Ok(server)
}
