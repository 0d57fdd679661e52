//! Which figures there are: the list that the metrics page and `beiand stats` show.
//!
//! Labels are bounded: transports, groups of query types, response codes, reason codes and the words
//! for how a reload ended. No name and no address of a client or a customer is one.

use std::time::SystemTime;

use super::Monitor;
use super::exposition::{Family, Kind};
use super::process;
use super::tally::Tally;
use crate::filing::{Reason, Verdict};
use crate::notice::Served;
use crate::reload::Record;
use crate::reload::history::{DURATION_BOUNDS, End};
use crate::serve::{Counters, Counts, Observed, Protocol, QtypeGroup, RCODE_SLOTS};
use crate::state::Phase;

impl Monitor {
    /// Every figure, as things are now.
    pub fn families(&self) -> Vec<Family> {
        let state = self.shared.load();
        let mut families = vec![
            Family::new("beiand_build", Kind::Info, "", "The version of beiand")
                .with(&[("version", env!("CARGO_PKG_VERSION"))], 1.0),
            Family::new(
                "beiand_ready",
                Kind::Gauge,
                "",
                "1 once zones and filings are loaded; until then every query gets SERVFAIL",
            )
            .with(&[], f64::from(u8::from(state.phase == Phase::Serving))),
        ];
        families.extend(of_queries(&self.counting.sum()));
        families.extend(of_notice(&self.served));
        families.extend(of_observed(self.counting.observed()));
        families.extend(of_data(&self.tally(&state), state.records));
        families.extend(of_reloads(&self.driver.history()));
        families.push(
            Family::new(
                "beiand_log_events_lost",
                Kind::Counter,
                "",
                "Log events that could not be written",
            )
            .with(&[], self.log.lost() as f64),
        );
        families.extend(process::families(self.started_at()));
        families
    }
}

/// By transport: name, help and figure of what is one number.
type OfTransport = (&'static str, &'static str, fn(&Counts) -> u64);

const OF_TRANSPORTS: [OfTransport; 7] = [
    ("beiand_dropped_queries", "Messages that deserve no reply", |counts| counts.dropped),
    ("beiand_truncated_replies", "Replies with the TC bit", |counts| counts.truncated),
    ("beiand_withheld_replies", "Replies held back by the rate limit", |counts| counts.withheld),
    ("beiand_slipped_replies", "Replies cut down to the TC bit by the rate limit", |counts| {
        counts.slipped
    }),
    ("beiand_unsent_replies", "Replies that the system did not take", |counts| counts.unsent),
    ("beiand_connections", "Connections accepted and served", |counts| counts.connections),
    (
        "beiand_connections_over_limit",
        "Connections closed at once, or in favour of a new one, because of a limit",
        |counts| counts.connections_over_limit,
    ),
];

fn of_queries(counters: &Counters) -> Vec<Family> {
    let mut queries = Family::new(
        "beiand_queries",
        Kind::Counter,
        "",
        "Messages received, by transport and group of query type",
    );
    let mut replies =
        Family::new("beiand_replies", Kind::Counter, "", "Replies, by transport and response code");
    let mut open = Family::new("beiand_open_connections", Kind::Gauge, "", "Connections open now");
    for protocol in Protocol::of_queries() {
        let counts = counters.by_protocol(protocol);
        let transport = ("transport", protocol.name());
        for group in QtypeGroup::ALL {
            let labels = [transport, ("qtype", group.name())];
            queries.add("_total", &labels, counts.queries_for(group) as f64);
        }
        for (code, name) in RCODES {
            let labels = [transport, ("rcode", name)];
            replies.add("_total", &labels, counts.rcodes[code] as f64);
        }
        let others = (0..RCODE_SLOTS).filter(|slot| RCODES.iter().all(|(code, _)| code != slot));
        let other: u64 = others.map(|slot| counts.rcodes[slot]).sum();
        replies.add("_total", &[transport, ("rcode", "other")], other as f64);
    }
    let of_connections = || Protocol::ALL.into_iter().filter(|it| it.has_counted_connections());
    for protocol in of_connections() {
        let value = counters.by_protocol(protocol).open_connections() as f64;
        open.add("", &[("transport", protocol.name())], value);
    }
    let total = counters.total();
    let mut blocked = Family::new(
        "beiand_blocked_replies",
        Kind::Counter,
        "",
        "Replies that the gate changed (or, observing, would have), by reason",
    );
    for reason in Reason::ALL {
        blocked.add("_total", &[("reason", reason.code())], total.blocked(reason) as f64);
    }
    let mut families = vec![queries, replies, blocked];
    for (name, help, figure) in OF_TRANSPORTS {
        let mut family = Family::new(name, Kind::Counter, "", help);
        let protocols: Vec<Protocol> = match name.starts_with("beiand_connections") {
            true => of_connections().collect(),
            false => Protocol::of_queries().collect(),
        };
        for protocol in protocols {
            let value = figure(counters.by_protocol(protocol)) as f64;
            family.add("_total", &[("transport", protocol.name())], value);
        }
        families.push(family);
    }
    families.push(open);
    families
}

/// The response codes that beiand answers with (RFC 1035, 2136, 6891, 7873), and FORMERR's kin.
const RCODES: [(usize, &str); 9] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (9, "NOTAUTH"),
    (16, "BADVERS"),
];

fn of_notice(served: &Served) -> Vec<Family> {
    let mut pages = Family::new(
        "beiand_notice_pages",
        Kind::Counter,
        "",
        "Requests that the notice page answered, by what it said of the domain",
    );
    for (reason, count) in served.by_reason() {
        pages.add("_total", &[("reason", reason)], count as f64);
    }
    let mut responses = Family::new(
        "beiand_notice_responses",
        Kind::Counter,
        "",
        "The same, by the HTTP status that they were answered with",
    );
    for (status, count) in served.by_status() {
        responses.add("_total", &[("status", &status.to_string())], count as f64);
    }
    vec![pages, responses]
}

/// Nothing where neither query log nor dnstap is on.
fn of_observed(observed: &[Observed]) -> Option<Family> {
    let mut family = Family::new(
        "beiand_observed_queries",
        Kind::Counter,
        "",
        "Queries sampled for the query log and dnstap, by whether they were written or lost",
    );
    for outlet in observed {
        for (outcome, queries) in [("written", outlet.written()), ("lost", outlet.lost())] {
            family.add("_total", &[("to", outlet.name()), ("outcome", outcome)], queries as f64);
        }
    }
    (!observed.is_empty()).then_some(family)
}

fn of_data(tally: &Tally, records: usize) -> Vec<Family> {
    let mut verdicts = Family::new(
        "beiand_zone_verdicts",
        Kind::Gauge,
        "",
        "Hosted zones by the verdict for own addresses: open, exempt, or the reason of the block",
    );
    let unblocked = [Verdict::Open, Verdict::Exempt].map(Verdict::code);
    for code in unblocked.into_iter().chain(Reason::ALL.map(Reason::code)) {
        verdicts.add("", &[("verdict", code)], tally.of(code) as f64);
    }
    let gauge =
        |name, help, value: u64| Family::new(name, Kind::Gauge, "", help).with(&[], value as f64);
    vec![
        gauge("beiand_zones", "Hosted zones", tally.zones),
        gauge(
            "beiand_zones_failed",
            "Hosted zones that never had a good file: SERVFAIL",
            tally.failed,
        ),
        verdicts,
        gauge("beiand_filing_records", "Filing records in force", records as u64),
    ]
}

fn of_reloads(record: &Record) -> Vec<Family> {
    let mut ends = Family::new(
        "beiand_reloads",
        Kind::Counter,
        "",
        "Reloads that did something, by how they ended: applied, refused (in part), failed",
    );
    for end in End::ALL {
        ends.add("_total", &[("outcome", end.name())], record.ends[end as usize] as f64);
    }
    let mut took = Family::new(
        "beiand_reload_duration_seconds",
        Kind::Histogram,
        "seconds",
        "How long reloads took, from their beginning until they were answered",
    );
    let mut sum = 0;
    for (count, bound) in record.durations.iter().zip(DURATION_BOUNDS) {
        sum += count;
        took.add("_bucket", &[("le", &bound.to_string())], sum as f64);
    }
    let all: u64 = record.durations.iter().sum();
    took.add("_bucket", &[("le", "+Inf")], all as f64);
    took.add("_sum", &[], record.took.as_secs_f64());
    took.add("_count", &[], all as f64);
    let age = |name, help, changed: Option<SystemTime>| {
        let age = changed.and_then(|at| at.elapsed().ok()).unwrap_or_default();
        Family::new(name, Kind::Gauge, "seconds", help).with(&[], age.as_secs_f64())
    };
    let gauge =
        |name, help, value: usize| Family::new(name, Kind::Gauge, "", help).with(&[], value as f64);
    vec![
        ends,
        took,
        age(
            "beiand_zones_age_seconds",
            "Since a zone was last added, replaced or removed",
            record.zones_changed,
        ),
        age(
            "beiand_filings_age_seconds",
            "Since a filing record was last added, replaced or dropped",
            record.filings_changed,
        ),
        gauge(
            "beiand_zones_refused",
            "Zone files whose present version is refused; the last good one is served",
            record.zones_refused.len(),
        ),
        gauge(
            "beiand_filing_files_refused",
            "Filing files whose present version is refused; the last good one is in force",
            record.files_refused,
        ),
        gauge(
            "beiand_filing_files_waiting",
            "Filing files whose change would drop many records and waits for the operator",
            record.files_waiting,
        ),
    ]
}
