//! A small HTTP/1.1 server for pages of our own, with limits: connections at a time, a time for
//! each head, a time for each connection. Bodies of requests are not read.
//!
//! Owns connections; what is answered is the page's business.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

/// A request; its body is for nobody.
pub type Request = hyper::Request<Incoming>;
/// A reply, all of it at hand.
pub type Response = hyper::Response<Full<Bytes>>;
/// What answers. Runs on the server's own thread, so it must not wait for anything.
pub type Page = Arc<dyn Fn(&Request) -> Response + Send + Sync>;

/// What a client may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, over all addresses; further ones wait in the system's queue.
    pub max_connections: usize,
    /// How long the head of a request may take to come.
    pub head_timeout: Duration,
    /// How long a connection may last in all.
    pub connection_timeout: Duration,
    /// Longest head of a request, in bytes.
    pub max_head: usize,
}

/// After an accept that failed (out of file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listeners that are bound, but not served yet.
#[derive(Debug)]
pub struct Bound {
    name: &'static str,
    listeners: Vec<std::net::TcpListener>,
}

/// A server at work, in a thread of its own. Dropping it ends it, with every connection.
#[derive(Debug)]
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Bound {
    /// Binds every address. `name` is the thread's and the log's.
    ///
    /// # Errors
    /// The address that could not be bound, and why.
    pub fn new(
        name: &'static str,
        addresses: &[SocketAddr],
    ) -> Result<Bound, (SocketAddr, io::Error)> {
        let bind = |address: &SocketAddr| {
            let listener = std::net::TcpListener::bind(address).and_then(|listener| {
                listener.set_nonblocking(true)?;
                tracing::info!(transport = name, address = %listener.local_addr()?, "listening");
                Ok(listener)
            });
            listener.map_err(|error| (*address, error))
        };
        let listeners = addresses.iter().map(bind).collect::<Result<_, _>>()?;
        Ok(Bound { name, listeners })
    }

    /// Serves from now on; `None` where nothing is listened on.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be made.
    pub fn run(self, limits: Limits, page: Page) -> io::Result<Option<Server>> {
        if self.listeners.is_empty() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let name = self.name;
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async move {
                let seats = Arc::new(Semaphore::new(limits.max_connections));
                for listener in self.listeners {
                    let (page, seats) = (Arc::clone(&page), Arc::clone(&seats));
                    tokio::spawn(accept_all(name, listener, limits, page, seats));
                }
                let _ = stopped.await;
            });
            runtime.shutdown_background();
        })?;
        Ok(Some(Server { stop: Some(stop), thread: Some(thread) }))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept_all(
    name: &'static str,
    listener: std::net::TcpListener,
    limits: Limits,
    page: Page,
    seats: Arc<Semaphore>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(name, %error, "HTTP listener cannot be served"),
    };
    loop {
        // The semaphore is never closed.
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, client)) => {
                let page = Arc::clone(&page);
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, limits, page).await {
                        tracing::debug!(name, %client, %error, "HTTP connection ended");
                    }
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::debug!(name, %error, "HTTP connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Speaks with one client, until one side has had enough or the time is up.
async fn converse(stream: TcpStream, limits: Limits, page: Page) -> hyper::Result<()> {
    let service = service_fn(move |request: Request| {
        let response = page(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.max_head)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(limits.connection_timeout, connection).await {
        Ok(ended) => ended,
        Err(_) => Ok(()),
    }
}
