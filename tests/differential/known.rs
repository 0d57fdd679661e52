//! Where beiand stands apart from the others, and why that is right: a short list, each with the
//! text that it rests on.

use beiand::wire::Rtype;

use crate::servers::{Answer, Case};

pub struct Known {
    pub why: &'static str,
    pub applies: fn(&Case) -> bool,
}

pub const KNOWN: &[Known] = &[
    Known {
        // RFC 8482 section 4.1. BIND gives all of them; it does not go on behind a DNAME for ANY,
        // as RFC 6672 section 3.2 has it and Knot and NSD do, and has no DS in it outside a cut.
        why: "ANY over UDP gets one RRset of the name",
        applies: |case| {
            let is_part = |some: &Answer, all: &Answer| {
                !some.answer.is_empty() && some.answer.iter().all(|r| all.answer.contains(r))
            };
            let is_alike = |theirs: &Answer| {
                case.ours.rcode == theirs.rcode && is_part(&case.ours, theirs)
                    || theirs.chain_end(&case.question.name) != case.question.name
                        && is_part(theirs, &case.ours)
                    || theirs.answer.is_empty()
                        && case.ours.answer.iter().all(|r| Rtype(r.rtype) == Rtype::DS)
            };
            Rtype(case.question.qtype) == Rtype::ANY
                && case.theirs.iter().any(|(_, theirs)| is_alike(theirs))
        },
    },
    Known {
        // RFC 1034 section 3.6.2 leaves open where a server stops: BIND says SERVFAIL after 11
        // aliases, Knot YXDOMAIN or what it has, NSD and beiand what they have.
        why: "a chain that is long, or endless since a DNAME leads below itself, is cut somewhere",
        applies: |case| {
            let is_long = |answer: &Answer| {
                answer.answer.iter().filter(|r| Rtype(r.rtype) == Rtype::CNAME).count() > 11
            };
            is_long(&case.ours) && case.theirs.iter().all(|(_, theirs)| is_long(theirs))
        },
    },
    Known {
        // RFC 1034 section 3.6.2 again; RFC 2181 section 5 has no record twice.
        why: "a loop through a wildcard: Knot and NSD give a record twice, BIND says SERVFAIL",
        applies: |case| {
            let is_alike = |theirs: &Answer| {
                let mut once = theirs.answer.clone();
                once.dedup();
                let is_odd = once.len() < theirs.answer.len() || theirs.rcode == Some(2);
                is_odd && once == case.ours.answer && theirs.authority == case.ours.authority
            };
            let end = case.ours.chain_end(&case.question.name);
            case.ours.answer.iter().any(|r| Rtype(r.rtype) == Rtype::CNAME && r.owner == end)
                && case.theirs.iter().all(|(_, theirs)| is_alike(theirs))
        },
    },
];
