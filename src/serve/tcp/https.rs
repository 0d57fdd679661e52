//! One client of DNS over HTTPS: HTTP/2 or HTTP/1.1 inside TLS, with the limits and the drain of
//! every other connection. What a request means is `exchange`'s business.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::time::sleep_until;
use tokio_rustls::server::TlsStream;

use super::exchange::Resource;
use super::table::{Order, Seat};

/// Requests of one connection that may be open at a time; RFC 9113 §6.5.2 wants no fewer.
const MAX_CONCURRENT_REQUESTS: u32 = 100;
/// Bytes of request headers; an HTTP/1.1 request line holds a GET's whole query.
const MAX_HEADERS: usize = 96 << 10;
/// What a client that has been idle too long gets to finish what it is at.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves until the client goes, has been idle too long, or is told to go.
pub(super) async fn serve(stream: TlsStream<TcpStream>, resource: Resource, seat: Seat) {
    let (resource, seat) = (Arc::new(resource), Arc::new(seat));
    let idle_timeout = seat.settings().idle_timeout;
    let client = resource.client();
    let service = service_fn(|request| {
        let (resource, seat) = (Arc::clone(&resource), Arc::clone(&seat));
        async move {
            let response = resource.respond(request).await;
            seat.active(Instant::now());
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().max_buf_size(MAX_HEADERS);
    http.http2()
        .max_concurrent_streams(MAX_CONCURRENT_REQUESTS)
        .max_header_list_size(MAX_HEADERS as u32);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut cut_at = None;
    loop {
        let idle_at = seat.last_active() + idle_timeout;
        tokio::select! {
            biased;
            given = seat.ordered() => match given {
                Order::Close => return,
                Order::Drain => connection.as_mut().graceful_shutdown(),
            },
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%client, protocol = "https", %error, "connection ended");
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
