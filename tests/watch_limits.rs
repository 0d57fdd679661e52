//! The system's limits on file events, met by the real binary: it says which sysctl to raise, and takes
//! changes in by looking.
//!
//! The limits are those of a user namespace of the server's own, so that nobody else meets them. Where
//! a namespace cannot be made, a seccomp filter gives the system calls the error that the limit would.

mod common;

use std::ffi::CStr;
use std::io;

use common::{Record, Server, Site, message};

/// A limit, and what the kernel says where it is reached.
#[derive(Clone, Copy)]
struct Limit {
    file: &'static CStr,
    most: &'static CStr,
    call: libc::c_long,
    error: libc::c_int,
}

const INSTANCES: Limit = Limit {
    file: c"/proc/sys/user/max_inotify_instances",
    most: c"0",
    call: libc::SYS_inotify_init1,
    error: libc::EMFILE,
};
const WATCHES: Limit = Limit {
    file: c"/proc/sys/user/max_inotify_watches",
    most: c"1",
    call: libc::SYS_inotify_add_watch,
    error: libc::ENOSPC,
};

impl Limit {
    /// For the rest of this process.
    fn set(self) -> io::Result<()> {
        // SAFETY: takes flags.
        let is_alone = unsafe { libc::unshare(libc::CLONE_NEWUSER) } == 0;
        match is_alone && put(self.file, self.most).is_ok() {
            true => Ok(()),
            false => self.pretend(),
        }
    }

    /// The call fails from now on.
    fn pretend(self) -> io::Result<()> {
        let instruction = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        let load_number = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
        let is_number = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        let give = (libc::BPF_RET | libc::BPF_K) as u16;
        let mut filter = [
            instruction(load_number, 0, 0, 0),
            instruction(is_number, 0, 1, self.call as u32),
            instruction(give, 0, 0, libc::SECCOMP_RET_ERRNO | self.error as u32),
            instruction(give, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: the program and the filter that it points to are whole, and copied by the call.
        let outcome = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
                | libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
        };
        if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Writes to a file of the kernel's, without taking memory.
fn put(file: &CStr, text: &CStr) -> io::Result<()> {
    // SAFETY: both texts end in a zero, and the descriptor is our own.
    let written = unsafe {
        let file = libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        let written = libc::write(file, text.as_ptr().cast(), text.count_bytes());
        libc::close(file);
        written
    };
    if written > 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[track_caller]
fn start_within(work: fn() -> io::Result<()>) -> Server {
    let mut site = Site::new();
    site.filings_setting("poll = \"100ms\"");
    site.plain_zone("site.example").records(&[]);
    // SAFETY: none of them takes memory or a lock.
    unsafe { site.before_exec(Box::new(work)) };
    site.start()
}

#[track_caller]
fn looks(server: &Server, said: &str, remedy: &str) {
    let event = server.logged(0, |event| message(event) == said);
    assert_eq!((&event["level"], &event["fields"]["remedy"]), (&"WARN".into(), &remedy.into()));
    server.blocked("site.example", "no-filing");
    server.records(&[Record::open("site.example")]);
    server.opens("site.example");
    server.records(&[Record::in_force("site.example")]);
    server.blocked("site.example", "not-synced");
    let told = |event: &&str| event.contains(said);
    assert_eq!(server.log_text().lines().filter(told).count(), 1, "told once");
}

#[test]
fn without_a_queue_for_events_changes_are_found_by_looking() {
    for set in [|| INSTANCES.set(), || INSTANCES.pretend()] {
        let remedy = "sysctl fs.inotify.max_user_instances=1024";
        looks(&start_within(set), "no file events; polling only", remedy);
    }
}

#[test]
fn with_more_folders_than_may_be_watched_changes_are_found_by_looking() {
    for set in [|| WATCHES.set(), || WATCHES.pretend()] {
        let said = "too many folders for the system's limit of file watches; polling only";
        let remedy = "sysctl fs.inotify.max_user_watches=1048576, then restart";
        looks(&start_within(set), said, remedy);
    }
}
