//! What the RDATA of each type is made of (each type's RFC).
//!
//! Reading text, verifying wire form and writing text all go by this one table.

use crate::wire::Rtype;

/// One field of an RDATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Ipv4,
    Ipv6,
    /// A name, uncompressed.
    Name,
    U8,
    U16,
    U32,
    /// 32 bits; the text may use time units.
    Seconds,
    /// A DNSSEC algorithm, number or mnemonic (RFC 4034 appendix A.1).
    Algorithm,
    /// A certificate type, number or mnemonic (RFC 4398 §2.1).
    CertType,
    /// The type that a signature covers.
    Covered,
    /// An instant, `YYYYMMDDHHmmSS` or seconds (RFC 4034 §3.2).
    Time,
    /// One character string.
    Text,
    /// One or more character strings, to the end.
    Texts,
    /// A CAA tag, with its length (RFC 8659 §4.1).
    Tag,
    /// Text without a length, to the end; may be empty.
    RestText,
    /// Text without a length, to the end; not empty (RFC 7553 §4.4).
    Target,
    /// Hexadecimal to the end, at least one byte.
    Hex,
    /// Base64 to the end, at least one byte.
    Base64,
    /// Base64 to the end, may be empty (KEY without a key, RFC 2535 §3.1.2).
    OptionalBase64,
    /// NSEC3 salt with its length; `-` where empty (RFC 5155 §3.3).
    Salt,
    /// NSEC3 next hashed owner with its length, base32hex (RFC 5155 §3.3).
    NextHash,
    /// Type bit maps, at least one type (RFC 4034 §4.1.2).
    Types,
    /// Type bit maps, may be empty.
    OptionalTypes,
    /// The whole of LOC (RFC 1876 §2).
    Loc,
    /// SvcParams to the end (RFC 9460 §2.2).
    SvcParams,
    Eui48,
    Eui64,
}

/// The fields of a type; `None` for types of unknown layout (RFC 3597).
pub(super) fn layout(rtype: Rtype) -> Option<&'static [Field]> {
    use Field::*;
    const SIGNATURE: &[Field] =
        &[Field::Covered, Algorithm, U8, U32, Time, Time, U16, Name, Base64];
    Some(match rtype {
        Rtype::A => &[Ipv4],
        Rtype::AAAA => &[Ipv6],
        Rtype::NS | Rtype::CNAME | Rtype::PTR | Rtype::DNAME => &[Name],
        Rtype::MX | Rtype::AFSDB => &[U16, Name],
        Rtype::TXT | Rtype::SPF => &[Texts],
        Rtype::SOA => &[Name, Name, U32, Seconds, Seconds, Seconds, Seconds],
        Rtype::SRV => &[U16, U16, U16, Name],
        Rtype::CAA => &[U8, Tag, RestText],
        Rtype::SVCB | Rtype::HTTPS => &[U16, Name, SvcParams],
        Rtype::HINFO => &[Text, Text],
        Rtype::RP => &[Name, Name],
        Rtype::LOC => &[Loc],
        Rtype::NAPTR => &[U16, U16, Text, Text, Text, Name],
        Rtype::CERT => &[CertType, U16, Algorithm, Base64],
        Rtype::DS | Rtype::CDS => &[U16, Algorithm, U8, Hex],
        Rtype::SSHFP => &[U8, U8, Hex],
        Rtype::RRSIG | Rtype::SIG => SIGNATURE,
        Rtype::NSEC => &[Name, Types],
        Rtype::DNSKEY | Rtype::CDNSKEY => &[U16, U8, Algorithm, Base64],
        Rtype::KEY => &[U16, U8, Algorithm, OptionalBase64],
        Rtype::NSEC3 => &[U8, U8, U16, Salt, NextHash, OptionalTypes],
        Rtype::NSEC3PARAM => &[U8, U8, U16, Salt],
        Rtype::TLSA | Rtype::SMIMEA => &[U8, U8, U8, Hex],
        Rtype::OPENPGPKEY => &[Base64],
        Rtype::CSYNC => &[U32, U16, OptionalTypes],
        Rtype::ZONEMD => &[U32, U8, U8, Hex],
        Rtype::EUI48 => &[Eui48],
        Rtype::EUI64 => &[Eui64],
        Rtype::URI => &[U16, U16, Target],
        _ => return None,
    })
}

/// Mnemonics of types whose data is read in generic form only, and which type bit maps name.
const GENERIC_ONLY: &[(&str, u16)] = &[
    ("MD", 3),
    ("MF", 4),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("NULL", 10),
    ("WKS", 11),
    ("MINFO", 14),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP", 22),
    ("NSAP-PTR", 23),
    ("PX", 26),
    ("GPOS", 27),
    ("NXT", 30),
    ("EID", 31),
    ("NIMLOC", 32),
    ("ATMA", 34),
    ("KX", 36),
    ("A6", 38),
    ("SINK", 40),
    ("APL", 42),
    ("IPSECKEY", 45),
    ("DHCID", 49),
    ("HIP", 55),
    ("NINFO", 56),
    ("RKEY", 57),
    ("TALINK", 58),
    ("UINFO", 100),
    ("UID", 101),
    ("GID", 102),
    ("UNSPEC", 103),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("LP", 107),
    ("AVC", 258),
    ("DOA", 259),
    ("AMTRELAY", 260),
    ("RESINFO", 261),
    ("WALLET", 262),
    ("TA", 32768),
    ("DLV", 32769),
];

/// Reads a type, the frequent ones first.
pub(super) fn parse_rtype(text: &[u8]) -> Option<Rtype> {
    Some(match text {
        b"A" => Rtype::A,
        b"NS" => Rtype::NS,
        b"MX" => Rtype::MX,
        b"AAAA" => Rtype::AAAA,
        b"TXT" => Rtype::TXT,
        b"SOA" => Rtype::SOA,
        b"CNAME" => Rtype::CNAME,
        b"CAA" => Rtype::CAA,
        b"SRV" => Rtype::SRV,
        b"HTTPS" => Rtype::HTTPS,
        _ => {
            return Rtype::parse(text).or_else(|| {
                GENERIC_ONLY
                    .iter()
                    .find(|(mnemonic, _)| text.eq_ignore_ascii_case(mnemonic.as_bytes()))
                    .map(|&(_, code)| Rtype(code))
            });
        }
    })
}
