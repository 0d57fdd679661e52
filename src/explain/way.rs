//! Where a name leads: along its aliases, and to the addresses at their end, by its HTTPS and SVCB
//! records too. Asked of the answer core while it only observes, so that what stands behind the
//! gate can be told.

use std::collections::VecDeque;
use std::net::IpAddr;

use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamValue};

use super::answer::{ask, name_of};
use crate::answer::State;
use crate::filing::Reason;
use crate::gate::verdict::MAX_CHAIN;
use crate::wire::{Name, Rtype};

/// Where a name leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The name, and each that its aliases lead to; the last one may be hosted nowhere here.
    pub hops: Vec<Name>,
    /// The addresses, each with the name that has it.
    pub addresses: Vec<(Name, IpAddr)>,
    /// Every name that was come by.
    pub met: Vec<Name>,
    /// The first reason for which the gate would change the answer to a query for addresses.
    pub blocked: Option<Reason>,
}

impl Way {
    /// Follows a name in lower case through a state that observes, at an instant in seconds from
    /// 1970.
    pub fn of(observing: &State, name: &Name, now: u32) -> Way {
        let mut way = Way { met: vec![name.clone()], ..Way::default() };
        let mut ahead = VecDeque::from([name.clone()]);
        while let Some(name) = ahead.pop_front() {
            for rtype in [Rtype::A, Rtype::AAAA, Rtype::HTTPS, Rtype::SVCB] {
                let Some(asked) = ask(observing, &name, rtype, now) else { continue };
                if way.hops.is_empty() {
                    way.hops = asked.hops(&name);
                    way.meet(&way.hops.clone());
                }
                if name == way.hops[0] && matches!(rtype, Rtype::A | Rtype::AAAA) {
                    way.blocked = way.blocked.or(asked.reply.blocked);
                }
                let before = way.met.len();
                way.take(&asked.message);
                ahead.extend(way.met.iter().skip(before).cloned());
            }
        }
        way
    }

    /// Notes names that were not come by before, as many as the gate follows.
    fn meet(&mut self, names: &[Name]) {
        for name in names {
            if !self.met.contains(name) && self.met.len() < 2 * MAX_CHAIN {
                self.met.push(name.clone());
            }
        }
    }

    fn take(&mut self, message: &Message) {
        for record in &message.answers {
            let Some(owner) = name_of(&record.name) else { continue };
            let mut note = |address: IpAddr| {
                let found = (owner.clone(), address);
                if !self.addresses.contains(&found) {
                    self.addresses.push(found);
                }
            };
            let service = match &record.data {
                RData::A(address) => {
                    note(IpAddr::V4(address.0));
                    continue;
                }
                RData::AAAA(address) => {
                    note(IpAddr::V6(address.0));
                    continue;
                }
                RData::HTTPS(service) => &service.0,
                RData::SVCB(service) => service,
                _ => continue,
            };
            hints(service).for_each(note);
            // The root stands for the owner itself (RFC 9460 §2.5).
            let target = name_of(&service.target_name).filter(|name| name.label_count() > 0);
            self.meet(target.as_slice());
        }
    }
}

/// The addresses that a service tells by itself (RFC 9460 §7.3).
fn hints(service: &SVCB) -> impl Iterator<Item = IpAddr> + '_ {
    service.svc_params.iter().flat_map(|(_, value)| match value {
        SvcParamValue::Ipv4Hint(hint) => hint.0.iter().map(|it| IpAddr::V4(it.0)).collect(),
        SvcParamValue::Ipv6Hint(hint) => hint.0.iter().map(|it| IpAddr::V6(it.0)).collect(),
        _ => Vec::new(),
    })
}
