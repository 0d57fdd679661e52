//! Class IN: from a name to its zone, along CNAME and DNAME chains (RFC 1034 §4.3.2, 6604, 6672),
//! each hop under the verdict of its own site domain.

use arrayvec::ArrayVec;

use super::{Context, Finding, Phase, State, extended_error, why};
use crate::filing::Verdict;
use crate::gate::verdict::{ByRegion, MAX_CHAIN, expand};
use crate::gate::{Effect, Mode, effect::is_gated};
use crate::wire::fixed::put;
use crate::wire::query::{HEADER_LEN, rcode};
use crate::wire::reply::{ExtendedError, Full, Pointer, ReplyWriter, Section};
use crate::wire::{HashedName, Rtype, name};
use crate::zone::block::{RECORD_LEN, TTL_AT};
use crate::zone::{Column, Entry, Found, Node, Place, Rrset};

/// Writes the answer for the question's name.
pub(super) fn find(
    state: &State,
    context: &Context,
    name: &HashedName,
    rtype: Rtype,
    reply: &mut ReplyWriter<'_>,
) -> Finding {
    if state.phase == Phase::Loading {
        return not_ready();
    }
    let Some(found) = state.zones.find(name) else {
        return Finding {
            error: Some(ExtendedError {
                code: extended_error::NOT_AUTHORITATIVE,
                prefix: b"icp:",
                text: b"not-hosted",
            }),
            ..Finding::of(rcode::REFUSED)
        };
    };
    let entry = responsible(&found, name, rtype);
    if entry.zone.is_broken() {
        return not_ready();
    }
    reply.set_authoritative();
    let spelled = Spelled { head_at: HEADER_LEN, head_len: usize::MAX, tail_at: 0 };
    let hop = Hop { entry, name, spelled };
    let finding = Finding::of(rcode::NOERROR);
    let (seen, redirects) = (ArrayVec::new(), ArrayVec::new());
    let mut walk = Walk { state, now: context.now, rtype, reply, finding, seen, redirects };
    if let Err(Full) = walk.answer_hop(&hop) {
        walk.reply.set_truncated();
    }
    walk.finding
}

/// The zone that answers: a DS record stands on the parent's side of the cut (RFC 4035 §3.1.4.1).
fn responsible<'s>(found: &Found<'s>, name: &HashedName, rtype: Rtype) -> &'s Entry {
    let is_apex = name.label_count() == found.entry.zone.apex_labels();
    match found.parent {
        Some(parent) if rtype == Rtype::DS && is_apex => parent,
        _ => found.entry,
    }
}

fn not_ready() -> Finding {
    let error = ExtendedError { code: extended_error::NOT_READY, prefix: b"", text: b"" };
    Finding { error: Some(error), ..Finding::of(rcode::SERVFAIL) }
}

/// Where the bytes of a hop's name stand in the message: labels from the left, then perhaps a
/// pointer to the rest.
#[derive(Clone, Copy)]
struct Spelled {
    head_at: usize,
    head_len: usize,
    tail_at: usize,
}

impl Spelled {
    /// Place in the message of the suffix that starts at that offset of the name.
    fn place(&self, offset: usize) -> usize {
        match offset.checked_sub(self.head_len) {
            None => self.head_at + offset,
            Some(beyond) => self.tail_at + beyond,
        }
    }
}

/// One name of the chain, in the zone that it is in.
pub(super) struct Hop<'s, 'n> {
    pub(super) entry: &'s Entry,
    pub(super) name: &'n HashedName,
    spelled: Spelled,
}

impl Hop<'_, '_> {
    /// Pointer to the name's suffix of that many labels.
    pub(super) fn pointer(&self, labels: usize) -> Result<Pointer, Full> {
        Pointer::to(self.spelled.place(self.name.offset(labels))).ok_or(Full)
    }

    fn apex_at(&self) -> usize {
        self.spelled.place(self.name.offset(self.entry.zone.apex_labels()))
    }
}

/// What the gate leaves of a hop.
pub(super) struct Terms {
    /// Upper bound of gated data's TTL.
    max_gated_ttl: u32,
    /// Upper bound of negative answers' TTL.
    pub(super) max_negative_ttl: u32,
    /// Addresses of other names of the zone must not show up in the additional section.
    is_dark: bool,
    /// The hop itself is open, and with it the glue that its referral cannot do without.
    is_open: bool,
}

pub(super) struct Walk<'s, 'r, 'b> {
    pub(super) state: &'s State,
    now: u32,
    pub(super) rtype: Rtype,
    pub(super) reply: &'r mut ReplyWriter<'b>,
    finding: Finding,
    /// Hashes of the names that led on.
    seen: ArrayVec<u64, MAX_CHAIN>,
    /// The DNAMEs in the answer, and where their targets stand in the message.
    redirects: ArrayVec<(Node<'s>, usize), MAX_CHAIN>,
}

impl<'s> Walk<'s, '_, '_> {
    /// Answers for one name, and where it is an alias for those that it leads to.
    fn answer_hop(&mut self, hop: &Hop<'s, '_>) -> Result<(), Full> {
        let gate = &self.state.gate;
        let place = hop.entry.zone.locate(hop.name);
        let column = gate.column(hop.entry, hop.name, &place);
        let mut verdict = column.own;
        let mut max_ttl = u32::MAX;
        if let Verdict::Blocked(_) = verdict {
            let zones = &self.state.zones;
            ByRegion { verdict, max_ttl } =
                gate.verdict_by_region(zones, column, hop.entry, hop.name, &place, self.rtype);
        }
        if why::is_asked(hop, &place) {
            return why::answer(self, hop, column);
        }
        let terms = match verdict {
            Verdict::Blocked(reason) => {
                let effect = gate.effect(hop.name, &place, self.rtype);
                if effect != Effect::None {
                    self.finding.blocked = self.finding.blocked.or(Some(reason));
                }
                if gate.settings.mode == Mode::Enforce {
                    let terms = self.dark_terms(column);
                    match effect {
                        Effect::None => {}
                        Effect::Ungated => return self.ungated(hop, &place, &terms),
                        Effect::Notice => return self.notice(hop, &terms, reason.code()),
                        Effect::Nodata => return self.gated_nodata(hop, &terms, reason.code()),
                    }
                    terms
                } else {
                    self.open_terms(hop.entry, column, verdict, max_ttl)
                }
            }
            _ => self.open_terms(hop.entry, column, verdict, max_ttl),
        };
        match place {
            // The chain came by here, and the record asked for was told on the way.
            Place::Node(node)
                if matches!(self.rtype, Rtype::DNAME | Rtype::ANY)
                    && self.told(&node).is_some() =>
            {
                Ok(())
            }
            Place::Node(node) | Place::Wildcard(node) => self.node(hop, &node, &terms),
            Place::Delegated { delegation, is_exact: true } if self.rtype == Rtype::DS => {
                self.own_data(hop, &delegation, &terms)
            }
            Place::Delegated { delegation, .. } => self.refer(hop, &delegation, &terms),
            Place::Redirected(owner) => self.redirect(hop, &owner, &terms),
            Place::Missing => {
                self.finding.rcode = rcode::NXDOMAIN;
                self.negative(hop, &terms)
            }
        }
    }

    fn open_terms(
        &self,
        entry: &Entry,
        column: &Column,
        verdict: Verdict,
        mut max_gated_ttl: u32,
    ) -> Terms {
        if verdict != Verdict::Exempt {
            if column.next_change != 0 && verdict == Verdict::Open {
                max_gated_ttl = max_gated_ttl.min(self.until(column.next_change));
            }
            if let Some(max) = self.state.gate.settings.max_open_ttl {
                max_gated_ttl = max_gated_ttl.min(max);
            }
        }
        // A name may be open for its own region, or by a record of its own, in a zone whose other
        // names are dark: what stands behind its MX or SRV is not open with it.
        let is_dark = self.state.gate.settings.mode == Mode::Enforce
            && (!entry.column.own.is_open() || entry.column.has_scopes);
        Terms { max_gated_ttl, max_negative_ttl: u32::MAX, is_dark, is_open: true }
    }

    pub(super) fn dark_terms(&self, column: &Column) -> Terms {
        let mut ttl = self.state.gate.settings.notice_ttl;
        if column.next_change != 0 {
            ttl = ttl.min(self.until(column.next_change));
        }
        Terms { max_gated_ttl: ttl, max_negative_ttl: ttl, is_dark: true, is_open: false }
    }

    /// Seconds until an instant, at least one.
    fn until(&self, instant: u32) -> u32 {
        instant.saturating_sub(self.now).max(1)
    }

    /// RFC 1034 §4.3.2 steps 3a and 3c: the name's own records, or its alias.
    fn node(&mut self, hop: &Hop<'s, '_>, node: &Node<'s>, terms: &Terms) -> Result<(), Full> {
        if node.is_alias()
            && self.rtype != Rtype::ANY
            && node.rrset(self.rtype).is_none()
            && let Some(cname) = node.rrset(Rtype::CNAME)
        {
            return self.alias(hop, &cname, terms);
        }
        self.own_data(hop, node, terms)
    }

    fn own_data(&mut self, hop: &Hop<'s, '_>, node: &Node<'s>, terms: &Terms) -> Result<(), Full> {
        // RFC 8482 §4.1: for ANY, one RRset is enough.
        let rrset = match self.rtype {
            Rtype::ANY => node.rrsets().next(),
            rtype => node.rrset(rtype),
        };
        match rrset {
            Some(rrset) => self.positive(hop, &rrset, terms),
            None => self.negative(hop, terms),
        }
    }

    fn positive(
        &mut self,
        hop: &Hop<'s, '_>,
        rrset: &Rrset<'s>,
        terms: &Terms,
    ) -> Result<(), Full> {
        let owner = hop.pointer(hop.name.label_count())?;
        let start = self.put(Section::Answer, hop, rrset, owner, ttl_bound(rrset, terms))?;
        self.extras(rrset, start, owner, terms)
    }

    fn alias(&mut self, hop: &Hop<'s, '_>, cname: &Rrset<'s>, terms: &Terms) -> Result<(), Full> {
        let owner = hop.pointer(hop.name.label_count())?;
        let start = self.put(Section::Answer, hop, cname, owner, ttl_bound(cname, terms))?;
        let Some(rdata) = cname.rdata().next() else { return Ok(()) };
        let mut target: ArrayVec<u8, { name::MAX_NAME_LEN }> = ArrayVec::new();
        let head_len = expand(rdata, hop.entry.zone.apex(), &mut |bytes| {
            // A stored name is at most 255 bytes, the apex in place of its pointer included.
            let _ = target.try_extend_from_slice(bytes);
        });
        let Some(head_len) = head_len else { return Ok(()) };
        let spelled = Spelled { head_at: start + RECORD_LEN, head_len, tail_at: hop.apex_at() };
        self.go_on(hop, &target, spelled)
    }

    /// RFC 6672 §3.2: the DNAME, and the CNAME that it stands for.
    fn redirect(&mut self, hop: &Hop<'s, '_>, owner: &Node<'s>, terms: &Terms) -> Result<(), Full> {
        let Some(dname) = owner.rrset(Rtype::DNAME) else { return Ok(()) };
        let Some(rdata) = dname.rdata().next() else { return Ok(()) };
        let owner_len = owner.relative_name().len() + hop.entry.zone.apex().len();
        let kept = hop.name.as_wire().len() - owner_len;
        let bound = ttl_bound(&dname, terms);
        let dname_at = match self.told(owner) {
            // A chain may come by more than once; the record stands in the answer once.
            Some(dname_at) => dname_at,
            None => {
                let owner_at = Pointer::to(hop.spelled.place(kept)).ok_or(Full)?;
                self.put(Section::Answer, hop, &dname, owner_at, bound)? + RECORD_LEN
            }
        };
        // Full only at the end of the longest chain, where nothing comes by again.
        let _ = self.redirects.try_push((*owner, dname_at));
        let mut target: ArrayVec<u8, { name::MAX_NAME_LEN }> = ArrayVec::new();
        let fits = target.try_extend_from_slice(&hop.name.as_wire()[..kept]).is_ok()
            && target.try_extend_from_slice(rdata).is_ok();
        if !fits {
            self.finding.rcode = rcode::YXDOMAIN;
            return Ok(());
        }
        let cname_owner = hop.pointer(hop.name.label_count())?;
        let rest = Pointer::to(dname_at).ok_or(Full)?;
        let start = self.reply.position();
        let record = self.reply.append(Section::Answer, 1, RECORD_LEN + kept + 2)?;
        put(record, 0, cname_owner.to_bytes());
        put(record, 2, Rtype::CNAME.0.to_be_bytes());
        put(record, 4, [0, 1]);
        put(record, TTL_AT, dname.ttl().min(bound).to_be_bytes());
        put(record, 10, (kept as u16 + 2).to_be_bytes());
        record[RECORD_LEN..RECORD_LEN + kept].copy_from_slice(&hop.name.as_wire()[..kept]);
        record[RECORD_LEN + kept..].copy_from_slice(&rest.to_bytes());
        if self.rtype == Rtype::CNAME {
            return Ok(());
        }
        let spelled = Spelled { head_at: start + RECORD_LEN, head_len: kept, tail_at: dname_at };
        self.go_on(hop, &target, spelled)
    }

    /// Where the target of the node's DNAME stands, if the record is in the answer.
    fn told(&self, owner: &Node<'_>) -> Option<usize> {
        let told = self.redirects.iter().find(|(node, _)| node.is_same(owner))?;
        Some(told.1)
    }

    /// Goes on to the next name of a chain, where it is in a hosted zone that can answer, and the
    /// chain neither comes back to it nor is too long.
    fn go_on(&mut self, hop: &Hop<'s, '_>, target: &[u8], spelled: Spelled) -> Result<(), Full> {
        let mut name = HashedName::room();
        if !name.fill(target, self.state.zones.key()) {
            return Ok(());
        }
        let Some(found) = self.state.zones.find(&name) else { return Ok(()) };
        let entry = responsible(&found, &name, self.rtype);
        let is_loop = self.seen.contains(&name.full_hash()) || name.as_wire() == hop.name.as_wire();
        if entry.zone.is_broken() || is_loop || self.seen.try_push(hop.name.full_hash()).is_err() {
            return Ok(());
        }
        self.answer_hop(&Hop { entry, name: &name, spelled })
    }

    /// RFC 1034 §4.3.2 step 3b: a referral.
    fn refer(
        &mut self,
        hop: &Hop<'s, '_>,
        delegation: &Node<'s>,
        terms: &Terms,
    ) -> Result<(), Full> {
        let Some(ns) = delegation.rrset(Rtype::NS) else { return Ok(()) };
        // The bit speaks of the first name of the answer (RFC 1035 §4.1.1).
        if self.reply.count(Section::Answer) == 0 {
            self.reply.clear_authoritative();
        }
        let owner_len = delegation.relative_name().len() + hop.entry.zone.apex().len();
        let cut_at = hop.name.as_wire().len() - owner_len;
        let owner = Pointer::to(hop.spelled.place(cut_at)).ok_or(Full)?;
        let start =
            self.put(Section::Authority, hop, &ns, owner, ns.ttl().min(terms.max_gated_ttl))?;
        self.extras(&ns, start, owner, terms)
    }

    /// NODATA or NXDOMAIN: the SOA, for as long as it may be kept (RFC 2308 §5).
    pub(super) fn negative(&mut self, hop: &Hop<'s, '_>, terms: &Terms) -> Result<(), Full> {
        let zone = &hop.entry.zone;
        let Some(soa) = zone.soa() else { return Ok(()) };
        let owner = hop.pointer(zone.apex_labels())?;
        let ttl = zone.negative_ttl().min(terms.max_negative_ttl);
        self.put(Section::Authority, hop, &soa, owner, ttl).map(|_| ())
    }

    fn ungated(&mut self, hop: &Hop<'s, '_>, place: &Place<'s>, terms: &Terms) -> Result<(), Full> {
        if let Place::Node(node) | Place::Wildcard(node) = place
            && let Some(rrset) = node.rrsets().find(|rrset| !is_gated(rrset.rtype()))
        {
            self.positive(hop, &rrset, terms)?;
        }
        Ok(())
    }

    fn notice(
        &mut self,
        hop: &Hop<'s, '_>,
        terms: &Terms,
        reason: &'static str,
    ) -> Result<(), Full> {
        let gate = &self.state.gate;
        let notice = match self.rtype {
            Rtype::ANY => gate.notice(Rtype::A).or_else(|| gate.notice(Rtype::AAAA)),
            rtype => gate.notice(rtype),
        };
        let Some(notice) = notice else { return self.gated_nodata(hop, terms, reason) };
        let owner = hop.pointer(hop.name.label_count())?;
        let out = self.reply.append(Section::Answer, notice.count, notice.records.len())?;
        out.copy_from_slice(&notice.records);
        rewrite(out, owner, Some(terms.max_gated_ttl));
        self.set_error(gate.settings.ede_notice, reason);
        Ok(())
    }

    fn gated_nodata(
        &mut self,
        hop: &Hop<'s, '_>,
        terms: &Terms,
        reason: &'static str,
    ) -> Result<(), Full> {
        self.set_error(self.state.gate.settings.ede_nodata, reason);
        self.negative(hop, terms)
    }

    fn set_error(&mut self, code: u16, reason: &'static str) {
        self.finding.error = Some(ExtendedError { code, prefix: b"icp:", text: reason.as_bytes() });
    }

    /// Records of the names in an RRset's RDATA: addresses, and beside SVCB and HTTPS the services
    /// (RFC 9460 §4.1). What does not fit is left out; glue that the referral cannot be followed
    /// without makes it truncated (RFC 9471 §3).
    fn extras(
        &mut self,
        rrset: &Rrset<'s>,
        start: usize,
        owner: Pointer,
        terms: &Terms,
    ) -> Result<(), Full> {
        for extra in rrset.extras() {
            let is_own_glue = terms.is_open && extra.is_required;
            if terms.is_dark && !is_own_glue && !self.state.gate.frees_addresses(&extra.node) {
                continue;
            }
            let place = match extra.name_at {
                Some(name_at) => Pointer::to(start + name_at),
                None => Some(owner),
            };
            let Some(place) = place else { continue };
            // What frees a name's addresses does not free its services.
            let service = extra.service.filter(|_| !terms.is_dark);
            for rtype in service.into_iter().chain([Rtype::A, Rtype::AAAA]) {
                let Some(records) = extra.node.rrset(rtype) else { continue };
                let bound = records.ttl().min(terms.max_gated_ttl);
                // None of these types has a compressed name in its RDATA.
                match self.put_at(Section::Additional, &records, place, 0, bound) {
                    Err(Full) if extra.is_required => return Err(Full),
                    Ok(_) | Err(Full) => {}
                }
            }
        }
        Ok(())
    }

    fn put(
        &mut self,
        section: Section,
        hop: &Hop<'_, '_>,
        rrset: &Rrset<'_>,
        owner: Pointer,
        ttl: u32,
    ) -> Result<usize, Full> {
        self.put_at(section, rrset, owner, hop.apex_at(), ttl)
    }

    /// Writes a whole RRset, and gives the place where it starts.
    fn put_at(
        &mut self,
        section: Section,
        rrset: &Rrset<'_>,
        owner: Pointer,
        apex_at: usize,
        ttl: u32,
    ) -> Result<usize, Full> {
        let start = self.reply.position();
        let out = self.reply.append(section, rrset.record_count(), rrset.records().len())?;
        rrset.write(out, start, apex_at);
        let ttl = (ttl < rrset.ttl()).then_some(ttl);
        if owner != Pointer::QUESTION || ttl.is_some() {
            rewrite(out, owner, ttl);
        }
        Ok(start)
    }
}

/// The TTL that an RRset is answered with at most.
fn ttl_bound(rrset: &Rrset<'_>, terms: &Terms) -> u32 {
    if is_gated(rrset.rtype()) { terms.max_gated_ttl } else { u32::MAX }
}

/// Sets owner and TTL of each record.
fn rewrite(mut records: &mut [u8], owner: Pointer, ttl: Option<u32>) {
    while let Some(record) = records.first_chunk_mut::<RECORD_LEN>() {
        put(record, 0, owner.to_bytes());
        if let Some(ttl) = ttl {
            put(record, TTL_AT, ttl.to_be_bytes());
        }
        let rdata_len = usize::from(u16::from_be_bytes([record[10], record[11]]));
        records = &mut records[RECORD_LEN + rdata_len..];
    }
}
