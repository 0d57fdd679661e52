//! Verdicts taken and noted: a zone put in service, or judged anew when filings, regions or the clock
//! have changed it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant as Monotonic};

use arrayvec::ArrayVec;

use super::Rebuild;
use super::fill::{Judge, TOGETHER};
use crate::filing::{Instant, Verdict};
use crate::gate::Gate;
use crate::parallel::{self, Waits};
use crate::reload::loader::Taken;
use crate::state::verdicts::{Judged, plain_text};
use crate::wire::Name;
use crate::zone::{Column, Entry, Zone, ZoneId, ZoneSet};

/// New verdicts that are held at a time, before they are noted.
const HELD: usize = 1 << 15;
/// Zones that a thread judges before it asks for more.
const PORTION: usize = 256;
/// Changes wait for no more of a [`Correction`] than this.
const LONGEST_SLICE: Duration = Duration::from_millis(20);
/// Some 4,000 zones of a million.
const SHARDS_AT_A_TIME: usize = 16;

/// How far the verdicts that came from the snapshot have been taken anew. It is done in slices, one a
/// second, so that changes are taken in meanwhile.
#[derive(Debug, Default)]
pub(super) struct Correction {
    next_shard: usize,
    was_wrong: bool,
}

impl Rebuild {
    /// Puts a zone in service with its verdicts.
    pub(super) fn put_zone(&mut self, zone: Zone, now: Instant, taken: &mut Taken) {
        self.snapshots.note_change();
        let judged = self.settings.rules.judge(&zone, self.store(), now);
        let before = Name::from_wire(zone.apex()).and_then(|apex| self.zones.get(&apex).cloned());
        if let Some(before) = &before {
            self.forget_sites(before.id(), &before.zone, now);
            self.tell_verdict(before.zone.apex(), &before.column, &judged.column, taken);
        }
        let before = before.as_ref().map(|before| (&before.zone, &before.column));
        self.note_change(before, Some((&zone, &judged)), now);
        let id = self.zones.insert(zone.clone(), judged.column);
        judged.sites.iter().for_each(|&site| self.by_site.insert(site, id));
        note_due(&mut self.due, id, &judged);
        set_scopes(&mut self.gate, zone.apex(), judged);
    }

    pub(in crate::reload) fn judge_all(&mut self, now: Instant, taken: &mut Taken) -> bool {
        let ids: Vec<ZoneId> = self.zones.iter().map(|entry| entry.id()).collect();
        self.judge_each(&ids, now, taken)
    }

    /// Takes some of the verdicts of a snapshot anew, and tells so after the last. True where any
    /// changed: as a rule none does.
    pub(super) fn correct_some(&mut self, now: Instant, taken: &mut Taken) -> bool {
        let Some(Correction { mut next_shard, mut was_wrong }) = self.correction.take() else {
            return false;
        };
        let begun = Monotonic::now();
        let mut is_changed = false;
        while next_shard < ZoneSet::SHARDS && begun.elapsed() < LONGEST_SLICE {
            let shards = next_shard..ZoneSet::SHARDS.min(next_shard + SHARDS_AT_A_TIME);
            next_shard = shards.end;
            let entries = shards.flat_map(|shard| self.zones.in_shard(shard));
            let (ids, before): (Vec<ZoneId>, Vec<Column>) =
                entries.map(|entry| (entry.id(), entry.column)).unzip();
            if self.judge_each(&ids, now, taken) {
                is_changed = true;
                // Since when a verdict has stood may come to be known with time.
                let agrees = |(&id, before): (&ZoneId, &Column)| {
                    self.zones.by_id(id).is_some_and(|entry| entry.column.agrees_with(before))
                };
                was_wrong |= !ids.iter().zip(&before).all(agrees);
            }
        }
        if next_shard < ZoneSet::SHARDS {
            self.correction = Some(Correction { next_shard, was_wrong });
        } else if was_wrong {
            self.snapshots.note_change();
            tracing::warn!(
                remedy = "nothing after another program of the same version was put in place; else \
                          report it with the domains told before",
                "verdicts of the snapshot were out of date, and are no longer"
            );
        } else {
            tracing::info!("verdicts of the snapshot taken anew; none changed");
        }
        is_changed
    }

    /// Takes the verdicts of some zones anew. True where any changed.
    pub(super) fn judge_each(&mut self, ids: &[ZoneId], now: Instant, taken: &mut Taken) -> bool {
        let mut is_changed = false;
        for ids in ids.chunks(HELD) {
            for (id, judged) in self.judged(ids, now) {
                is_changed |= self.take_verdict(id, judged, now, taken);
            }
        }
        is_changed
    }

    /// The new verdicts of zones, on all cores where there are many: of those alone of which there
    /// is something to note.
    fn judged(&self, ids: &[ZoneId], now: Instant) -> Vec<(ZoneId, Judged)> {
        let (zones, judge) =
            (&self.zones, Judge { rules: &self.settings.rules, store: self.store(), now });
        let portions: Vec<&[ZoneId]> = ids.chunks(PORTION).collect();
        let mut all = Vec::new();
        let work = |(): &mut (), index: usize| {
            let mut judged = Vec::new();
            for ids in portions[index].chunks(TOGETHER) {
                judge_together(ids, zones, judge, &mut judged);
            }
            judged
        };
        parallel::each(portions.len(), Waits::Never, || (), work, |_, judged| all.extend(judged));
        all
    }

    /// True where a verdict changed.
    fn take_verdict(
        &mut self,
        id: ZoneId,
        judged: Judged,
        now: Instant,
        taken: &mut Taken,
    ) -> bool {
        let Some(entry) = self.zones.by_id(id) else { return false };
        let (zone, before) = (entry.zone.clone(), entry.column);
        if before == judged.column && judged.scopes == self.gate.scopes(zone.apex()) {
            note_due(&mut self.due, id, &judged);
            return false;
        }
        self.tell_verdict(zone.apex(), &before, &judged.column, taken);
        self.note_change(Some((&zone, &before)), Some((&zone, &judged)), now);
        self.zones.set_column(id, judged.column);
        // What a zone depends on stays the same, but for one that was exempt till now.
        if before.own == Verdict::Exempt {
            judged.sites.iter().for_each(|&site| self.by_site.insert(site, id));
        }
        note_due(&mut self.due, id, &judged);
        set_scopes(&mut self.gate, zone.apex(), judged);
        true
    }

    pub(super) fn forget_sites(&mut self, id: ZoneId, zone: &Zone, now: Instant) {
        for site in self.settings.rules.judge(zone, self.store(), now).sites {
            self.by_site.remove(site, id);
        }
    }

    fn tell_verdict(&self, apex: &[u8], before: &Column, after: &Column, taken: &mut Taken) {
        if before.own == after.own || !self.is_serving() {
            return;
        }
        let domain = plain_text(apex);
        let (was, now) = (before.own.code(), after.own.code());
        match (before.own.is_open(), after.own) {
            (false, Verdict::Blocked(_)) => tracing::info!(domain, was, now, "reason changed"),
            (true, Verdict::Blocked(_)) => {
                taken.closed += 1;
                tracing::info!(domain, was, reason = now, "domain closed");
            }
            (false, _) => {
                taken.opened += 1;
                tracing::info!(domain, was, reason = now, "domain opened");
            }
            (true, _) => {}
        }
    }
}

/// Judges zones whose records are fetched side by side, and adds what is to be noted.
fn judge_together(
    ids: &[ZoneId],
    zones: &ZoneSet,
    Judge { rules, store, now }: Judge<'_>,
    judged: &mut Vec<(ZoneId, Judged)>,
) {
    let entries: ArrayVec<&Entry, TOGETHER> =
        ids.iter().filter_map(|&id| zones.by_id(id)).collect();
    // The line in which an apex begins.
    entries.iter().for_each(|entry| entry.zone.prefetch(1));
    let of: ArrayVec<&Zone, TOGETHER> = entries.iter().map(|entry| &entry.zone).collect();
    for (entry, after) in entries.iter().zip(rules.judge_together(&of, store, now)) {
        if !after.column.is_for_good() || after.column != entry.column {
            judged.push((entry.id(), after));
        }
    }
}

pub(super) fn note_due(due: &mut BTreeSet<(u32, ZoneId)>, id: ZoneId, judged: &Judged) {
    let columns = judged.scopes.iter().map(|scope| &scope.column).chain([&judged.column]);
    for column in columns.filter(|column| column.next_change != 0) {
        due.insert((column.next_change, id));
    }
}

pub(super) fn set_scopes(gate: &mut Arc<Gate>, apex: &[u8], judged: Judged) {
    if judged.scopes != gate.scopes(apex) {
        Arc::make_mut(gate).set_scopes(apex, judged.scopes);
    }
}
