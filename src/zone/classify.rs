//! What the addresses of a zone's names are to the gate, noted at each node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::block::{FLAGS_AT, Node, Zone, flag, nodes};
use crate::region::Region;
use crate::wire::{Rtype, name};

/// What an address is to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressClass {
    /// Where it is.
    pub region: Region,
    /// It is in `gate.nameserver_addresses`.
    pub is_our_nameserver: bool,
}

impl Zone {
    /// Sets what the regions and nameserver addresses say of each node. True where that changed
    /// anything. Called once for a new zone, and again when those settings change.
    pub fn classify(&mut self, classify: &dyn Fn(IpAddr) -> AddressClass) -> bool {
        let marks: Vec<(usize, u16)> = marks(self.bytes(), classify).collect();
        if marks.is_empty() {
            return false;
        }
        self.set_flags(&marks);
        true
    }
}

/// The flags, each with its place, that are not what the addresses in the block say.
pub(super) fn marks(
    block: &[u8],
    classify: &dyn Fn(IpAddr) -> AddressClass,
) -> impl Iterator<Item = (usize, u16)> {
    nodes(block).filter_map(|node| {
        let flags = flags_of(&node, classify);
        (flags != node.flags()).then_some((node.at + FLAGS_AT, flags))
    })
}

fn flags_of(node: &Node<'_>, classify: &dyn Fn(IpAddr) -> AddressClass) -> u16 {
    let mut region: Option<Region> = None;
    let mut note = |found: Region| region = Some(region.map_or(found, |known| known.min(found)));
    let mut addresses = 0;
    let mut nameservers = 0;
    for rrset in node.rrsets() {
        match rrset.rtype() {
            Rtype::A | Rtype::AAAA => {
                for class in rrset.addresses().map(classify) {
                    note(class.region);
                    addresses += 1;
                    nameservers += u32::from(class.is_our_nameserver);
                }
            }
            Rtype::HTTPS | Rtype::SVCB => {
                for rdata in rrset.rdata() {
                    address_hints(rdata, |address| note(classify(address).region));
                }
            }
            _ => {}
        }
    }
    let mut flags = node.flags() & !(flag::REGION | flag::OUR_NAMESERVER);
    flags |= region.map_or(flag::NO_ADDRESS, |region| region as u16);
    if addresses > 0 && addresses == nameservers && is_ns_target(node) {
        flags |= flag::OUR_NAMESERVER;
    }
    flags
}

fn is_ns_target(node: &Node<'_>) -> bool {
    let mut ns_rrsets = nodes(node.bytes).filter_map(|owner| owner.rrset(Rtype::NS));
    ns_rrsets.any(|ns| ns.extras().any(|extra| extra.node.is_same(node)))
}

/// The addresses in the hints of HTTPS or SVCB RDATA (RFC 9460 §7.3).
fn address_hints(rdata: &[u8], mut note: impl FnMut(IpAddr)) {
    const IPV4_HINT: u16 = 4;
    const IPV6_HINT: u16 = 6;
    let Some(mut rest) = rdata.get(2..).and_then(|rest| rest.get(name::name_len(rest)?..)) else {
        return;
    };
    while let [k1, k2, l1, l2, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*l1, *l2]));
        let Some((value, tail)) = tail.split_at_checked(len) else { return };
        match u16::from_be_bytes([*k1, *k2]) {
            IPV4_HINT => value.as_chunks().0.iter().for_each(|octets: &[u8; 4]| {
                note(Ipv4Addr::from(*octets).into());
            }),
            IPV6_HINT => value.as_chunks().0.iter().for_each(|octets: &[u8; 16]| {
                note(Ipv6Addr::from(*octets).into());
            }),
            _ => {}
        }
        rest = tail;
    }
}
