//! Class CH: who answers, for those who may know. Silent unless configured.

use super::cookie::CookieSecret;
use crate::wire::query::rcode;
use crate::wire::reply::{ReplyWriter, Section};
use crate::wire::{Rtype, name};

/// What this server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Name server identifier (RFC 5001); empty: the option is not answered.
    pub nsid: Vec<u8>,
    /// Answered for `version.bind` and `version.server`; empty: REFUSED.
    pub version: String,
    /// Answered for `id.server` and `hostname.bind` (RFC 4892); empty: REFUSED.
    pub id: String,
    /// The secret of DNS cookies.
    pub cookie_secret: CookieSecret,
}

/// Writes the answer to a question of class CH whose name is at the start of `question`; returns
/// the response code.
pub(super) fn find(
    identity: &Identity,
    question: &[u8],
    rtype: Rtype,
    reply: &mut ReplyWriter<'_>,
) -> u16 {
    const NAMES: [(&[u8], WhichText); 4] = [
        (b"\x07version\x04bind\0", WhichText::Version),
        (b"\x07version\x06server\0", WhichText::Version),
        (b"\x02id\x06server\0", WhichText::Id),
        (b"\x08hostname\x04bind\0", WhichText::Id),
    ];
    let asked = name::name_len(question).map_or(&[][..], |len| &question[..len]);
    let text =
        NAMES.iter().find(|(name, _)| asked.eq_ignore_ascii_case(name)).map_or("", |(_, which)| {
            match which {
                WhichText::Version => &identity.version,
                WhichText::Id => &identity.id,
            }
        });
    // One character-string: the configuration keeps it to 255 bytes.
    let Some(len) = u8::try_from(text.len()).ok().filter(|&len| len > 0) else {
        return rcode::REFUSED;
    };
    reply.set_authoritative();
    if rtype == Rtype::TXT || rtype == Rtype::ANY {
        let size = 13 + text.len();
        if let Ok(out) = reply.append(Section::Answer, 1, size) {
            out[..10].copy_from_slice(&[0xc0, 0x0c, 0, 16, 0, 3, 0, 0, 0, 0]);
            out[10..12].copy_from_slice(&(u16::from(len) + 1).to_be_bytes());
            out[12] = len;
            out[13..].copy_from_slice(text.as_bytes());
        }
    }
    rcode::NOERROR
}

enum WhichText {
    Version,
    Id,
}
