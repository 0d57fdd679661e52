//! Resource record types (RFC 1035 §3.2.2 and the IANA registry), by number and mnemonic.

use std::fmt;

/// A resource record type or query type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rtype(pub u16);

macro_rules! rtypes {
    ($($name:ident $code:literal $doc:literal;)*) => {
        impl Rtype {
            $(#[doc = $doc] pub const $name: Rtype = Rtype($code);)*

            /// The mnemonic, where the type has one that beiand knows.
            pub fn mnemonic(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// Reads a mnemonic in any case, or the `TYPE123` form of RFC 3597 §5.
            pub fn parse(text: &[u8]) -> Option<Rtype> {
                $(if text.eq_ignore_ascii_case(stringify!($name).as_bytes()) {
                    return Some(Rtype($code));
                })*
                let (head, digits) = text.split_at_checked(4)?;
                let digits = std::str::from_utf8(digits).ok()?;
                if !head.eq_ignore_ascii_case(b"TYPE") || !digits.starts_with(|c: char| c.is_ascii_digit()) {
                    return None;
                }
                digits.parse().ok().map(Rtype)
            }
        }
    };
}

rtypes! {
    A 1 "Host address (RFC 1035).";
    NS 2 "Name server (RFC 1035).";
    CNAME 5 "Alias (RFC 1035).";
    SOA 6 "Start of authority (RFC 1035).";
    PTR 12 "Pointer (RFC 1035).";
    HINFO 13 "Host information (RFC 1035).";
    MX 15 "Mail exchange (RFC 1035).";
    TXT 16 "Text (RFC 1035).";
    RP 17 "Responsible person (RFC 1183).";
    AFSDB 18 "AFS database (RFC 1183).";
    SIG 24 "Signature (RFC 2535).";
    KEY 25 "Key (RFC 2535).";
    AAAA 28 "IPv6 host address (RFC 3596).";
    LOC 29 "Location (RFC 1876).";
    SRV 33 "Service (RFC 2782).";
    NAPTR 35 "Naming authority pointer (RFC 3403).";
    CERT 37 "Certificate (RFC 4398).";
    DNAME 39 "Alias of a subtree (RFC 6672).";
    OPT 41 "EDNS pseudo-type (RFC 6891).";
    DS 43 "Delegation signer (RFC 4034).";
    SSHFP 44 "SSH fingerprint (RFC 4255).";
    RRSIG 46 "Signature (RFC 4034).";
    NSEC 47 "Next secure (RFC 4034).";
    DNSKEY 48 "Zone key (RFC 4034).";
    NSEC3 50 "Hashed next secure (RFC 5155).";
    NSEC3PARAM 51 "NSEC3 parameters (RFC 5155).";
    TLSA 52 "TLS association (RFC 6698).";
    SMIMEA 53 "S/MIME association (RFC 8162).";
    CDS 59 "Child DS (RFC 7344).";
    CDNSKEY 60 "Child DNSKEY (RFC 7344).";
    OPENPGPKEY 61 "OpenPGP key (RFC 7929).";
    CSYNC 62 "Child-to-parent synchronisation (RFC 7477).";
    ZONEMD 63 "Zone digest (RFC 8976).";
    SVCB 64 "Service binding (RFC 9460).";
    HTTPS 65 "HTTPS service binding (RFC 9460).";
    SPF 99 "Sender policy, obsolete (RFC 7208).";
    EUI48 108 "48-bit EUI (RFC 7043).";
    EUI64 109 "64-bit EUI (RFC 7043).";
    NXNAME 128 "Sign of a name that does not exist, meta-type (RFC 9824).";
    TKEY 249 "Transaction key, meta-type (RFC 2930).";
    TSIG 250 "Transaction signature, meta-type (RFC 8945).";
    IXFR 251 "Incremental transfer, query type (RFC 1995).";
    AXFR 252 "Full transfer, query type (RFC 5936).";
    MAILB 253 "Mailbox records, query type (RFC 1035).";
    MAILA 254 "Mail agents, query type (RFC 1035).";
    ANY 255 "Any type, query type (RFC 8482).";
    URI 256 "URI (RFC 7553).";
    CAA 257 "Certification authority authorisation (RFC 8659).";
}

impl Rtype {
    /// True for types that may be asked for but never stand in a zone: OPT and the range of
    /// meta- and query types, 128 to 255 (RFC 6895 §3.1).
    pub fn is_meta(self) -> bool {
        self == Rtype::OPT || (128..=255).contains(&self.0)
    }
}

impl fmt::Display for Rtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(mnemonic) => f.write_str(mnemonic),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for Rtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
