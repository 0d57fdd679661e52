//! What the kernel tells of a process and its children: CPU time, memory; and the cores that it runs on.

use std::fs;
use std::path::Path;

/// Pins the calling thread, and what it starts later, to one core.
pub fn pin_to(core: usize) {
    allow(0, &[core]);
}

/// Has these processes, and what they start later, run on these cores: all threads but those that
/// are called after UDP, as beiand's are that answer.
pub fn allow_all_but_udp(family: &[u32], cores: &[usize]) {
    for pid in family {
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.starts_with("udp") {
                continue;
            }
            if let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok()) {
                allow(thread, cores);
            }
        }
    }
}

fn allow(thread: libc::pid_t, cores: &[usize]) {
    // SAFETY: cpu_set_t is a plain bit set, for which zero bytes are valid; CPU_SET stays within
    // it, since the cores used are 0 and 1.
    let failed = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        cores.iter().for_each(|core| libc::CPU_SET(*core, &mut set));
        libc::sched_setaffinity(thread, size_of::<libc::cpu_set_t>(), &set) != 0
    };
    if failed {
        eprintln!("not on cores {cores:?}: {}", std::io::Error::last_os_error());
    }
}

/// These processes and all their descendants.
pub fn family(pids: &[u32]) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let child: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
            // The name, in parentheses, may hold anything; state and parent follow it.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((child, parent))
        })
        .collect();
    let mut family = pids.to_vec();
    let mut at = 0;
    while at < family.len() {
        let parent = family[at];
        family.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(child, _)| *child));
        at += 1;
    }
    family
}

/// CPU time, user and system, of every thread of these processes, in nanoseconds.
pub fn cpu_nanos(family: &[u32]) -> u64 {
    let mut total = 0;
    for pid in family {
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            total += first_number(&task.path().join("schedstat"));
        }
    }
    total
}

fn first_number(file: &Path) -> u64 {
    fs::read_to_string(file)
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Memory of these processes, what they share counted once, in MiB.
pub fn resident_mib(family: &[u32]) -> f64 {
    let kib: u64 = family
        .iter()
        .filter_map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = text.lines().find(|line| line.starts_with("Pss:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum();
    kib as f64 / 1_024.0
}
