//! Connections: accepting, limits, timeouts. What is spoken over them is HTTP/1.1, by hyper.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener as StdListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::details::{DetailsReader, FindRecord};
use super::look::LookInUse;
use super::respond::Responder;
use super::seats::{Seat, Seats};
use crate::state::Shared;

/// Largest request head in bytes: what browsers send with a site's cookies fits.
const MAX_HEAD: usize = 16 * 1024;
/// Most header fields in a request.
const MAX_FIELDS: usize = 100;
/// After so many timeouts a connection takes no request any more, and has one more to end.
const LONGEST_LIFE: u32 = 3;
/// After an accept that failed (out of file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open at a time; default 4,096. When there are so many, a newcomer takes the place of the oldest one.
    pub max_connections: usize,
    /// Open at a time from one client, default 64: an IPv4 address, or an IPv6 /64. One more is closed.
    pub max_connections_per_client: usize,
    /// For a whole request head to come, the first one or another. Default 10 s.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: 4_096,
            max_connections_per_client: 64,
            timeout: Duration::from_secs(10),
        }
    }
}

/// The server at work. Dropping it stops accepting; connections end with the runtime.
#[derive(Debug)]
pub struct Serving {
    accepting: Vec<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.accepting.iter().for_each(JoinHandle::abort);
    }
}

/// Serves the page on these listeners, which must not block, on a runtime that somebody else owns.
///
/// # Errors
/// When a listener cannot be given to the runtime.
pub fn serve(
    runtime: &Handle,
    listeners: Vec<StdListener>,
    limits: Limits,
    shared: Arc<Shared>,
    look: Arc<LookInUse>,
    find: FindRecord,
) -> io::Result<Serving> {
    let _entered = runtime.enter();
    let details = Arc::new(DetailsReader::new(find));
    let server = Server {
        seats: Arc::new(Seats::new(limits.max_connections, limits.max_connections_per_client)),
        timeout: limits.timeout,
        responder: Arc::new(Responder { shared, look, details }),
    };
    let mut serving = Serving { accepting: Vec::new() };
    for listener in listeners {
        let listener = TcpListener::from_std(listener)?;
        serving.accepting.push(runtime.spawn(server.clone().accept_all(listener)));
    }
    Ok(serving)
}

#[derive(Clone, Debug)]
struct Server {
    seats: Arc<Seats>,
    timeout: Duration,
    responder: Arc<Responder>,
}

impl Server {
    async fn accept_all(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match self.seats.take(peer.ip()) {
                    Some(seat) => drop(tokio::spawn(self.clone().converse(stream, seat))),
                    None => {
                        tracing::debug!(client = %peer.ip(), "notice connection over the limit")
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "notice connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Speaks with one client until it is done, too slow, or too long here.
    async fn converse(self, stream: TcpStream, seat: Seat) {
        let _ = stream.set_nodelay(true);
        let responder = &self.responder;
        let service =
            service_fn(
                |request| async move { Ok::<_, Infallible>(responder.respond(request).await) },
            );
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.timeout)
            .max_headers(MAX_FIELDS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = seat.is_needed() => return,
            () = tokio::time::sleep(self.timeout * LONGEST_LIFE) => {
                // A response that is under way is finished, if its client takes it.
                connection.as_mut().graceful_shutdown();
                match tokio::time::timeout(self.timeout, connection).await {
                    Ok(ended) => ended,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::trace!(%error, "notice connection ended");
        }
    }
}
