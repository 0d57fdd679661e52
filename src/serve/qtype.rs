//! Query types in the few groups that they are counted by, so that no client can make up labels.

use crate::wire::Rtype;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QtypeGroup {
    /// A.
    A,
    /// AAAA.
    Aaaa,
    /// CNAME and DNAME.
    Cname,
    /// HTTPS and SVCB.
    Https,
    /// MX.
    Mx,
    /// NS.
    Ns,
    /// PTR.
    Ptr,
    /// SOA.
    Soa,
    /// SRV.
    Srv,
    /// TXT and SPF.
    Txt,
    /// CAA.
    Caa,
    /// What a validating resolver asks for: DS, DNSKEY, NSEC and the like.
    Dnssec,
    /// ANY.
    Any,
    /// AXFR and IXFR.
    Transfer,
    /// Every other type.
    Other,
    /// No question, or none that could be read.
    None,
}

impl QtypeGroup {
    /// Every group, in the order of the numbers.
    pub const ALL: [QtypeGroup; 16] = [
        QtypeGroup::A,
        QtypeGroup::Aaaa,
        QtypeGroup::Cname,
        QtypeGroup::Https,
        QtypeGroup::Mx,
        QtypeGroup::Ns,
        QtypeGroup::Ptr,
        QtypeGroup::Soa,
        QtypeGroup::Srv,
        QtypeGroup::Txt,
        QtypeGroup::Caa,
        QtypeGroup::Dnssec,
        QtypeGroup::Any,
        QtypeGroup::Transfer,
        QtypeGroup::Other,
        QtypeGroup::None,
    ];

    /// The group of a query type; of a message without one where `None`.
    pub fn of(qtype: Option<Rtype>) -> QtypeGroup {
        let Some(qtype) = qtype else { return QtypeGroup::None };
        match qtype {
            Rtype::A => QtypeGroup::A,
            Rtype::AAAA => QtypeGroup::Aaaa,
            Rtype::CNAME | Rtype::DNAME => QtypeGroup::Cname,
            Rtype::HTTPS | Rtype::SVCB => QtypeGroup::Https,
            Rtype::MX => QtypeGroup::Mx,
            Rtype::NS => QtypeGroup::Ns,
            Rtype::PTR => QtypeGroup::Ptr,
            Rtype::SOA => QtypeGroup::Soa,
            Rtype::SRV => QtypeGroup::Srv,
            Rtype::TXT | Rtype::SPF => QtypeGroup::Txt,
            Rtype::CAA => QtypeGroup::Caa,
            Rtype::DS
            | Rtype::DNSKEY
            | Rtype::RRSIG
            | Rtype::NSEC
            | Rtype::NSEC3
            | Rtype::NSEC3PARAM
            | Rtype::CDS
            | Rtype::CDNSKEY => QtypeGroup::Dnssec,
            Rtype::ANY => QtypeGroup::Any,
            Rtype::AXFR | Rtype::IXFR => QtypeGroup::Transfer,
            _ => QtypeGroup::Other,
        }
    }

    /// The label in metrics: a mnemonic, or a word in lower case.
    pub fn name(self) -> &'static str {
        match self {
            QtypeGroup::A => "A",
            QtypeGroup::Aaaa => "AAAA",
            QtypeGroup::Cname => "CNAME",
            QtypeGroup::Https => "HTTPS",
            QtypeGroup::Mx => "MX",
            QtypeGroup::Ns => "NS",
            QtypeGroup::Ptr => "PTR",
            QtypeGroup::Soa => "SOA",
            QtypeGroup::Srv => "SRV",
            QtypeGroup::Txt => "TXT",
            QtypeGroup::Caa => "CAA",
            QtypeGroup::Dnssec => "dnssec",
            QtypeGroup::Any => "ANY",
            QtypeGroup::Transfer => "transfer",
            QtypeGroup::Other => "other",
            QtypeGroup::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_stand_in_the_order_of_their_numbers_and_have_names_of_their_own() {
        let mut names = std::collections::HashSet::new();
        for (number, group) in QtypeGroup::ALL.into_iter().enumerate() {
            assert_eq!(group as usize, number);
            assert!(names.insert(group.name()), "{}", group.name());
        }
        let groups: std::collections::HashSet<_> =
            (0..=u16::MAX).map(|code| QtypeGroup::of(Some(Rtype(code)))).collect();
        assert_eq!(groups.len(), QtypeGroup::ALL.len() - 1, "all but `none` can be asked for");
    }
}
