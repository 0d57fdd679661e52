//! Zone files to blocks, on all cores, with progress told in the log.

use std::net::IpAddr;
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

/// Reads zone files on all cores. The results are handed to `take` as they come, in no particular
/// order.
pub fn read_zones(
    files: &[ZoneFile],
    root: &Path,
    key: HashKey,
    classify: &(dyn Fn(IpAddr) -> AddressClass + Sync),
    mut take: impl FnMut(&ZoneFile, Loaded),
) {
    /// Files that a thread takes at a time: enough to make the taking cheap.
    const PORTION: usize = 64;
    let portions: Vec<&[ZoneFile]> = files.chunks(PORTION).collect();
    let reader = || ZoneReader::new(root, key, classify);
    let read = |reader: &mut ZoneReader<'_>, index: usize| -> Vec<Loaded> {
        portions[index].iter().map(|file| reader.read(file)).collect()
    };
    let mut progress = Progress::new("zones", Some(files.len() as u64));
    parallel::each(portions.len(), Waits::ForDisk, reader, read, |index, loaded| {
        progress.add(loaded.len() as u64);
        portions[index].iter().zip(loaded).for_each(|(file, loaded)| take(file, loaded));
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
