//! Moves what has been loaded into huge pages, behind the first answers.
//!
//! A query looks at two places of a gigabyte, a slot and a zone. In pages of 4 KiB the processor does
//! not know where either is, and walks the page table for both; in pages of 2 MiB it does. glibc's
//! heaps grow by too little at a time for the kernel to give them huge pages by itself, so it is asked
//! for them afterwards (`MADV_COLLAPSE`, Linux 6.1), and only for what is in memory as a whole, so that
//! no more is resident than before. Where the kernel cannot, all stays as it is.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

const HUGE: usize = 2 << 20;
const PAGE: usize = 4 << 10;
/// Bytes in `/proc/self/pagemap` for each page, and the bit that is set where it is in memory.
const WORD: usize = 8;
const IN_MEMORY: u64 = 1 << 63;
/// Who reads or writes what is being moved, or asks the kernel for memory, waits for it, some
/// milliseconds: of the time only one part in so many may be spent on it.
const PARTS: u32 = 50;
/// How often what has been loaded since is looked for.
const PAUSE: Duration = Duration::from_secs(60);
/// What the operator says of huge pages.
const SETTING: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
/// How large they are: with pages of another size than 4 KiB, larger.
const SIZE: &str = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size";
/// Of `madvise`, on each architecture; `libc` has it for glibc alone.
const MADV_COLLAPSE: libc::c_int = 25;

/// The means to keep the memory of this process in huge pages.
pub(crate) struct HugePages {
    /// Which pages are in memory.
    pages: File,
}

impl HugePages {
    /// `None` where the system has none of this size or cannot move memory into them, or where the server
    /// began as root and is another user now (`[server] user`): what the kernel tells root is not to be
    /// kept.
    pub(crate) fn open() -> Option<HugePages> {
        let size: usize = fs::read_to_string(SIZE).ok()?.trim().parse().ok()?;
        let pages = File::open("/proc/self/pagemap").ok()?;
        (size == HUGE && collapse(0, 0).is_ok()).then_some(HugePages { pages })
    }

    /// Does so, in a thread of its own.
    pub(crate) fn keep(self) {
        let keep = move || loop {
            // Whatever goes wrong, there is nothing to be done about it.
            let _ = self.collapse_all();
            thread::sleep(PAUSE);
        };
        if let Err(error) = thread::Builder::new().name("huge-pages".to_owned()).spawn(keep) {
            tracing::debug!(%error, "memory stays in small pages");
        }
    }

    /// Until none is left, unless the operator has turned them off. A page that is in use just then may
    /// be moved the next time.
    fn collapse_all(&self) -> io::Result<()> {
        if fs::read_to_string(SETTING)?.contains("[never]") {
            return Ok(());
        }
        for range in heaps(&fs::read_to_string("/proc/self/maps")?) {
            for at in huge_pages_within(range) {
                let begun = Instant::now();
                if self.is_in_memory(at)?
                    && let Err(error) = collapse(at, HUGE)
                    && error.kind() == io::ErrorKind::OutOfMemory
                {
                    return Err(error);
                }
                thread::sleep(begun.elapsed() * PARTS);
            }
        }
        Ok(())
    }

    /// Whether all that lies there is.
    fn is_in_memory(&self, at: usize) -> io::Result<bool> {
        let mut words = [0; WORD * HUGE / PAGE];
        self.pages.read_exact_at(&mut words, (at / PAGE * WORD) as u64)?;
        let (words, _) = words.as_chunks::<WORD>();
        Ok(words.iter().all(|word| u64::from_ne_bytes(*word) & IN_MEMORY != 0))
    }
}

/// Makes huge pages of what lies there. Of nothing, fails where the kernel cannot do so at all.
fn collapse(at: usize, len: usize) -> io::Result<()> {
    let at = std::ptr::without_provenance_mut(at);
    // SAFETY: it leaves what is stored there as it is, and fails where nothing is mapped.
    let outcome = unsafe { libc::madvise(at, len, MADV_COLLAPSE) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Where a process has memory of its own that is no stack, by its `/proc/PID/maps`.
fn heaps(maps: &str) -> Vec<Range<usize>> {
    let of_line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let (is_own, inode) = (words.next()? == "rw-p", words.nth(2)?);
        let is_heap = is_own && inode == "0" && words.next() != Some("[stack]");
        let address = |hex| usize::from_str_radix(hex, 16).ok();
        is_heap.then_some(address(start)?..address(end)?)
    };
    maps.lines().filter_map(of_line).collect()
}

fn huge_pages_within(range: Range<usize>) -> impl Iterator<Item = usize> {
    let first = range.start.next_multiple_of(HUGE);
    (first..range.end.saturating_sub(HUGE - 1)).step_by(HUGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heaps_are_what_is_private_written_and_no_files_or_stack() {
        let maps = "\
00400000-00600000 r-xp 00000000 fe:00 1234  /usr/sbin/beiand
00800000-00a00000 rw-p 00000000 fe:00 1234  /usr/sbin/beiand
00c00000-01000000 rw-p 00000000 00:00 0  [heap]
7f0000000000-7f0000a00000 rw-p 00000000 00:00 0 
7f0001000000-7f0002000000 ---p 00000000 00:00 0 
7f0003000000-7f0004000000 rw-s 00000000 00:00 0 
7ffc00000000-7ffc00800000 rw-p 00000000 00:00 0  [stack]
";
        let (heap, mapped) = (0xc0_0000..0x100_0000, 0x7f00_0000_0000..0x7f00_00a0_0000);
        assert_eq!(heaps(maps), [heap, mapped]);
    }

    #[test]
    fn huge_pages_begin_at_their_multiples_and_end_within() {
        let within = |range| huge_pages_within(range).collect::<Vec<_>>();
        assert_eq!(within(HUGE..3 * HUGE), [HUGE, 2 * HUGE]);
        assert_eq!(within(HUGE + 1..3 * HUGE), [2 * HUGE]);
        assert_eq!(within(HUGE..3 * HUGE - 1), [HUGE]);
        assert!(within(HUGE + 1..2 * HUGE + PAGE).is_empty());
        assert!(within(0..PAGE).is_empty());
    }

    #[test]
    fn what_is_in_memory_as_a_whole_is_moved_and_stays_what_it_is() {
        let setting = fs::read_to_string(SETTING).unwrap_or_default();
        let Some(pages) = HugePages::open().filter(|_| setting.contains("[madvise]")) else {
            return;
        };
        let mut bytes = vec![0u8; 8 * HUGE];
        let first = bytes.as_ptr().addr().next_multiple_of(HUGE);
        let start = first - bytes.as_ptr().addr();
        bytes[start..start + 4 * HUGE].fill(7);
        // A page of a huge one's room.
        bytes[start + 5 * HUGE] = 7;
        let end = bytes.as_ptr().addr() + bytes.len();
        let whole: Vec<usize> = huge_pages_within(first..end)
            .filter(|&at| pages.is_in_memory(at).expect("a look"))
            .collect();
        assert_eq!(whole, [0, 1, 2, 3].map(|number| first + number * HUGE));
        if whole.iter().all(|&at| collapse(at, HUGE).is_ok()) {
            assert!(in_huge_pages() >= 4 * HUGE);
        }
        assert!(bytes[start..start + 4 * HUGE].iter().all(|&byte| byte == 7));
        assert_eq!(bytes[start + 4 * HUGE..].iter().map(|&byte| u32::from(byte)).sum::<u32>(), 7);
    }

    /// How many bytes of this process are.
    fn in_huge_pages() -> usize {
        let smaps = fs::read_to_string("/proc/self/smaps_rollup").expect("the sums");
        let kib = smaps.lines().find_map(|line| line.strip_prefix("AnonHugePages:"));
        let kib = kib.expect("one of the sums").trim().trim_end_matches(" kB");
        kib.parse::<usize>().expect("a number") << 10
    }
}
