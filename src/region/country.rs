//! The country database (MMDB), read once into ranges by country: about as large as the file,
//! quicker than walking its tree, and a faulty file is found when it is read, not when it is asked.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::catch_unwind;
use std::path::Path;

use maxminddb::Reader;
use serde::Deserialize;

use super::RegionFault;

/// An ISO 3166-1 alpha-2 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// Mainland China: Hong Kong, Macao and Taiwan have codes of their own.
    pub const CHINA: CountryCode = CountryCode(*b"CN");

    fn parse(text: &str) -> Option<CountryCode> {
        let code: [u8; 2] = text.as_bytes().try_into().ok()?;
        code.iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| CountryCode(code.map(|letter| letter.to_ascii_uppercase())))
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

/// Countries of ranges, by address family.
#[derive(Clone, Debug)]
pub(super) struct Countries {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// The shapes in which databases write the country: MaxMind's nested one, and a flat one.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    country: Option<Country<'a>>,
    country_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct Country<'a> {
    iso_code: Option<&'a str>,
}

impl Entry<'_> {
    fn code(&self) -> Option<CountryCode> {
        let nested = self.country.as_ref().and_then(|country| country.iso_code);
        CountryCode::parse(nested.or(self.country_code)?)
    }
}

impl Countries {
    pub(super) fn read(path: &Path) -> Result<Countries, RegionFault> {
        let fault = |problem: String, remedy: &str| RegionFault {
            key: "mmdb",
            text: path.display().to_string(),
            problem,
            remedy: remedy.to_owned(),
        };
        let bytes = std::fs::read(path).map_err(|error| {
            fault(format!("the file cannot be read: {error}"), "see its path and permissions")
        })?;
        let countries = Countries::from_bytes(bytes).map_err(|problem| {
            let problem = format!("this is no sound country database: {problem}");
            fault(problem, "fetch the file again; it must be in the MMDB format")
        })?;
        if !countries.v4.knows_any() && !countries.v6.knows_any() {
            return Err(fault(
                "no network in this database has a country".to_owned(),
                "give a database whose entries have country.iso_code or country_code",
            ));
        }
        Ok(countries)
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Countries, String> {
        // The crate indexes without checks, so that a damaged file may make it panic. It touches
        // nothing but `bytes`, which are dropped with it.
        catch_unwind(|| Countries::flatten(bytes))
            .unwrap_or_else(|_| Err("its search tree leads out of the file".to_owned()))
    }

    fn flatten(bytes: Vec<u8>) -> Result<Countries, String> {
        let reader = Reader::from_source(bytes).map_err(|error| error.to_string())?;
        let v4 = Ranges::walk(&reader, u32::MIN, u32::MAX)?;
        // Global unicast: nothing else has a country.
        let (first, last) = match reader.metadata.ip_version {
            6 => (0x2 << 124, (0x4 << 124) - 1),
            _ => return Ok(Countries { v4, v6: Ranges::default() }),
        };
        Ok(Countries { v4, v6: Ranges::walk(&reader, first, last)? })
    }

    /// Ranges of either family.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.v4.starts.len(), self.v6.starts.len())
    }

    pub(super) fn find(&self, address: IpAddr) -> Option<CountryCode> {
        match address {
            IpAddr::V4(address) => self.v4.find(u32::from(address)),
            IpAddr::V6(address) => self.v6.find(u128::from(address)),
        }
    }
}

/// Ranges in ascending order, each up to the start of the next; neighbours differ.
#[derive(Clone, Debug)]
struct Ranges<A> {
    starts: Vec<A>,
    codes: Vec<Option<CountryCode>>,
}

impl<A> Default for Ranges<A> {
    fn default() -> Ranges<A> {
        Ranges { starts: Vec::new(), codes: Vec::new() }
    }
}

impl<A: Address> Ranges<A> {
    /// Reads the tree network by network, from one address to another.
    fn walk(reader: &Reader<Vec<u8>>, first: A, last: A) -> Result<Ranges<A>, String> {
        // The whole Internet has some million networks; a damaged tree may show any number.
        const MOST_NETWORKS: usize = 50_000_000;
        let mut ranges = Ranges::default();
        let mut at = first;
        for _ in 0..MOST_NETWORKS {
            let (entry, prefix_len) = reader
                .lookup_prefix::<Entry<'_>>(at.into_ip())
                .map_err(|error| error.to_string())?;
            let code = entry.and_then(|entry| entry.code());
            ranges.begin(at, code);
            match at.after_network(prefix_len).filter(|next| *next <= last) {
                Some(next) => at = next,
                None => {
                    // Beyond the last address nothing is known.
                    if let Some(beyond) = last.after_network(A::BITS) {
                        ranges.begin(beyond, None);
                    }
                    ranges.starts.shrink_to_fit();
                    ranges.codes.shrink_to_fit();
                    return Ok(ranges);
                }
            }
        }
        Err("it has more networks than the Internet".to_owned())
    }

    fn begin(&mut self, at: A, code: Option<CountryCode>) {
        if self.codes.last() != Some(&code) {
            self.starts.push(at);
            self.codes.push(code);
        }
    }

    fn find(&self, address: A) -> Option<CountryCode> {
        let after = self.starts.partition_point(|start| *start <= address);
        *self.codes.get(after.checked_sub(1)?)?
    }

    fn knows_any(&self) -> bool {
        self.codes.iter().any(Option::is_some)
    }
}

/// An address as a number.
trait Address: Copy + Ord {
    const BITS: usize;

    fn into_ip(self) -> IpAddr;

    /// The first address behind the network of this prefix length that holds `self`.
    fn after_network(self, prefix_len: usize) -> Option<Self>;
}

impl Address for u32 {
    const BITS: usize = 32;

    fn into_ip(self) -> IpAddr {
        Ipv4Addr::from(self).into()
    }

    fn after_network(self, prefix_len: usize) -> Option<u32> {
        let host_bits = u32::MAX.checked_shr(prefix_len as u32).unwrap_or(0);
        (self | host_bits).checked_add(1)
    }
}

impl Address for u128 {
    const BITS: usize = 128;

    fn into_ip(self) -> IpAddr {
        Ipv6Addr::from(self).into()
    }

    fn after_network(self, prefix_len: usize) -> Option<u128> {
        let host_bits = u128::MAX.checked_shr(prefix_len as u32).unwrap_or(0);
        (self | host_bits).checked_add(1)
    }
}
