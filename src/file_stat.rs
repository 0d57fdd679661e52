//! What tells, without reading a file, that it is another than before.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Statx;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

/// A file's identity, size and times; of what a link leads to, where one was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// The number of the file system.
    pub device: u64,
    /// The number of the file in it.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970, when it was last written to. Can be set.
    modified: i128,
    /// The same of its last change of any kind. The system's own: cannot be set.
    changed: i128,
}

impl FileStat {
    /// Of what the system told.
    pub fn of(metadata: &Metadata) -> FileStat {
        FileStat {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The same of the other call that tells it: equal for one and the same file.
    pub fn of_statx(found: &Statx) -> FileStat {
        let at = |time: rustix::fs::StatxTimestamp| nanoseconds(time.tv_sec, time.tv_nsec.into());
        FileStat {
            device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            size: found.stx_size,
            modified: at(found.stx_mtime),
            changed: at(found.stx_ctime),
        }
    }

    /// All of it in one number: two that differ have the same once in 2^64 times.
    pub fn fingerprint(&self) -> u64 {
        let mut bytes = [0; 56];
        for (place, word) in bytes.chunks_exact_mut(8).zip([
            self.device,
            self.inode,
            self.size,
            self.modified as u64,
            (self.modified >> 64) as u64,
            self.changed as u64,
            (self.changed >> 64) as u64,
        ]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        XxHash3_64::oneshot(&bytes)
    }

    /// Whether this is one and the same file, whatever has become of it.
    pub fn is_same_file(&self, other: &FileStat) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// How long ago it was written to; nothing where that lies ahead.
    pub fn quiet_for(&self, now: SystemTime) -> Duration {
        since(self.modified, now)
    }

    /// Whether it is still as it was then, by the system's own time of the last change.
    pub fn is_as_it_was(&self, at: SystemTime) -> bool {
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        u128::try_from(self.changed).unwrap_or(0) <= at
    }

    /// Written to so recently that a write still to come may leave the same times behind: file
    /// systems count time in ticks of some milliseconds.
    pub fn may_hide_a_write(&self, now: SystemTime) -> bool {
        since(self.changed.max(self.modified), now) < Duration::from_millis(50)
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

fn since(nanoseconds: i128, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let since = now.saturating_sub(u128::try_from(nanoseconds).unwrap_or(0));
    Duration::from_nanos(u64::try_from(since).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

    use super::*;

    #[test]
    fn both_calls_tell_the_same_and_each_part_counts() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "text").expect("written");
        let earlier = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        let opened = File::options().write(true).open(file.path()).expect("open");
        opened.set_modified(earlier).expect("a time of our own");
        let stat = FileStat::of(&fs::metadata(file.path()).expect("it is there"));
        let told = statx(CWD, file.path(), AtFlags::empty(), StatxFlags::BASIC_STATS);
        assert_eq!(FileStat::of_statx(&told.expect("it is there")), stat);
        assert_eq!(stat.quiet_for(earlier + Duration::from_secs(5)), Duration::from_secs(5));

        let others = [
            FileStat { device: stat.device + 1, ..stat },
            FileStat { inode: stat.inode + 1, ..stat },
            FileStat { size: stat.size + 1, ..stat },
            FileStat { modified: stat.modified + 1, ..stat },
            FileStat { changed: stat.changed + 1, ..stat },
        ];
        for other in others {
            assert_ne!(other.fingerprint(), stat.fingerprint(), "{other:?}");
        }
    }
}
