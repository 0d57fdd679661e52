//! `/metrics`, `/livez` and `/readyz` over plain HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};

use super::Monitor;
use super::exposition::{Format, render};
use crate::serve::TcpSettings;
use crate::serve::http::{Page, Request, Response};

/// Prometheus, a load balancer and a person or two, who may all come by way of one address.
pub fn limits() -> TcpSettings {
    TcpSettings {
        max_connections: 64,
        max_connections_per_client: usize::MAX,
        idle_timeout: Duration::from_secs(5),
        evict_idle_after: Duration::ZERO,
        ..TcpSettings::default()
    }
}

/// The page of a running server.
#[derive(Debug)]
pub struct MetricsPage(pub Arc<Monitor>);

#[async_trait]
impl Page for MetricsPage {
    async fn answer(&self, request: Request) -> Response {
        answer(&self.0, &request)
    }
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
