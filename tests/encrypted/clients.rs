//! Certificates for the tests, and a client for each encrypted transport that sends and receives
//! DNS messages as bytes.

use std::fs;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Buf, Bytes};
use hyper::client::conn::http2;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::common::{PATIENCE, Server, Site};

pub const HOST: &str = "ns1.example";
pub const PATH: &str = "/dns-query";
pub const DNS_MESSAGE: &str = "application/dns-message";

/// Certificate and key, PEM.
pub fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A site that listens for everything encrypted, on ports of its own.
pub fn encrypted(mut site: Site) -> Site {
    let (certificate, key) = pair();
    fs::write(site.path("cert.pem"), certificate).expect("a file");
    fs::write(site.path("key.pem"), key).expect("a file");
    let listen = "listen = [\"127.0.0.1:0\"]\n";
    site.config_tail(&format!(
        "[tls]\n{listen}certificate = \"cert.pem\"\nkey = \"key.pem\"\n[https]\n{listen}[quic]\n{listen}[http3]\n{listen}"
    ));
    site
}

/// Trusts the certificates that stand in these PEM texts, and speaks these application protocols.
pub fn trusting(certificates: &[&str], alpn: &[&str]) -> Arc<ClientConfig> {
    trusting_with(rustls::ALL_VERSIONS, certificates, alpn)
}

pub fn trusting_with(
    versions: &[&'static rustls::SupportedProtocolVersion],
    certificates: &[&str],
    alpn: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for pem in certificates {
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM"))
            .expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Trusts the certificate of the server.
pub fn trust(server: &Server, alpn: &[&str]) -> Arc<ClientConfig> {
    trusting(&[&fs::read_to_string(server.site.path("cert.pem")).expect("a certificate")], alpn)
}

fn host() -> ServerName<'static> {
    ServerName::try_from(HOST).expect("a name")
}

/// TLS over a blocking socket; its handshake is done.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

pub fn tls(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Tls> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    let client = ClientConnection::new(Arc::clone(config), host()).expect("a client");
    let mut stream = StreamOwned::new(client, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Sends messages as frames, and reads as many.
pub fn ask_framed(
    stream: &mut (impl Read + Write),
    queries: &[Vec<u8>],
) -> io::Result<Vec<Vec<u8>>> {
    stream.write_all(&queries.iter().flat_map(|query| frame(query)).collect::<Vec<_>>())?;
    stream.flush()?;
    queries.iter().map(|_| read_frame(stream)).collect()
}

pub fn frame(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).expect("a DNS message");
    [&len.to_be_bytes(), message].concat()
}

fn read_frame(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// True once the server has closed the connection; whatever it still says is read.
pub fn is_closed(stream: &mut impl Read) -> bool {
    match io::copy(stream, &mut io::sink()) {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
        ),
    }
}

/// Runs what is asynchronous; a test that hangs fails.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let result = runtime.block_on(async { tokio::time::timeout(PATIENCE * 6, future).await });
    runtime.shutdown_background();
    result.expect("an answer in time")
}

pub type Http2 = http2::SendRequest<Full<Bytes>>;

/// An HTTP/2 connection, driven in the background.
pub async fn http2(server: &Server) -> Http2 {
    let address = server.address("https");
    let socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
    socket.set_nodelay(true).expect("a socket option");
    let connector = tokio_rustls::TlsConnector::from(trust(server, &["h2"]));
    let stream = connector.connect(host(), socket).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

fn uri(path: &str) -> String {
    format!("https://{HOST}{path}")
}

pub fn get(query: &[u8]) -> Request<Full<Bytes>> {
    let path = format!("{PATH}?dns={}", BASE64URL_NOPAD.encode(query));
    Request::get(uri(&path)).body(Full::default()).expect("a request")
}

pub fn post(query: &[u8]) -> Request<Full<Bytes>> {
    Request::post(uri(PATH))
        .header("content-type", DNS_MESSAGE)
        .body(Full::from(query.to_vec()))
        .expect("a request")
}

pub async fn fetch(http: &mut Http2, request: Request<Full<Bytes>>) -> Response<Vec<u8>> {
    http.ready().await.expect("a connection");
    let (head, body) = http.send_request(request).await.expect("a response").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Response::from_parts(head, body.to_vec())
}

/// A QUIC connection.
pub async fn quic(address: SocketAddr, server: &Server, alpn: &str) -> quinn::Connection {
    let tls =
        quinn::crypto::rustls::QuicClientConfig::try_from(trust(server, &[alpn])).expect("TLS 1.3");
    let mut endpoint =
        quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a socket");
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
    endpoint.connect(address, HOST).expect("settings").await.expect("a connection")
}

/// Queries over DNS over QUIC, a connection for as many as one takes.
pub async fn ask_quic(server: &Server, queries: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut replies = Vec::new();
    for portion in queries.chunks(50) {
        let connection = quic(server.address("quic"), server, "doq").await;
        for query in portion {
            let (mut send, mut receive) = connection.open_bi().await.expect("a stream");
            send.write_all(&frame(query)).await.expect("a query");
            send.finish().expect("the end of the query");
            let framed = receive.read_to_end(1 << 17).await.expect("a reply");
            let len = usize::from(u16::from_be_bytes([framed[0], framed[1]]));
            assert_eq!(framed.len(), 2 + len, "one frame, and the end of the stream");
            replies.push(framed[2..].to_vec());
        }
    }
    replies
}

/// Queries over DNS over HTTP/3.
pub async fn ask_http3(server: &Server, queries: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut replies = Vec::new();
    for portion in queries.chunks(50) {
        let connection = quic(server.address("http3"), server, "h3").await;
        let (mut driver, mut http) =
            h3::client::new(h3_quinn::Connection::new(connection)).await.expect("HTTP/3");
        let driving =
            tokio::spawn(async move { poll_fn(|context| driver.poll_close(context)).await });
        for query in portion {
            let (head, _) = post(query).into_parts();
            let request = Request::from_parts(head, ());
            let mut stream = http.send_request(request).await.expect("a stream");
            stream.send_data(Bytes::from(query.clone())).await.expect("a query");
            stream.finish().await.expect("the end of the query");
            let response = stream.recv_response().await.expect("a response");
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["content-type"], DNS_MESSAGE);
            let mut reply = Vec::new();
            while let Some(mut part) = stream.recv_data().await.expect("a body") {
                reply.extend_from_slice(&part.copy_to_bytes(part.remaining()));
            }
            replies.push(reply);
        }
        drop(http);
        driving.abort();
    }
    replies
}
