//! One request of DNS over HTTPS and its response (RFC 8484 §4, RFC 9110): where the query stands,
//! which status says what is wrong with a request, how long a response may be kept.

use std::net::SocketAddr;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::answer::{Context, MAX_MESSAGE, Transport};
use crate::serve::counters::Protocol;
use crate::serve::guarded::answer_one;
use crate::serve::observe::Peer;
use crate::serve::unix_now;
use crate::state::Shared;
use crate::wire::query::smallest_ttl;

const DNS_MESSAGE: &str = "application/dns-message";
const METHODS: &str = "GET, POST";

/// What one client finds at this server: DNS at one path, nothing elsewhere.
pub(super) struct Resource {
    path: Arc<str>,
    client: SocketAddr,
    shared: Arc<Shared>,
}

/// Why a request is not answered with DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// Nothing is at this path.
    NotFound,
    /// Neither GET nor POST.
    Method,
    /// A body that does not claim to be a DNS message.
    MediaType,
    /// A body that is longer than any DNS message.
    TooLarge,
    /// No query, or what stands in its place is none.
    NoQuery(&'static str),
}

impl Resource {
    pub(super) fn new(path: Arc<str>, client: SocketAddr, shared: Arc<Shared>) -> Resource {
        Resource { path, client, shared }
    }

    /// Answers a request.
    pub(super) async fn respond<B>(self: Arc<Self>, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let answered = match self.query(request).await {
            Ok(query) => self.answer(&query),
            Err(refusal) => Err(refusal),
        };
        answered.unwrap_or_else(Refusal::response)
    }

    /// The DNS message in a request.
    async fn query<B>(&self, request: Request<B>) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if request.uri().path() != &*self.path {
            return Err(Refusal::NotFound);
        }
        match *request.method() {
            Method::GET => query_parameter(request.uri().query().unwrap_or("")).map(Bytes::from),
            Method::POST if !is_dns_message(request.headers()) => Err(Refusal::MediaType),
            Method::POST if request.body().size_hint().lower() > MAX_MESSAGE as u64 => {
                Err(Refusal::TooLarge)
            }
            Method::POST => {
                let body = Limited::new(request.into_body(), MAX_MESSAGE).collect().await;
                body.map(|body| body.to_bytes()).map_err(|error| {
                    if error.is::<LengthLimitError>() {
                        Refusal::TooLarge
                    } else {
                        Refusal::NoQuery("the body ends early")
                    }
                })
            }
            _ => Err(Refusal::Method),
        }
    }

    fn answer(&self, query: &[u8]) -> Result<Response<Full<Bytes>>, Refusal> {
        let context =
            Context { client: self.client.ip(), transport: Transport::Encrypted, now: unix_now() };
        let take = |reply: &[u8]| (Bytes::copy_from_slice(reply), smallest_ttl(reply));
        let peer = Peer { protocol: Protocol::Https, client: self.client, local: None };
        let (reply, ttl) = answer_one(&self.shared, &context, &peer, query, take)
            .ok_or(Refusal::NoQuery("this is a response, or shorter than a DNS header"))?;
        let mut response = Response::new(Full::new(reply));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(DNS_MESSAGE));
        // RFC 8484 §5.1: no longer than any record of the answer; a negative answer's SOA bears the
        // negative TTL (RFC 2308 §3). What has no records is not to be kept.
        let max_age = format!("max-age={}", ttl.unwrap_or(0));
        if let Ok(max_age) = HeaderValue::try_from(max_age) {
            headers.insert(CACHE_CONTROL, max_age);
        }
        Ok(response)
    }
}

impl Refusal {
    fn response(self) -> Response<Full<Bytes>> {
        let (status, text) = match self {
            Refusal::NotFound => (StatusCode::NOT_FOUND, "nothing is here"),
            Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, "ask with GET or POST"),
            Refusal::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "POST a body of type application/dns-message")
            }
            Refusal::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "a DNS message has 65535 bytes at most")
            }
            Refusal::NoQuery(text) => (StatusCode::BAD_REQUEST, text),
        };
        let mut response = Response::new(Full::from(format!("{text}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if self == Refusal::Method {
            headers.insert(ALLOW, HeaderValue::from_static(METHODS));
        }
        response
    }
}

/// The message in the variable `dns` of a URI's query (RFC 8484 §4.1, §6).
fn query_parameter(query: &str) -> Result<Vec<u8>, Refusal> {
    let encoded = query
        .split('&')
        .find_map(|variable| variable.strip_prefix("dns="))
        .ok_or(Refusal::NoQuery("the address lacks ?dns=, with the query in base64url"))?;
    let message = BASE64URL_NOPAD
        .decode(encoded.as_bytes())
        .map_err(|_| Refusal::NoQuery("what stands in ?dns= is not base64url without padding"))?;
    Ok(message)
}

fn is_dns_message(headers: &HeaderMap) -> bool {
    let Some(Ok(media_type)) = headers.get(CONTENT_TYPE).map(HeaderValue::to_str) else {
        return false;
    };
    let without_parameters = media_type.split(';').next().unwrap_or_default();
    without_parameters.trim().eq_ignore_ascii_case(DNS_MESSAGE)
}
