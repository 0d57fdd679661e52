//! From a request to a response: the status, the headers, and the form.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    HeaderValue, LINK, REFERRER_POLICY, REFRESH, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use hyper::{Method, StatusCode};

use super::details::{Details, DetailsReader, FindRecord};
use super::host::{self, Host};
use super::look::{Look, LookInUse};
use super::preferences::{self, Form, Reloading};
use super::served::Served;
use super::situation::{self, Situation};
use super::told::{Moment, Told};
use crate::filing::{Instant, Reason};
use crate::serve::http::{Page, Request, Response};
use crate::state::Shared;
use crate::state::verdicts::plain_text;

const ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");
/// An open site's page reloads after the notice's TTL, but no sooner and no later, in seconds.
const RELOAD_AFTER: std::ops::RangeInclusive<u32> = 5..=60;

/// The notice page.
#[derive(Debug)]
pub struct Responder {
    shared: Arc<Shared>,
    look: Arc<LookInUse>,
    details: Arc<DetailsReader>,
    served: Arc<Served>,
}

impl Responder {
    /// Of the state that queries are answered from. `find` is asked for what only a record tells.
    pub fn new(
        shared: Arc<Shared>,
        look: Arc<LookInUse>,
        find: FindRecord,
        served: Arc<Served>,
    ) -> Responder {
        Responder { shared, look, details: Arc::new(DetailsReader::new(find)), served }
    }
}

#[async_trait]
impl Page for Responder {
    /// The response to a request; its body is never read.
    async fn answer(&self, request: Request) -> Response {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u32::try_from(since_1970.as_secs()).unwrap_or(u32::MAX);
        let at = Moment { now: Instant(now.into()), digits: since_1970.subsec_micros() as u16 };
        let host = host::of_request(request.uri(), request.version(), request.headers());
        let (situation, generation, notice_ttl) = {
            let state = self.shared.load();
            let situation = match &host {
                Host::Name(name) => situation::of_name(&state, name, now),
                Host::None | Host::Malformed => Situation::NotHosted,
            };
            (situation, state.generation, state.gate.settings.notice_ttl)
        };
        let details = match &situation {
            Situation::Blocked(blocked) => self.details.of(blocked, generation).await,
            _ => Arc::default(),
        };
        let look = self.look.load();
        let details = if look.show_remarks || details.remark.is_none() {
            details
        } else {
            Arc::new(Details { remark: None, ..(*details).clone() })
        };
        let name = match &host {
            Host::Name(name) => plain_text(name.as_wire()),
            Host::None | Host::Malformed => String::new(),
        };
        let told = Told::of(&situation, &name, &details, at);
        let mut response = self.body(&look, &told, &request);
        *response.status_mut() = status(&look, &situation, &host);
        let headers = response.headers_mut();
        for (name, value) in [
            (CACHE_CONTROL, "no-store"),
            (ROBOTS_TAG, "noindex, nofollow"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "no-referrer"),
            (VARY, "Accept, Accept-Language, User-Agent"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(CONTENT_SECURITY_POLICY, look.security_policy.clone());
        if response.status() == StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS {
            response.headers_mut().insert(LINK, look.blocked_by.clone());
        }
        let reload_after = notice_ttl.clamp(*RELOAD_AFTER.start(), *RELOAD_AFTER.end());
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after(&look, &situation, reload_after, now) {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let is_open = matches!(situation, Situation::Open { .. });
        if is_open && preferences::reloading(request.uri()) == Reloading::ByItself {
            headers.insert(REFRESH, reload_after.into());
        }
        // Over a connection that stays, a browser would not look the name up again. And a body
        // that nobody reads must not be taken for the next request.
        let may_have_body = request.method() != Method::GET && request.method() != Method::HEAD;
        if is_open || may_have_body || host == Host::Malformed {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.served.count(told.reason, response.status().as_u16());
        response
    }
}

impl Responder {
    fn body(&self, look: &Look, told: &Told, request: &Request) -> Response {
        let language = preferences::language(request.uri(), request.headers());
        let reloading = preferences::reloading(request.uri());
        let form = match request.uri().path() {
            // Nobody reads these.
            "/favicon.ico" => return Response::default(),
            "/robots.txt" => Form::Text,
            _ => preferences::form(request.headers()),
        };
        let rendered = match form {
            Form::Html => look.html(told, language, reloading).map_err(|error| error.to_string()),
            Form::Text => look.text(told, language).map_err(|error| error.to_string()),
            Form::Json => look.json(told).map_err(|error| error.to_string()),
        };
        let (body, media) = match (rendered, form) {
            (Ok(body), Form::Html) => (body, "text/html; charset=utf-8"),
            (Ok(body), Form::Text) => (body, "text/plain; charset=utf-8"),
            (Ok(body), Form::Json) => (body, "application/json"),
            (Err(error), _) => {
                // Every kind of page was tried when the template was read.
                tracing::error!(error, "the notice page cannot be rendered");
                let words = &told.words;
                let text = format!("{}\n{}\n", words.zh.sentence, words.en.sentence);
                (text, "text/plain; charset=utf-8")
            }
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
        if form == Form::Html {
            let tag = HeaderValue::from_static(language.tag());
            response.headers_mut().insert(CONTENT_LANGUAGE, tag);
        }
        response
    }
}

/// True for what passes by itself, so that search engines keep the site.
fn passes(reason: Reason) -> bool {
    matches!(reason, Reason::UnderReview | Reason::NotSynced | Reason::TransferInProgress)
}

fn status(look: &Look, situation: &Situation, host: &Host) -> StatusCode {
    match situation {
        _ if *host == Host::Malformed => StatusCode::BAD_REQUEST,
        Situation::NotHosted => StatusCode::NOT_FOUND,
        Situation::NotReady | Situation::Open { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Situation::Blocked(blocked) if passes(blocked.reason) => look.status_passing,
        Situation::Blocked(_) => look.status,
    }
}

/// Seconds after which a machine is to try again.
fn retry_after(look: &Look, situation: &Situation, reload_after: u32, now: u32) -> Option<u64> {
    match situation {
        Situation::NotHosted => None,
        Situation::NotReady | Situation::Open { .. } => Some(reload_after.into()),
        Situation::Blocked(blocked) if passes(blocked.reason) => {
            let usual = look.retry_after.as_secs();
            let left = blocked.next_change.map(|change| change.0 - i64::from(now));
            let left = left.and_then(|left| u64::try_from(left).ok()).filter(|left| *left > 0);
            Some(left.map_or(usual, |left| left.min(usual)))
        }
        Situation::Blocked(_) => None,
    }
}
