//! The TXT record at `_icp.<site domain>` that tells, by `dig` alone, whether and why a domain is
//! dark (DESIGN 2). Synthesised, unless the zone has data of its own there.

use std::io::Write;

use arrayvec::ArrayVec;

use super::internet::{Hop, Walk};
use crate::filing::{Verdict, site_domain};
use crate::wire::reply::{Full, Section};
use crate::wire::{Rtype, name};
use crate::zone::{Column, Place};

const LABEL: &[u8; 5] = b"\x04_icp";

/// True where the name is `_icp` below a site domain, and the zone has no data there.
pub(super) fn is_asked(hop: &Hop<'_, '_>, place: &Place<'_>) -> bool {
    // The label first: nearly every other name ends here.
    hop.name.as_wire().first_chunk() == Some(LABEL) && !has_own_data(place) && {
        let labels = hop.name.label_count() - 1;
        labels >= hop.entry.zone.apex_labels()
            && site_domain::of_wire(hop.name.suffix(labels)).is_some_and(|site| site.offset == 0)
    }
}

fn has_own_data(place: &Place<'_>) -> bool {
    match place {
        Place::Node(node) => node.rrsets().next().is_some(),
        Place::Delegated { .. } => true,
        Place::Wildcard(_) | Place::Redirected(_) | Place::Missing => false,
    }
}

/// Answers for that name: the record for TXT and ANY, else NODATA.
pub(super) fn answer<'s>(
    walk: &mut Walk<'s, '_, '_>,
    hop: &Hop<'s, '_>,
    column: &Column,
) -> Result<(), Full> {
    let terms = walk.dark_terms(column);
    if !matches!(walk.rtype, Rtype::TXT | Rtype::ANY) {
        return walk.negative(hop, &terms);
    }
    let mut rdata: ArrayVec<u8, 1024> = ArrayVec::new();
    let state = if column.own.is_open() { "open" } else { "blocked" };
    put_string(&mut rdata, format_args!("state={state}"));
    put_string(&mut rdata, format_args!("reason={}", column.own.code()));
    if column.since != 0
        && let Ok(since) = jiff::Timestamp::from_second(i64::from(column.since))
    {
        put_string(&mut rdata, format_args!("since={since}"));
    }
    let page = &walk.state.gate.settings.notice_page;
    if !page.is_empty() && matches!(column.own, Verdict::Blocked(_)) {
        let domain = name::to_text(hop.name.suffix(hop.name.label_count() - 1));
        let domain = domain.strip_suffix('.').unwrap_or(&domain);
        put_string(&mut rdata, format_args!("page={}", page.replace("{domain}", domain)));
    }
    let owner = hop.pointer(hop.name.label_count())?;
    let out = walk.reply.append(Section::Answer, 1, 12 + rdata.len())?;
    out[..2].copy_from_slice(&owner.to_bytes());
    out[2..4].copy_from_slice(&Rtype::TXT.0.to_be_bytes());
    out[4..6].copy_from_slice(&[0, 1]);
    out[6..10].copy_from_slice(&terms.max_negative_ttl.to_be_bytes());
    out[10..12].copy_from_slice(&(rdata.len() as u16).to_be_bytes());
    out[12..].copy_from_slice(&rdata);
    Ok(())
}

/// Appends a character-string; one that is longer than 255 bytes, or finds no room, is left out.
fn put_string(rdata: &mut ArrayVec<u8, 1024>, text: std::fmt::Arguments<'_>) {
    let start = rdata.len();
    let written = rdata.try_push(0).is_ok() && rdata.write_fmt(text).is_ok();
    match u8::try_from(rdata.len() - start - 1) {
        Ok(len) if written => rdata[start] = len,
        _ => rdata.truncate(start),
    }
}
