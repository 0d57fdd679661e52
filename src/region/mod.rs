//! Where an address is: this provider's, another's in mainland China, or outside (DESIGN 2).
//!
//! The operator's lists come first, the longest prefix wins among them; then the country database,
//! of which only ISO `CN` is mainland; what neither knows is this provider's own, so that the gate
//! fails closed. Without a list of own addresses every mainland address is own.
//!
//! It does not own what a region means for a verdict ([`crate::gate`]).

mod country;
mod lists;

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use country::Countries;
pub use country::CountryCode;
use lists::Lists;

/// Ordered from the strictest to the mildest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Region {
    /// This provider's, or unknown: the gate fails closed.
    Own = 0,
    /// In mainland China, another provider's.
    OtherMainland = 1,
    /// Outside mainland China; Hong Kong, Macao and Taiwan too.
    Overseas = 2,
}

/// `own`, `other mainland` or `overseas`.
impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Region::Own => "own",
            Region::OtherMainland => "other mainland",
            Region::Overseas => "overseas",
        })
    }
}

/// A list of the configuration's `[regions]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// This provider's addresses.
    Own,
    /// Mainland China.
    Mainland,
    /// Outside mainland China.
    Overseas,
}

impl List {
    /// Its key in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            List::Own => "own",
            List::Mainland => "mainland",
            List::Overseas => "overseas",
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What told the region of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionSource {
    /// A prefix of a list.
    Listed {
        /// The list.
        list: List,
        /// The longest prefix that holds the address.
        prefix: IpNet,
    },
    /// The country database.
    Country(CountryCode),
    /// Nothing: an unknown address counts as own.
    Unknown,
}

/// `192.0.2.0/24 of the list "own"`, `country CN` or `not in any list or country database`.
impl fmt::Display for RegionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegionSource::Listed { list, prefix } => write!(f, "{prefix} of the list \"{list}\""),
            RegionSource::Country(code) => write!(f, "country {code}"),
            RegionSource::Unknown => f.write_str("not in any list or country database"),
        }
    }
}

/// Which key of `[regions]` is at fault, its text, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionFault {
    /// `own`, `mainland`, `overseas` or `mmdb`.
    pub key: &'static str,
    /// The offending text.
    pub text: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

/// What is known of addresses. Looking one up takes two binary searches.
#[derive(Clone, Debug)]
pub struct Regions {
    lists: Lists,
    countries: Option<Countries>,
    mainland: Region,
}

impl Default for Regions {
    /// Nothing is known: every address is own.
    fn default() -> Regions {
        Regions { lists: Lists::default(), countries: None, mainland: Region::Own }
    }
}

impl Regions {
    /// Reads the three lists (CIDR prefixes; a bare address is a prefix of its own) and the
    /// country database, and reports everything that is wrong with them.
    pub fn parse(
        own: &[String],
        mainland: &[String],
        overseas: &[String],
        mmdb: Option<&Path>,
    ) -> Result<Regions, Vec<RegionFault>> {
        let mut faults = Vec::new();
        let lists = Lists::parse(
            [(List::Own, own), (List::Mainland, mainland), (List::Overseas, overseas)],
            &mut faults,
        );
        let countries = mmdb.and_then(|path| {
            Countries::read(path).inspect_err(|fault| faults.push(fault.clone())).ok()
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let mainland = if own.is_empty() { Region::Own } else { Region::OtherMainland };
        Ok(Regions { lists, countries, mainland })
    }

    /// The region of an address.
    pub fn lookup(&self, address: IpAddr) -> Region {
        let address = address.to_canonical();
        match self.lists.find(address) {
            Some((list, _)) => self.region_of_list(list),
            None => self.country(address).map_or(Region::Own, |code| self.region_of_country(code)),
        }
    }

    /// What told the region of an address.
    pub fn why(&self, address: IpAddr) -> RegionSource {
        let address = address.to_canonical();
        match self.lists.find(address) {
            Some((list, prefix)) => RegionSource::Listed { list, prefix },
            None => self.country(address).map_or(RegionSource::Unknown, RegionSource::Country),
        }
    }

    fn country(&self, address: IpAddr) -> Option<CountryCode> {
        self.countries.as_ref()?.find(address)
    }

    fn region_of_list(&self, list: List) -> Region {
        match list {
            List::Own => Region::Own,
            List::Mainland => self.mainland,
            List::Overseas => Region::Overseas,
        }
    }

    fn region_of_country(&self, code: CountryCode) -> Region {
        if code == CountryCode::CHINA { self.mainland } else { Region::Overseas }
    }
}

#[cfg(test)]
mod tests;
