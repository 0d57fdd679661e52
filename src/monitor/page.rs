//! `/metrics`, `/livez` and `/readyz` over plain HTTP.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};

use super::Monitor;
use super::exposition::{Format, render};
use crate::serve::http::{Limits, Page, Request, Response};

/// Prometheus, a load balancer and a person or two.
pub const LIMITS: Limits = Limits {
    max_connections: 64,
    head_timeout: Duration::from_secs(5),
    connection_timeout: Duration::from_secs(120),
    max_head: 16 << 10,
};

/// The page of a running server.
pub fn page(monitor: Arc<Monitor>) -> Page {
    Arc::new(move |request| answer(&monitor, request))
}

fn answer(monitor: &Monitor, request: &Request) -> Response {
    const TEXT: &str = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let body = "ask with GET or HEAD\n".to_owned();
        let mut response = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, body);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => {
            let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
            let format = Format::accepted(accept.unwrap_or_default());
            reply(StatusCode::OK, format.content_type(), render(&monitor.families(), format))
        }
        "/livez" => reply(StatusCode::OK, TEXT, "alive\n".to_owned()),
        "/readyz" if monitor.is_ready() => reply(StatusCode::OK, TEXT, "ready\n".to_owned()),
        "/readyz" => {
            let body = "not ready: zones and filings are not loaded yet\n".to_owned();
            reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, body)
        }
        _ => {
            let body = "nothing here; there are /metrics, /livez and /readyz\n".to_owned();
            reply(StatusCode::NOT_FOUND, TEXT, body)
        }
    }
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
