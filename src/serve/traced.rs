//! Logs the decisions about domains that somebody looks at (`beiand trace`), whatever the log level.

use crate::answer::trace::{Allowance, MAX_LOGGED};
use crate::answer::{Context, Outcome, State, Transport};
use crate::wire::query::{HEADER_LEN, Query};
use crate::wire::{HashedName, name};

/// The target of these events, by which the log's filter lets them through.
pub const TARGET: &str = "beiand_trace";

/// Logs the decision about one query, where it is for a traced domain.
#[cold]
pub(super) fn log(state: &State, context: &Context, query: &[u8], outcome: &Outcome) {
    let Outcome::Reply(reply) = outcome else { return };
    let Ok(Query { question: Some(question), .. }) = Query::read(query) else { return };
    let question_bytes = query.get(HEADER_LEN..).unwrap_or_default();
    // It folds the case, too.
    let Some(asked) = HashedName::read(question_bytes, state.zones.key()) else { return };
    let covering = state.traces.iter().find(|trace| trace.covers(asked.as_wire()));
    let Some(trace) = covering else { return };
    let allowance = trace.take(context.now);
    if allowance == Allowance::Spent {
        return;
    }
    let verdict = state.zones.find(&asked).map(|found| {
        let place = found.entry.zone.locate(&asked);
        let column = state.gate.column(found.entry, &asked, &place);
        let zones = &state.zones;
        let gate = &state.gate;
        gate.verdict_by_region(zones, column, found.entry, &asked, &place, question.rtype).verdict
    });
    tracing::info!(
        target: TARGET,
        domain = %trace.name(),
        name = %name::to_text(asked.as_wire()),
        qtype = %question.rtype,
        verdict = verdict.map_or("not-hosted", |verdict| verdict.code()),
        blocked = reply.blocked.map(|reason| reason.code()),
        rcode = reply.rcode,
        bytes = reply.len,
        truncated = reply.is_truncated,
        client = %context.client,
        transport = match context.transport {
            Transport::Udp => "udp",
            Transport::Stream => "stream",
            Transport::Encrypted => "encrypted",
        },
        "decided"
    );
    if allowance == Allowance::Last {
        let domain = trace.name();
        tracing::warn!(target: TARGET, %domain, logged = MAX_LOGGED, "trace ended: enough is logged");
    }
}
