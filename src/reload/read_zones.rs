//! Zone files to blocks, on all cores, with progress told in the log.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::zone_files::ZoneFile;
use crate::fault::{Fault, Severity};
use crate::master::{self, Records};
use crate::parallel::{self, Waits};
use crate::progress::Progress;
use crate::wire::HashKey;
use crate::zone::{AddressClass, Builder, Zone};

/// What became of a zone file.
pub enum Loaded {
    /// A zone, perhaps with warnings.
    Zone {
        /// The zone.
        zone: Zone,
        /// Warnings.
        faults: Vec<Fault>,
        /// The files that it includes.
        includes: Vec<PathBuf>,
    },
    /// Refused.
    Refused {
        /// Why.
        faults: Vec<Fault>,
        /// The files that it includes, as far as it was read.
        includes: Vec<PathBuf>,
        /// It, or one of them, could not be read.
        is_unread: bool,
    },
    /// The file is gone since it was found.
    Gone,
}

impl Loaded {
    /// The files that it includes, as far as it was read.
    pub fn includes(&self) -> &[PathBuf] {
        match self {
            Loaded::Zone { includes, .. } | Loaded::Refused { includes, .. } => includes,
            Loaded::Gone => &[],
        }
    }
}

/// Reads zone files on all cores. The results are handed to `take` as they come, in no particular
/// order.
pub fn read_zones(
    files: &[ZoneFile],
    root: &Path,
    key: HashKey,
    classify: &(dyn Fn(IpAddr) -> AddressClass + Sync),
    mut take: impl FnMut(&ZoneFile, Loaded),
) {
    let as_it_is = |_: &[ZoneFile], loaded| loaded;
    read_portions(files, root, key, classify, as_it_is, |files, loaded: Vec<Loaded>| {
        files.iter().zip(loaded).for_each(|(file, loaded)| take(file, loaded));
    });
}

/// The same some files at a time, of which whoever has read them makes something first.
pub fn read_portions<'f, Made: Send>(
    files: &'f [ZoneFile],
    root: &Path,
    key: HashKey,
    classify: &(dyn Fn(IpAddr) -> AddressClass + Sync),
    make: impl Fn(&[ZoneFile], Vec<Loaded>) -> Made + Sync,
    mut take: impl FnMut(&'f [ZoneFile], Made),
) {
    /// Files that a thread takes at a time: enough to make the taking cheap.
    const PORTION: usize = 64;
    let portions: Vec<&[ZoneFile]> = files.chunks(PORTION).collect();
    let reader = || ZoneReader::new(root, key, classify);
    let read = |reader: &mut ZoneReader<'_>, index: usize| {
        let loaded = portions[index].iter().map(|file| reader.read_guarded(file)).collect();
        make(portions[index], loaded)
    };
    let mut progress = Progress::new("zones", Some(files.len() as u64));
    parallel::each(portions.len(), Waits::ForDisk, reader, read, |index, made| {
        progress.add(portions[index].len() as u64);
        take(portions[index], made);
    });
}

/// Reads zone files one after the other in the same memory.
struct ZoneReader<'a> {
    root: &'a Path,
    key: HashKey,
    classify: &'a (dyn Fn(IpAddr) -> AddressClass + Sync),
    reader: master::Reader,
    records: Records,
    builder: Builder,
}

impl<'a> ZoneReader<'a> {
    fn new(
        root: &'a Path,
        key: HashKey,
        classify: &'a (dyn Fn(IpAddr) -> AddressClass + Sync),
    ) -> ZoneReader<'a> {
        ZoneReader {
            root,
            key,
            classify,
            reader: master::Reader::new(),
            records: Records::default(),
            builder: Builder::new(),
        }
    }

    /// As [`ZoneReader::read`]; a file that makes it panic costs its own zone and no other.
    fn read_guarded(&mut self, file: &ZoneFile) -> Loaded {
        catch_unwind(AssertUnwindSafe(|| self.read(file))).unwrap_or_else(|_| {
            // Whatever state the memory is in, it is not used again.
            *self = ZoneReader::new(self.root, self.key, self.classify);
            let fault = Fault::of_file(
                Severity::Error,
                file.path(),
                "reading the zone file panicked",
                "please report this, with the file",
            );
            Loaded::Refused { faults: vec![fault], includes: Vec::new(), is_unread: false }
        })
    }

    fn read(&mut self, file: &ZoneFile) -> Loaded {
        let path = file.path();
        let read = self.reader.read_zone(&path, self.root, &file.origin, &mut self.records);
        let includes = self.records.files().get(1..).unwrap_or(&[]).to_vec();
        let faults = match read {
            Ok(faults) => faults,
            Err(_) if matches!(path.try_exists(), Ok(false)) => return Loaded::Gone,
            Err(faults) => {
                return Loaded::Refused { faults, includes, is_unread: self.reader.is_unread() };
            }
        };
        match self.builder.build(&file.origin, &self.records, self.key, &|ip| (self.classify)(ip)) {
            Ok(zone) => Loaded::Zone { zone, faults, includes },
            Err(error) => {
                let fault = Fault::of_file(
                    Severity::Error,
                    path,
                    error.to_string(),
                    "split the records over several names or zones",
                );
                Loaded::Refused { faults: vec![fault], includes, is_unread: false }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::region::Region;

    #[test]
    fn a_file_that_makes_the_reader_panic_costs_its_own_zone_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |(name, address): (&str, &str)| {
            let path = folder.path().join(format!("{name}.zone"));
            let text = format!("@ 60 SOA a b 1 2 3 4 5\n@ 60 NS ns.elsewhere.\n@ 60 A {address}\n");
            fs::write(&path, text).expect("a file");
            ZoneFile::at(&path).expect("a zone file")
        };
        let files =
            [("a.example", "192.0.2.1"), ("b.example", "192.0.2.9"), ("c.example", "192.0.2.1")];
        let files = files.map(file);
        let classify = |address: IpAddr| {
            assert_ne!(address.to_string(), "192.0.2.9", "nobody's code is perfect");
            AddressClass { region: Region::Own, is_our_nameserver: false }
        };
        let mut taken = Vec::new();
        read_zones(&files, folder.path(), HashKey::of_words([1, 2]), &classify, |file, loaded| {
            taken.push((file.origin.to_string(), matches!(loaded, Loaded::Zone { .. })));
        });
        taken.sort();
        let is_zone: Vec<bool> = taken.iter().map(|(_, is_zone)| *is_zone).collect();
        assert_eq!(is_zone, [true, false, true], "{taken:?}");
    }
}
