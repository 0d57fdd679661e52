//! The gate: which verdict a name gets, and what a verdict does to an answer (DESIGN 2).
//!
//! | file | idea |
//! | --- | --- |
//! | `verdict` | the verdict for a name: its column, its scopes, the region its addresses are in |
//! | `effect` | what "blocked" means for a name and a query type |
//!
//! Owns no filings: verdicts are computed when filings change, and stand beside each zone.

pub mod effect;
pub mod verdict;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

pub use effect::Effect;
use serde::{Deserialize, Serialize};

use crate::wire::Rtype;
use crate::zone::Column;

/// Whether blocked names are kept dark, or only counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Blocked names get the notice address.
    #[default]
    Enforce,
    /// The real data is answered; what would have been blocked is counted and logged.
    Observe,
}

/// What counts for a target outside the hosted zones, whose region nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExternalTargets {
    /// As this provider's own addresses.
    #[default]
    AsOwn,
    /// As addresses that need no filing.
    Open,
}

/// Whether the addresses of MX targets are gated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailHosts {
    /// As any other name's.
    #[default]
    Gated,
    /// Answered, whatever the verdict.
    Exempt,
}

/// The gate's settings that an answer depends on (`[gate]` of the configuration).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateSettings {
    /// Enforce or observe.
    pub mode: Mode,
    /// Answered for A at a blocked site name.
    pub notice_ipv4: Vec<Ipv4Addr>,
    /// Answered for AAAA at a blocked site name.
    pub notice_ipv6: Vec<Ipv6Addr>,
    /// Seconds; the upper bound of negative answers in a blocked zone, too.
    pub notice_ttl: u32,
    /// Upper bound in seconds of gated data's TTL in open answers.
    pub max_open_ttl: Option<u32>,
    /// What counts for targets outside the hosted zones.
    pub external_targets: ExternalTargets,
    /// Whether MX targets are gated.
    pub mail_hosts: MailHosts,
    /// Extended error that goes with a notice address.
    pub ede_notice: u16,
    /// Extended error that goes with a gated NODATA.
    pub ede_nodata: u16,
    /// Address of the page that tells why, with `{domain}` for the site domain; may be empty.
    pub notice_page: String,
}

/// A verdict for a name within a zone, and for what is below it, that differs from the zone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The name, in lower case, in wire form.
    pub name: Box<[u8]>,
    /// Its verdict.
    pub column: Column,
}

/// Everything of the gate that an answer depends on, the verdicts beside the zones apart.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// The settings.
    pub settings: GateSettings,
    /// Notice records for A and AAAA, in message form.
    notice: [NoticeRrset; 2],
    /// By apex, for the zones whose column says `has_scopes`. Shared, so that the same scopes under
    /// other settings cost nothing.
    scopes: Arc<ScopesByApex>,
}

type ScopesByApex = HashMap<Box<[u8]>, Arc<[Scope]>>;

/// The notice addresses of one family as records in message form.
#[derive(Clone, Debug, Default)]
pub struct NoticeRrset {
    /// The records; owner is the question's name.
    pub records: Vec<u8>,
    /// Number of records.
    pub count: u16,
}

impl Gate {
    /// A gate with these settings, and no scopes.
    pub fn new(settings: GateSettings) -> Gate {
        let ttl = settings.notice_ttl;
        let ipv4 = settings.notice_ipv4.iter().map(|address| address.octets().to_vec());
        let ipv6 = settings.notice_ipv6.iter().map(|address| address.octets().to_vec());
        let notice = [
            NoticeRrset::of(Rtype::A, ttl, &mut ipv4.into_iter()),
            NoticeRrset::of(Rtype::AAAA, ttl, &mut ipv6.into_iter()),
        ];
        Gate { settings, notice, scopes: Arc::default() }
    }

    /// The notice records for A or AAAA; `None` for any other type, or where none is configured.
    pub fn notice(&self, rtype: Rtype) -> Option<&NoticeRrset> {
        let notice = match rtype {
            Rtype::A => &self.notice[0],
            Rtype::AAAA => &self.notice[1],
            _ => return None,
        };
        (notice.count > 0).then_some(notice)
    }

    /// Sets the scopes of a zone, by its apex in lower case; an empty list takes them away.
    pub fn set_scopes(&mut self, apex: &[u8], scopes: Vec<Scope>) {
        let of_zones = Arc::make_mut(&mut self.scopes);
        if scopes.is_empty() {
            of_zones.remove(apex);
        } else {
            of_zones.insert(apex.into(), Arc::from(scopes));
        }
    }

    /// The scopes of a zone.
    pub fn scopes(&self, apex: &[u8]) -> &[Scope] {
        self.scopes.get(apex).map_or(&[], |scopes| scopes)
    }

    /// The same scopes under other settings.
    pub fn with_settings(&self, settings: GateSettings) -> Gate {
        Gate { scopes: Arc::clone(&self.scopes), ..Gate::new(settings) }
    }
}

impl NoticeRrset {
    fn of(rtype: Rtype, ttl: u32, addresses: &mut dyn Iterator<Item = Vec<u8>>) -> NoticeRrset {
        let mut notice = NoticeRrset::default();
        for address in addresses {
            notice.records.extend_from_slice(&[0xc0, 0x0c]);
            notice.records.extend_from_slice(&rtype.0.to_be_bytes());
            notice.records.extend_from_slice(&[0, 1]);
            notice.records.extend_from_slice(&ttl.to_be_bytes());
            notice.records.extend_from_slice(&(address.len() as u16).to_be_bytes());
            notice.records.extend_from_slice(&address);
            notice.count += 1;
        }
        notice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filing::Verdict;

    #[test]
    fn new_settings_come_with_the_scopes_of_before() {
        let apex = b"\x07example\0";
        let mut gate = Gate::default();
        let column = Column::of(Verdict::Open);
        gate.set_scopes(apex, vec![Scope { name: b"\x01a\x07example\0"[..].into(), column }]);
        let settings = GateSettings {
            notice_ipv4: vec![Ipv4Addr::new(203, 0, 113, 80)],
            ..GateSettings::default()
        };
        let later = gate.with_settings(settings.clone());
        assert_eq!(later.settings, settings);
        assert!(later.notice(Rtype::A).is_some() && later.notice(Rtype::AAAA).is_none());
        assert_eq!(later.scopes(apex), gate.scopes(apex));
        assert_eq!(later.scopes(apex).len(), 1);
    }
}
