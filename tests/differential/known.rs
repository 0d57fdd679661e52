//! Where beiand stands apart from the others, and why that is right: a short list, each with the
//! text that it rests on.

use beiand::wire::{Rtype, name};

use crate::servers::{Answer, Case, Record};

/// One server's answer that differs from ours and yet is counted as the same.
pub struct Known {
    pub why: &'static str,
    /// Where it is sure to be met; an entry that nothing meets any longer goes.
    pub met: Met,
    /// Whether it is so for the answer of the named server.
    pub applies: fn(&Case, &str, &Answer) -> bool,
}

/// Which comparison, as it runs without settings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Met {
    ByHand,
    Random,
}

pub const KNOWN: &[Known] = &[
    Known {
        // RFC 8482 section 4.1: one RRset of the name is enough. Knot and NSD give one, too, each
        // of its own choice; ours must be whole, and one of all those that BIND gives.
        why: "ANY over UDP gets one RRset of the name",
        met: Met::ByHand,
        applies: |case, server, theirs| {
            Rtype(case.question.qtype) == Rtype::ANY
                && case.theirs.iter().all(|(s, bind)| *s != "BIND" || is_any_of_bind(case, bind))
                && (server == "BIND" || is_any_of(case, theirs, Shown::One))
        },
    },
    Known {
        // RFC 1034 section 3.6.2 leaves open where a server stops. We give 16 aliases. BIND says
        // SERVFAIL after 11; NSD and Knot stop sooner where a DNAME comes again, since it leads
        // below itself, and later elsewhere.
        why: "a chain that is long or endless is cut somewhere",
        met: Met::Random,
        applies: |case, server, theirs| {
            let links = |answer: &Answer| answer.links(&case.question.name).len();
            let gives_up = server == "BIND" && theirs.rcode == Some(2) && links(theirs) >= 11;
            gives_up && is_beginning(theirs, &case.ours)
                || links(&case.ours) >= 16
                    && theirs.rcode == case.ours.rcode
                    && (is_beginning(theirs, &case.ours) || is_beginning(&case.ours, theirs))
        },
    },
    Known {
        // RFC 1034 section 3.6.2 has a loop as an error, RFC 6604 section 2.1 as the end of a
        // chain like any other; RFC 2181 section 5 has no record twice.
        why: "a loop: Knot and NSD give a record twice, BIND says SERVFAIL",
        met: Met::ByHand,
        applies: |case, server, theirs| {
            let end = case.ours.chain_end(&case.question.name);
            let is_loop = |r: &Record| Rtype(r.rtype) == Rtype::CNAME && r.owner == end;
            let rcode = if server == "BIND" { Some(2) } else { case.ours.rcode };
            case.ours.answer.iter().any(is_loop)
                && theirs.rcode == rcode
                && without_dnames(theirs) == without_dnames(&case.ours)
                && theirs.authority == case.ours.authority
        },
    },
    Known {
        // RFC 4035 section 3.1.4.1: DS is the upper zone's to tell. NSD and we do so at a chain's
        // end, too; BIND and Knot stay in the child that the chain is in.
        why: "DS at a child's apex, by an alias in the child",
        met: Met::ByHand,
        applies: |case, server, theirs| {
            let end = case.ours.chain_end(&case.question.name);
            let is_above = |zone: &[u8]| zone.len() < end.len() && name::suffix_matches(end, zone);
            Rtype(case.question.qtype) == Rtype::DS
                && server != "NSD"
                && end != case.question.name
                && case.ours.authority.iter().all(|soa| is_above(&soa.owner))
                && theirs.rcode == case.ours.rcode
                && theirs.chain_end(&case.question.name) == end
                && theirs.authority.iter().any(|soa| soa.owner == end)
        },
    },
    Known {
        // RFC 1034 section 4.3.2 step 3.a goes back to step 2, which takes the zone that is nearest to
        // the alias's target.
        why: "Knot stays with a chain in the zone above a child that is hosted beside",
        met: Met::Random,
        applies: |case, server, theirs| {
            let end = theirs.chain_end(&case.question.name);
            let is_lower = |soa: &Record, zone: &[u8]| soa.owner.len() > zone.len();
            let is_cut = |record: &Record| {
                let zone = &record.owner;
                let is_above = case.ours.authority.iter().any(|soa| is_lower(soa, zone));
                name::suffix_matches(end, zone) && (Rtype(record.rtype) == Rtype::NS || is_above)
            };
            // Or the zone above has data of its own there, which the child does not.
            let ours_is_of_child = !case.ours.authority.is_empty()
                && case.ours.authority.iter().all(|soa| name::suffix_matches(end, &soa.owner));
            let has_data = ours_is_of_child && theirs.answer.iter().any(|r| r.owner == end);
            server == "Knot"
                && end != case.question.name
                && (has_data || !theirs.authority.is_empty())
                && theirs.authority.iter().all(is_cut)
                && theirs
                    .answer
                    .iter()
                    .all(|r| case.ours.answer.contains(r) || has_data && r.owner == end)
        },
    },
    Known {
        // RFC 6672 section 3.3 leaves open what a wildcard's DNAME is for.
        why: "Knot makes a DNAME for each name below a wildcard's",
        met: Met::ByHand,
        applies: |case, server, theirs| {
            let has_asterisk =
                |r: &Record| Rtype(r.rtype) == Rtype::DNAME && r.owner.starts_with(b"\x01*");
            server == "Knot"
                && case.ours.answer.iter().any(has_asterisk)
                && theirs.rcode == case.ours.rcode
                && without_dnames(theirs) == without_dnames(&case.ours)
                && theirs.authority == case.ours.authority
        },
    },
];

enum Shown {
    One,
    All,
}

/// Whether an answer to ANY tells the same way to the name as ours, and there has our RRset among
/// all of the name's, or one of its own choice.
fn is_any_of(case: &Case, theirs: &Answer, shown: Shown) -> bool {
    let (our_way, our_rrset) = case.ours.of_any(&case.question.name);
    let (their_way, their_rrsets) = theirs.of_any(&case.question.name);
    let Some(first) = our_rrset.first() else { return false };
    let same_type =
        their_rrsets.iter().filter(|r| r.rtype == first.rtype).copied().collect::<Vec<_>>();
    let is_shown = match shown {
        Shown::One => !their_rrsets.is_empty(),
        Shown::All => same_type == our_rrset,
    };
    is_shown
        && our_way == their_way
        && (theirs.rcode, theirs.aa, theirs.tc) == (case.ours.rcode, case.ours.aa, case.ours.tc)
        && theirs.authority == case.ours.authority
}

/// BIND does not go on behind a DNAME for ANY, as RFC 6672 section 3.2 has it; and leaves out a DS
/// that is at no cut.
fn is_any_of_bind(case: &Case, theirs: &Answer) -> bool {
    let (our_way, our_rrset) = case.ours.of_any(&case.question.name);
    let (their_way, their_rrsets) = theirs.of_any(&case.question.name);
    let stops = !their_way.is_empty()
        && theirs.rcode == Some(0)
        && their_rrsets.is_empty()
        && theirs.authority.is_empty()
        && their_way.iter().all(|record| our_way.contains(record));
    let has_no_ds = our_rrset.first().is_some_and(|record| Rtype(record.rtype) == Rtype::DS)
        && their_rrsets.iter().all(|record| Rtype(record.rtype) != Rtype::DS)
        && theirs.rcode == Some(0)
        && our_way == their_way;
    stops || has_no_ds || is_any_of(case, theirs, Shown::All)
}

/// The answer's records but for DNAMEs, each once.
fn without_dnames(answer: &Answer) -> Vec<&Record> {
    let mut records: Vec<&Record> =
        answer.answer.iter().filter(|record| Rtype(record.rtype) != Rtype::DNAME).collect();
    records.dedup();
    records
}

/// Whether the chain that the first tells is the beginning of what the second tells. DNAMEs are not
/// looked at: Knot makes one for each name below a wildcard that has one, which RFC 6672 section
/// 3.3 leaves open.
fn is_beginning(some: &Answer, more: &Answer) -> bool {
    let is_told =
        |record: &Record| Rtype(record.rtype) == Rtype::DNAME || more.answer.contains(record);
    some.authority.is_empty() && some.answer.iter().all(is_told)
}
