//! HTTP on a connection that has a seat: DNS over HTTPS and the pages of our own alike.
//!
//! Owns how long a client may take and how a conversation ends. What is answered is the caller's
//! business, the limits on connections are the table's.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep_until;

use super::tcp::{Order, Seat};

/// A request, its body not read yet.
pub type Request = hyper::Request<Incoming>;
/// A reply, all of it at hand.
pub type Response = hyper::Response<Full<Bytes>>;

/// What answers at an address of our own, over plain HTTP/1.1.
#[async_trait]
pub trait Page: fmt::Debug + Send + Sync {
    /// Answers one request. It must not block the thread for long.
    async fn answer(&self, request: Request) -> Response;
}

/// Requests of one connection that may be open at a time; RFC 9113 §6.5.2 wants no fewer.
const MAX_CONCURRENT_REQUESTS: u32 = 100;
/// What a client that has been idle too long, or finds the server stopping, gets to finish what it
/// is at. One that holds a request half-sent must not hold up the stop.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versions {
    /// HTTP/1.1, and 1.0.
    One,
    /// The same, and HTTP/2 where the client begins with it.
    OneAndTwo,
}

/// Answers a client's requests until it goes, has been idle too long, or is told to go. The head of
/// a request has `max_head` bytes at most.
pub(super) async fn converse<S, F>(
    stream: S,
    versions: Versions,
    max_head: u32,
    seat: Seat,
    respond: impl Fn(Request) -> F,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let seat = Arc::new(seat);
    let idle_timeout = seat.settings().idle_timeout;
    let service = service_fn(|request| {
        let (response, seat) = (respond(request), Arc::clone(&seat));
        async move {
            let response = response.await;
            seat.active(Instant::now());
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = Builder::new(TokioExecutor::new());
    if versions == Versions::One {
        http = http.http1_only();
    }
    http.http1().max_buf_size(max_head as usize);
    http.http2().max_concurrent_streams(MAX_CONCURRENT_REQUESTS).max_header_list_size(max_head);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut cut_at = None;
    loop {
        let idle_at = seat.last_active() + idle_timeout;
        tokio::select! {
            biased;
            given = seat.ordered() => match given {
                Order::Close => return,
                Order::Drain => {
                    connection.as_mut().graceful_shutdown();
                    cut_at = Some(Instant::now() + LAST_WORDS);
                }
            },
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(client = %seat.client(), %error, "HTTP connection ended");
                }
                return;
            }
            () = sleep_until(cut_at.unwrap_or(idle_at).into()) => {
                if cut_at.is_some() {
                    return;
                }
                if seat.last_active() + idle_timeout <= Instant::now() {
                    connection.as_mut().graceful_shutdown();
                    cut_at = Some(Instant::now() + LAST_WORDS);
                }
            }
        }
    }
}
