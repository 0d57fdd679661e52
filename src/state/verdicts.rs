//! The verdict column of a zone, from the filings: taken when zones, filings, settings or the
//! clock change it, so that a query only reads it.

use std::borrow::Borrow;
use std::cell::LazyCell;
use std::collections::HashSet;

use crate::feed::{FilingStore, SiteKey, StoredRecord};
use crate::filing::decide::{Decision, FilingPolicy, Target, decide};
use crate::filing::{Facts, Instant, Verdict, site_domain};
use crate::gate::Scope;
use crate::wire::{Name, name};
use crate::zone::{Column, Zone};

/// The settings that verdicts are taken by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How a filing is judged.
    pub policy: FilingPolicy,
    /// Apexes, in lower case, of zones that are never gated (`gate.exempt_zones`).
    pub exempt_zones: HashSet<Name>,
}

/// The verdicts of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Of its apex, and of whatever is in no scope.
    pub column: Column,
    /// Of names within it whose verdict is one of their own.
    pub scopes: Vec<Scope>,
    /// The site domains whose records the verdicts depend on.
    pub sites: Vec<SiteKey>,
}

/// What a zone is judged by.
enum Basis {
    Exempt,
    /// It is this site domain, or lies within it.
    Site(SiteKey),
    /// Site domains are at names within it.
    ManySites,
}

impl Rules {
    /// True for reverse zones, and the zones that the operator exempts.
    pub fn is_exempt(&self, apex: &[u8]) -> bool {
        let is_listed = |apex: Name| self.exempt_zones.contains(&apex);
        is_reverse(apex)
            || (!self.exempt_zones.is_empty() && Name::from_wire(apex).is_some_and(is_listed))
    }

    /// Takes the verdicts of a zone at an instant.
    pub fn judge(&self, zone: &Zone, filings: &FilingStore, at: Instant) -> Judged {
        self.judge_by(self.basis_of(zone), zone, filings, at)
    }

    /// The same of some zones, in their order. Of many it takes less time: what is known of them is
    /// brought in side by side.
    pub fn judge_together(
        &self,
        zones: &[impl Borrow<Zone>],
        filings: &FilingStore,
        at: Instant,
    ) -> Vec<Judged> {
        let bases: Vec<Basis> = zones.iter().map(|zone| self.basis_of(zone.borrow())).collect();
        filings.fetch(bases.iter().filter_map(|basis| match basis {
            Basis::Site(key) => Some(*key),
            Basis::Exempt | Basis::ManySites => None,
        }));
        let zones = zones.iter().map(Borrow::borrow);
        let judge = |(basis, zone)| self.judge_by(basis, zone, filings, at);
        bases.into_iter().zip(zones).map(judge).collect()
    }

    /// The verdicts of a zone whose one column for good ([`Column::is_for_good`]) was taken by these
    /// rules, the same records, and no later. None where it has to be judged for that.
    pub fn judged_before(&self, zone: &Zone, column: Column) -> Option<Judged> {
        let sites = match self.basis_of(zone) {
            Basis::Exempt => Vec::new(),
            Basis::Site(key) => vec![key],
            Basis::ManySites => return None,
        };
        Some(Judged { column, scopes: Vec::new(), sites })
    }

    /// Equal for equal rules.
    pub fn stamp(&self) -> String {
        let mut exempt: Vec<String> = self.exempt_zones.iter().map(Name::to_string).collect();
        exempt.sort_unstable();
        format!("{:?} {exempt:?}", self.policy)
    }

    fn basis_of(&self, zone: &Zone) -> Basis {
        let apex = zone.apex();
        match site_domain::of_wire(apex) {
            _ if self.is_exempt(apex) => Basis::Exempt,
            Some(site) => Basis::Site(SiteKey(site_domain::hash_wire(&apex[site.offset..]))),
            None => Basis::ManySites,
        }
    }

    fn judge_by(&self, basis: Basis, zone: &Zone, filings: &FilingStore, at: Instant) -> Judged {
        let mut judged = match basis {
            Basis::Exempt => {
                let column = Column::of(Verdict::Exempt);
                Judged { column, scopes: Vec::new(), sites: Vec::new() }
            }
            Basis::Site(key) => self.judge_within_site(zone, key, filings, at),
            Basis::ManySites => self.judge_across_sites(zone, filings, at),
        };
        judged.column.has_scopes = !judged.scopes.is_empty();
        judged
    }

    /// The common case: the zone is a site domain, or lies within one.
    fn judge_within_site(
        &self,
        zone: &Zone,
        site: SiteKey,
        filings: &FilingStore,
        at: Instant,
    ) -> Judged {
        let records: Vec<StoredRecord<'_>> = filings.records_of(site).collect();
        let column = self.column(&records, zone.apex(), at);
        let scopes = self.covered_below(zone.apex(), &records, at);
        Judged { column, scopes, sites: vec![site] }
    }

    /// A zone above site domains, such as that of a public suffix: each has its own verdict. The
    /// zone's own names, which nobody can file, are open to nobody.
    fn judge_across_sites(&self, zone: &Zone, filings: &FilingStore, at: Instant) -> Judged {
        let mut judged =
            Judged { column: self.decide_column(&[], at), scopes: Vec::new(), sites: Vec::new() };
        for node in zone.nodes() {
            let owner = [node.relative_name(), zone.apex()].concat();
            let Some(site) = site_domain::of_wire(&owner) else { continue };
            let site_name = &owner[site.offset..];
            let key = SiteKey(site_domain::hash_wire(site_name));
            if judged.sites.contains(&key) {
                continue;
            }
            judged.sites.push(key);
            let records: Vec<StoredRecord<'_>> = filings.records_of(key).collect();
            let column = self.column(&records, site_name, at);
            judged.scopes.push(Scope { name: site_name.into(), column });
            judged.scopes.extend(self.covered_below(site_name, &records, at));
        }
        judged
    }

    /// The names below `above` that some of a site domain's records cover by themselves.
    fn covered_below(&self, above: &[u8], records: &[StoredRecord<'_>], at: Instant) -> Vec<Scope> {
        let mut scopes: Vec<Scope> = Vec::new();
        for covered in records.iter().filter_map(|record| record.covers) {
            let Ok(name) = Name::parse(covered.as_bytes(), None) else { continue };
            let name = name.as_wire();
            let is_new = !scopes.iter().any(|scope| *scope.name == *name);
            if is_new && name.len() > above.len() && name::suffix_matches(name, above) {
                let column = self.column(records, name, at);
                scopes.push(Scope { name: name.into(), column });
            }
        }
        scopes
    }

    /// The verdicts of a name, by those records of its site domain that cover it.
    fn column(&self, records: &[StoredRecord<'_>], name: &[u8], at: Instant) -> Column {
        // Few records make it necessary to ask for it.
        let name = LazyCell::new(|| plain_text(name));
        let covers_it =
            |record: &&StoredRecord<'_>| record.covers.is_none() || record.covers_name(&name);
        let facts: Vec<Facts> =
            records.iter().filter(covers_it).map(|record| record.facts).collect();
        self.decide_column(&facts, at)
    }

    fn decide_column(&self, facts: &[Facts], at: Instant) -> Column {
        let own = decide(facts, at, Target::Own, &self.policy);
        let other = decide(facts, at, Target::OtherMainland, &self.policy);
        let seconds = |instant: Instant| u32::try_from(instant.0).unwrap_or(0);
        let next = |decision: &Decision| decision.next_change.map(seconds);
        Column {
            own: own.verdict,
            other_mainland: other.verdict,
            since: own.since.map_or(0, seconds),
            next_change: next(&own).into_iter().chain(next(&other)).min().unwrap_or(0),
            has_scopes: false,
        }
    }
}

/// True for names at or below the two trees of reverse zones (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn is_reverse(name: &[u8]) -> bool {
    [&b"\x07in-addr\x04arpa\0"[..], b"\x03ip6\x04arpa\0"]
        .iter()
        .any(|tree| name::suffix_matches(name, tree))
}

/// A name in wire form as filing records write it: labels with dots between, no final dot.
pub fn plain_text(wire: &[u8]) -> String {
    let mut text = String::with_capacity(wire.len());
    for label in name::labels(wire) {
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(&String::from_utf8_lossy(label));
    }
    text
}
