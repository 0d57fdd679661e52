//! Zone files to blocks, on all cores, with progress told in the log.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::zone_files::ZoneFile;
use crate::fault::{Fault, Severity};
use crate::master::{self, Records};
use crate::wire::HashKey;
use crate::zone::{AddressClass, Builder, Zone};

/// How often a long load says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

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

/// Reads zone files on all cores; the results are in the order of the files.
pub fn read_zones(
    files: &[ZoneFile],
    root: &Path,
    key: HashKey,
    classify: &(dyn Fn(IpAddr) -> AddressClass + Sync),
) -> Vec<Loaded> {
    /// Files that a thread takes at a time: enough to make the taking cheap.
    const PORTION: usize = 64;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(files.len().div_ceil(PORTION));
    if threads <= 1 {
        let mut reader = ZoneReader::new(root, key, classify);
        return files.iter().map(|file| reader.read(file)).collect();
    }
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let mut portions: Vec<(usize, Vec<Loaded>)> = std::thread::scope(|scope| {
        let worker = || {
            let mut reader = ZoneReader::new(root, key, classify);
            let mut portions = Vec::new();
            loop {
                let start = next.fetch_add(PORTION, Ordering::Relaxed);
                let Some(rest) = files.get(start..).filter(|rest| !rest.is_empty()) else {
                    return portions;
                };
                let portion = &rest[..rest.len().min(PORTION)];
                portions.push((start, portion.iter().map(|file| reader.read(file)).collect()));
                done.fetch_add(portion.len(), Ordering::Relaxed);
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        tell_progress(&done, files.len(), || workers.iter().all(|worker| worker.is_finished()));
        workers
            .into_iter()
            .flat_map(|worker| match worker.join() {
                Ok(portions) => portions,
                // The driver catches it, and the last good data stays in service.
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    });
    portions.sort_unstable_by_key(|(start, _)| *start);
    portions.into_iter().flat_map(|(_, loaded)| loaded).collect()
}

/// Says in the log how far a long load is.
fn tell_progress(done: &AtomicUsize, total: usize, is_finished: impl Fn() -> bool) {
    let started = Instant::now();
    let mut told = started;
    while !is_finished() {
        std::thread::park_timeout(Duration::from_millis(2));
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            let zones = done.load(Ordering::Relaxed);
            let seconds = started.elapsed().as_secs_f64();
            let rate = zones as f64 / seconds;
            let left_s = ((total - zones) as f64 / rate.max(1.0)) as u64;
            tracing::info!(zones, of = total, per_second = rate as u64, left_s, "loading zones");
        }
    }
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
