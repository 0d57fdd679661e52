//! What "blocked" means for one name and one query type.

use super::{Gate, MailHosts};
use crate::wire::{HashedName, Rtype};
use crate::zone::{Node, Place};

/// What the gate does to the answer of a blocked name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The name's own data is answered, or its absence.
    None,
    /// The name's first RRset that is not gated is answered (ANY alone).
    Ungated,
    /// The notice addresses are answered.
    Notice,
    /// NODATA.
    Nodata,
}

/// Labels at and below which CNAME and TXT are free, so that domain validation and mail policy
/// can be set up while the filing runs.
const FREE_LABELS: [&[u8]; 3] = [b"_acme-challenge", b"_domainkey", b"_dmarc"];

/// True for the types that lead to a website.
pub fn is_gated(rtype: Rtype) -> bool {
    matches!(
        rtype,
        Rtype::A | Rtype::AAAA | Rtype::HTTPS | Rtype::SVCB | Rtype::CNAME | Rtype::DNAME
    )
}

impl Gate {
    /// The effect on a blocked name.
    #[cold]
    pub fn effect(&self, name: &HashedName, place: &Place<'_>, rtype: Rtype) -> Effect {
        match place {
            Place::Missing => Effect::None,
            Place::Node(node) | Place::Wildcard(node) if !node.is_site_name() => Effect::None,
            Place::Node(node) | Place::Wildcard(node) => self.effect_at_node(name, node, rtype),
            Place::Delegated { is_exact: true, .. } if rtype == Rtype::DS => Effect::None,
            Place::Delegated { .. } | Place::Redirected(_) => dark(rtype),
        }
    }

    fn effect_at_node(&self, name: &HashedName, node: &Node<'_>, rtype: Rtype) -> Effect {
        let is_address = matches!(rtype, Rtype::A | Rtype::AAAA);
        if is_address && self.frees_addresses(node) {
            return Effect::None;
        }
        let is_free_name = || name.labels().any(|label| FREE_LABELS.contains(&label));
        match rtype {
            Rtype::CNAME | Rtype::TXT if node.is_alias() && is_free_name() => Effect::None,
            Rtype::ANY if has_ungated(node) => Effect::Ungated,
            _ if is_gated(rtype) || rtype == Rtype::ANY => dark(rtype),
            // At an alias, any other type would lead the resolver on to the target.
            _ if node.is_alias() && node.rrset(rtype).is_none() => Effect::Nodata,
            _ => Effect::None,
        }
    }

    /// True where a blocked name's addresses are answered all the same: this provider's own
    /// nameservers, and mail hosts where the operator exempts them.
    pub fn frees_addresses(&self, node: &Node<'_>) -> bool {
        node.is_our_nameserver()
            || (node.is_mail_host() && self.settings.mail_hosts == MailHosts::Exempt)
    }
}

fn dark(rtype: Rtype) -> Effect {
    match rtype {
        Rtype::A | Rtype::AAAA | Rtype::ANY => Effect::Notice,
        _ => Effect::Nodata,
    }
}

fn has_ungated(node: &Node<'_>) -> bool {
    node.rrsets().any(|rrset| !is_gated(rrset.rtype()))
}
