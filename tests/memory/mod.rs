//! A resolver that forgets nothing: it keeps every record of every section of every reply, and
//! then looks for a way from a name to an address that the gate keeps back. It knows nothing of how
//! beiand decides: only what is filed, and where addresses are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use beiand::region::Region;
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::SVCB;
use hickory_proto::rr::rdata::svcb::SvcParamValue;
use hickory_proto::rr::{Name, RData, Record};
use hickory_proto::serialize::binary::BinEncodable;

/// Where the tests' addresses are; the notice addresses count as overseas.
pub fn region(address: IpAddr) -> Region {
    let text = address.to_string();
    let is_in = |nets: [&str; 2]| nets.iter().any(|net| text.starts_with(net));
    match () {
        () if is_in(["203.0.113.", "2001:db8:3:"]) || text == "2001:db8::80" => Region::Overseas,
        () if is_in(["198.51.100.", "2001:db8:2:"]) => Region::OtherMainland,
        () => Region::Own,
    }
}

/// The provider's own nameservers.
pub fn is_ours(address: IpAddr) -> bool {
    address.to_string() == "192.0.2.53"
}

/// What the filing of a name opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filed {
    /// Nothing in mainland China.
    Nowhere,
    /// Addresses of other providers.
    Elsewhere,
    /// Every address.
    Here,
}

/// What is true of the names, told apart from what the server says.
#[derive(Clone, Debug)]
pub struct World {
    /// Names with the verdict that holds there and below, until the next.
    pub filed: BTreeMap<String, Filed>,
    /// Of the hosted zones.
    pub apexes: Vec<String>,
    /// Names that are not hosted here are open.
    pub externals_are_open: bool,
}

impl World {
    pub fn is_hosted(&self, name: &str) -> bool {
        self.apexes.iter().any(|apex| is_at_or_below(name, apex))
    }

    /// True where the verdict for own addresses at this name is open.
    pub fn is_open(&self, name: &str) -> bool {
        self.filed_for(name) == Filed::Here
    }

    pub fn filed_for(&self, name: &str) -> Filed {
        self.filed
            .iter()
            .filter(|(above, _)| is_at_or_below(name, above))
            .max_by_key(|(above, _)| above.len())
            .map_or(Filed::Nowhere, |(_, filed)| *filed)
    }
}

fn is_kept_back(filed: Filed, address: IpAddr) -> bool {
    match region(address) {
        Region::Own => filed != Filed::Here && !is_ours(address),
        Region::OtherMainland => filed == Filed::Nowhere,
        Region::Overseas => false,
    }
}

/// Longest name in text form with its final dot, without escapes (RFC 1035 §2.3.4).
const MAX_TEXT_LEN: usize = 254;

/// Every record that any reply has shown.
#[derive(Debug, Default)]
pub struct Memory(BTreeMap<String, BTreeSet<Fact>>);

/// What a record leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    Address(IpAddr),
    Cname(String),
    Dname(String),
    Delegation,
    /// HTTPS or SVCB: the target.
    Service(String),
}

impl Memory {
    /// Takes in all sections.
    pub fn keep(&mut self, reply: &Message) {
        for record in [&reply.answers, &reply.authorities, &reply.additionals].into_iter().flatten()
        {
            let facts = self.0.entry(text(&record.name)).or_default();
            facts_of(record, facts);
        }
    }

    /// The way from a blocked name to an address that is kept back from it, if there is one.
    pub fn way_round(&self, world: &World, name: &str) -> Option<String> {
        self.follow(world, world.filed_for(name), name, &mut BTreeSet::new())
    }

    fn follow(
        &self,
        world: &World,
        filed: Filed,
        name: &str,
        seen: &mut BTreeSet<String>,
    ) -> Option<String> {
        // A DNAME into what it covers makes longer and longer names (RFC 6672 §2.2, YXDOMAIN).
        if name.len() > MAX_TEXT_LEN || !seen.insert(name.to_owned()) {
            return None;
        }
        if !world.is_hosted(name) {
            return (!world.externals_are_open).then(|| format!("{name} (not hosted)"));
        }
        let on = |way: String| format!("{name} → {way}");
        // A resolver prefers what covers the name: the DNAME, the delegation.
        for (owner, facts) in &self.0 {
            if !is_at_or_below(name, owner) {
                continue;
            }
            for fact in facts {
                match fact {
                    Fact::Delegation if !world.apexes.contains(owner) => {
                        return Some(on(format!("delegation of {owner}")));
                    }
                    Fact::Dname(target) if name != owner => {
                        let kept = name.strip_suffix(owner.as_str()).expect("it is below");
                        let found = self.follow(world, filed, &format!("{kept}{target}"), seen);
                        if let Some(way) = found {
                            return Some(on(format!("DNAME of {owner} → {way}")));
                        }
                    }
                    _ => {}
                }
            }
        }
        for fact in self.0.get(name).into_iter().flatten() {
            let found = match fact {
                Fact::Address(address) => {
                    is_kept_back(filed, *address).then(|| address.to_string())
                }
                // Free by rule: who sets up a certificate needs them.
                Fact::Cname(_) if has_free_label(name) && !world.is_open(name) => None,
                Fact::Cname(target) | Fact::Service(target) => {
                    self.follow(world, filed, target, seen)
                }
                Fact::Dname(_) | Fact::Delegation => None,
            };
            if let Some(way) = found {
                return Some(on(way));
            }
        }
        None
    }
}

/// At and below these labels CNAME and TXT are free.
pub fn has_free_label(name: &str) -> bool {
    name.split('.').any(|label| ["_acme-challenge", "_domainkey", "_dmarc"].contains(&label))
}

fn facts_of(record: &Record, facts: &mut BTreeSet<Fact>) {
    match &record.data {
        RData::A(address) => facts.extend([Fact::Address(address.0.into())]),
        RData::AAAA(address) => facts.extend([Fact::Address(address.0.into())]),
        RData::CNAME(target) => facts.extend([Fact::Cname(text(&target.0))]),
        RData::NS(_) => facts.extend([Fact::Delegation]),
        RData::HTTPS(service) => facts.extend(service_facts(&service.0)),
        RData::SVCB(service) => facts.extend(service_facts(service)),
        data if u16::from(record.record_type()) == 39 => {
            let wire = data.to_bytes().expect("RDATA that was read");
            let target = beiand::wire::Name::from_wire(&wire).expect("a DNAME's target");
            facts.insert(Fact::Dname(target.to_string().to_lowercase()));
        }
        _ => {}
    }
}

fn service_facts(service: &SVCB) -> Vec<Fact> {
    let mut facts = Vec::new();
    if !service.target_name.is_root() {
        facts.push(Fact::Service(text(&service.target_name)));
    }
    for (_, value) in &service.svc_params {
        match value {
            SvcParamValue::Ipv4Hint(hints) => {
                facts.extend(hints.0.iter().map(|hint| Fact::Address(hint.0.into())));
            }
            SvcParamValue::Ipv6Hint(hints) => {
                facts.extend(hints.0.iter().map(|hint| Fact::Address(hint.0.into())));
            }
            _ => {}
        }
    }
    facts
}

fn text(name: &Name) -> String {
    name.to_ascii().to_lowercase()
}

fn is_at_or_below(name: &str, above: &str) -> bool {
    name.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
