//! The operator's lists of prefixes, flattened into ranges that do not overlap.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{List, RegionFault};

/// Prefixes of all lists, by address family.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl Lists {
    pub(super) fn parse(texts: [(List, &[String]); 3], faults: &mut Vec<RegionFault>) -> Lists {
        let mut prefixes: Vec<(IpNet, List)> = Vec::new();
        for (list, texts) in texts {
            for text in texts {
                match parse_prefix(text) {
                    Ok(prefix) => prefixes.push((prefix, list)),
                    Err((problem, remedy)) => {
                        faults.push(RegionFault {
                            key: list.name(),
                            text: text.clone(),
                            problem,
                            remedy,
                        });
                    }
                }
            }
        }
        // Enclosing prefixes before what they enclose.
        prefixes.sort_by_key(|(prefix, _)| (prefix.network(), prefix.prefix_len()));
        for pair in prefixes.windows(2) {
            if let [(prefix, one), (again, other)] = pair
                && prefix == again
                && one != other
            {
                faults.push(RegionFault {
                    key: other.name(),
                    text: again.to_string(),
                    problem: format!("the same prefix stands in the list \"{one}\", too"),
                    remedy: "leave it in one of the two".into(),
                });
            }
        }
        prefixes.dedup_by_key(|(prefix, _)| *prefix);
        let mut lists = Lists::default();
        for (prefix, list) in prefixes {
            match prefix {
                IpNet::V4(net) => {
                    lists.v4.add(
                        u32::from(net.network()),
                        u32::from(net.broadcast()),
                        (list, prefix),
                    );
                }
                IpNet::V6(net) => {
                    lists.v6.add(
                        u128::from(net.network()),
                        u128::from(net.broadcast()),
                        (list, prefix),
                    );
                }
            }
        }
        lists.v4.finish();
        lists.v6.finish();
        lists
    }

    /// The longest prefix that holds the address, and its list.
    pub(super) fn find(&self, address: IpAddr) -> Option<(List, IpNet)> {
        match address {
            IpAddr::V4(address) => self.v4.find(u32::from(address)),
            IpAddr::V6(address) => self.v6.find(u128::from(address)),
        }
    }
}

/// Ranges in ascending order, each up to the start of the next; of several with one start, the
/// last counts.
#[derive(Clone, Debug)]
struct Ranges<A> {
    starts: Vec<(A, Option<(List, IpNet)>)>,
    /// While building: the enclosing prefixes that have not ended, by their last address.
    open: Vec<(A, (List, IpNet))>,
}

impl<A> Default for Ranges<A> {
    fn default() -> Ranges<A> {
        Ranges { starts: Vec::new(), open: Vec::new() }
    }
}

impl<A: Address> Ranges<A> {
    /// Adds a prefix; they come sorted, enclosing ones first.
    fn add(&mut self, first: A, last: A, entry: (List, IpNet)) {
        self.close_before(Some(first));
        self.starts.push((first, Some(entry)));
        self.open.push((last, entry));
    }

    fn finish(&mut self) {
        self.close_before(None);
        self.open = Vec::new();
        self.starts.shrink_to_fit();
    }

    /// Ends the prefixes that end before an address, or all of them.
    fn close_before(&mut self, first: Option<A>) {
        while let Some((last, _)) = self.open.last() {
            if first.is_some_and(|first| *last >= first) {
                return;
            }
            let after = last.next();
            self.open.pop();
            if let Some(after) = after {
                let enclosing = self.open.last().map(|(_, entry)| *entry);
                self.starts.push((after, enclosing));
            }
        }
    }

    fn find(&self, address: A) -> Option<(List, IpNet)> {
        let after = self.starts.partition_point(|(start, _)| *start <= address);
        self.starts.get(after.checked_sub(1)?)?.1
    }
}

/// An address as a number.
trait Address: Copy + Ord {
    fn next(self) -> Option<Self>;
}

impl Address for u32 {
    fn next(self) -> Option<u32> {
        self.checked_add(1)
    }
}

impl Address for u128 {
    fn next(self) -> Option<u128> {
        self.checked_add(1)
    }
}

/// A CIDR prefix or a bare address, or what is wrong and what to write instead.
fn parse_prefix(text: &str) -> Result<IpNet, (String, String)> {
    const EXAMPLE: &str = "write a prefix such as 192.0.2.0/24 or 2001:db8::/32, or an address";
    let text = text.trim();
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address
        .parse()
        .map_err(|_| ("this is not an address prefix".to_owned(), EXAMPLE.to_owned()))?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => longest,
        Some(text) => text
            .parse::<u8>()
            .ok()
            .filter(|length| *length <= longest && text.bytes().all(|b| b.is_ascii_digit()))
            .ok_or_else(|| {
                let problem = "the prefix length is not a number that fits".to_owned();
                (problem, format!("write a length from 0 to {longest}, as in {address}/{longest}"))
            })?,
    };
    let prefix = IpNet::new(address, length)
        .map_err(|_| ("this is not an address prefix".to_owned(), EXAMPLE.to_owned()))?;
    if prefix.network() != address {
        return Err((
            "bits are set behind the prefix".to_owned(),
            format!("write {}, or {address} for the one address", prefix.trunc()),
        ));
    }
    canonical(prefix)
}

/// Addresses are looked up in canonical form, so a prefix of IPv4-mapped addresses is one of IPv4.
fn canonical(prefix: IpNet) -> Result<IpNet, (String, String)> {
    let IpNet::V6(v6) = prefix else { return Ok(prefix) };
    let mapped = Ipv6Net::new_assert(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), 96);
    if !mapped.contains(&v6) {
        return Ok(prefix);
    }
    let v4: Ipv6Addr = v6.network();
    v4.to_ipv4_mapped()
        .and_then(|network| Ipv4Net::new(network, v6.prefix_len() - 96).ok())
        .map(IpNet::V4)
        .ok_or_else(|| ("this is not an address prefix".to_owned(), "write it as IPv4".to_owned()))
}
