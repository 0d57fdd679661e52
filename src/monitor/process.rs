//! What the system says of this process, by the names that Prometheus has for it.

use std::fs;

use super::exposition::{Family, Kind};

/// The families of the process; what cannot be read is left out.
pub(super) fn families(started: f64) -> Vec<Family> {
    let mut families = vec![
        Family::new(
            "process_start_time_seconds",
            Kind::Gauge,
            "seconds",
            "When the process was started, in seconds after 1970",
        )
        .with(&[], started),
    ];
    if let Some((resident, threads)) = memory_and_threads() {
        families.push(
            Family::new(
                "process_resident_memory_bytes",
                Kind::Gauge,
                "bytes",
                "Memory that the process holds",
            )
            .with(&[], resident),
        );
        families.push(
            Family::new("process_threads", Kind::Gauge, "", "Threads of the process")
                .with(&[], threads),
        );
    }
    families.push(
        Family::new(
            "process_cpu_seconds",
            Kind::Counter,
            "seconds",
            "Processor time that the process has used, in user and system mode",
        )
        .with(&[], cpu_seconds()),
    );
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The folder itself is open while it is read.
        let open = open.count().saturating_sub(1) as f64;
        families.push(
            Family::new("process_open_fds", Kind::Gauge, "", "Open file descriptors")
                .with(&[], open),
        );
    }
    let most = limit_of_open_files();
    families.push(
        Family::new("process_max_fds", Kind::Gauge, "", "File descriptors that may be open")
            .with(&[], most),
    );
    families
}

/// Resident bytes and the number of threads, from `/proc/self/status`.
fn memory_and_threads() -> Option<(f64, f64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let figure = |key: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some((figure("VmRSS:")? * 1024.0, figure("Threads:")?))
}

fn cpu_seconds() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage writes one `rusage`; where it fails the zeroed one, which is valid, stays.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn limit_of_open_files() -> f64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes one `rlimit`, which `limit` is.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit.rlim_cur as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_there_and_plausible() {
        let families = families(1.0);
        for name in [
            "process_resident_memory_bytes",
            "process_threads",
            "process_cpu_seconds",
            "process_open_fds",
            "process_max_fds",
        ] {
            let family = families.iter().find(|family| family.name == name).expect(name);
            let value = family.samples[0].value;
            assert!(value > 0.0 && value.is_finite(), "{name} {value}");
        }
    }
}
