//! Giving up root's rights once every port is bound.
//!
//! Call it before any thread is started: "no new privileges" holds for the calling thread and
//! those it starts.

use std::ffi::{CStr, CString};
use std::io;

use libc::{gid_t, uid_t};

/// Why privileges could not be dropped. The server does not start then.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegesError {
    /// The user does not exist.
    #[error("[server] user = \"{0}\": there is no such user; make it, as by useradd --system {0}")]
    NoUser(String),
    /// The group does not exist.
    #[error(
        "[server] group = \"{0}\": there is no such group; make it, as by groupadd --system {0}"
    )]
    NoGroup(String),
    /// A user by number that no name belongs to, so that its group is not known.
    #[error("[server] user = \"{0}\": nobody has this number; set group, too")]
    GroupNeeded(String),
    /// The user is root by another name.
    #[error("[server] user = \"{0}\" is root: name a user without rights")]
    IsRoot(String),
    /// The system refused.
    #[error(
        "cannot become user \"{user}\" ({call}: {source}); start as root, or leave user out of [server]"
    )]
    Refused {
        /// The user.
        user: String,
        /// What was refused.
        call: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Everything was granted, and root's rights could still be had back.
    #[error("became user \"{0}\", but root's rights can be had back")]
    Reversible(String),
    /// The list of users or groups cannot be read.
    #[error("cannot look up {what}: {source}")]
    Lookup {
        /// The user or group.
        what: String,
        /// Why.
        source: io::Error,
    },
}

/// Who to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// As configured.
    name: String,
    uid: uid_t,
    gid: gid_t,
    /// Its name in the list of users, by which its further groups are known.
    login: Option<CString>,
}

/// Becomes `user` (name or number) and `group` (the user's own where `None`), for good: no
/// capabilities, no way back, and no new privileges by running a set-user-ID program.
pub fn become_user(user: &str, group: Option<&str>) -> Result<(), PrivilegesError> {
    let identity = look_up(user, group)?;
    // SAFETY: these calls take no pointers and cannot fail.
    let already = unsafe {
        libc::getuid() == identity.uid
            && libc::geteuid() == identity.uid
            && libc::getegid() == identity.gid
    };
    if !already {
        take_on(&identity)?;
    }
    // SAFETY: takes no pointers; the unused arguments must be 0.
    let sealed = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    granted(&identity, "prctl", sealed)
}

fn take_on(identity: &Identity) -> Result<(), PrivilegesError> {
    // The order matters: each step needs rights that the next gives up.
    let groups = match &identity.login {
        // SAFETY: `login` ends with a zero byte and lives across the call.
        Some(login) => unsafe { libc::initgroups(login.as_ptr(), identity.gid) },
        // SAFETY: the pointer is to one gid, as the count says.
        None => unsafe { libc::setgroups(1, &identity.gid) },
    };
    granted(identity, "setgroups", groups)?;
    // SAFETY: takes no pointers.
    granted(identity, "setgid", unsafe { libc::setgid(identity.gid) })?;
    // Real, effective and saved user, when called by root; clears every capability of the process.
    // SAFETY: takes no pointers.
    granted(identity, "setuid", unsafe { libc::setuid(identity.uid) })?;
    // SAFETY: takes no pointers.
    let regained = unsafe { libc::setuid(0) == 0 || libc::setgid(0) == 0 };
    if regained { Err(PrivilegesError::Reversible(identity.name.clone())) } else { Ok(()) }
}

fn granted(
    identity: &Identity,
    call: &'static str,
    result: libc::c_int,
) -> Result<(), PrivilegesError> {
    if result == 0 {
        return Ok(());
    }
    let user = identity.name.clone();
    Err(PrivilegesError::Refused { user, call, source: io::Error::last_os_error() })
}

fn look_up(user: &str, group: Option<&str>) -> Result<Identity, PrivilegesError> {
    let known = passwd_entry(user)?;
    let (uid, own_gid, login) = match known {
        Some((uid, gid, login)) => (uid, Some(gid), Some(login)),
        None => match user.parse::<uid_t>() {
            Ok(uid) => (uid, None, None),
            Err(_) => return Err(PrivilegesError::NoUser(user.to_owned())),
        },
    };
    if uid == 0 {
        return Err(PrivilegesError::IsRoot(user.to_owned()));
    }
    let gid = match (group, own_gid) {
        (Some(group), _) => {
            group_number(group)?.ok_or_else(|| PrivilegesError::NoGroup(group.to_owned()))?
        }
        (None, Some(gid)) => gid,
        (None, None) => return Err(PrivilegesError::GroupNeeded(user.to_owned())),
    };
    Ok(Identity { name: user.to_owned(), uid, gid, login })
}

/// A group by name, or by number where no group has such a name; `None` where there is neither.
pub fn group_number(group: &str) -> Result<Option<gid_t>, PrivilegesError> {
    Ok(group_id(group)?.or_else(|| group.parse().ok()))
}

/// A user by name, or by number where no user has such a name: user, group, name.
fn passwd_entry(user: &str) -> Result<Option<(uid_t, gid_t, CString)>, PrivilegesError> {
    let Ok(name) = CString::new(user) else { return Ok(None) };
    let number = user.parse::<uid_t>().ok();
    look_up_entry(user, |buffer| {
        // SAFETY: all-zero bytes are a valid passwd: numbers, and null pointers.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        let (at, size) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: `name` ends with a zero byte; `entry`, `found` and the `size` bytes at `at` may
        // be written to, and live across the calls.
        let code = unsafe {
            let mut code = libc::getpwnam_r(name.as_ptr(), &mut entry, at, size, &mut found);
            if let (true, Some(uid)) = (found.is_null(), number)
                && code != libc::ERANGE
            {
                code = libc::getpwuid_r(uid, &mut entry, at, size, &mut found);
            }
            code
        };
        if found.is_null() {
            return (code, None);
        }
        // SAFETY: a found entry's name points into `buffer` and ends with a zero byte.
        let login = unsafe { CStr::from_ptr(entry.pw_name) }.to_owned();
        (code, Some((entry.pw_uid, entry.pw_gid, login)))
    })
}

/// A group by name.
fn group_id(group: &str) -> Result<Option<gid_t>, PrivilegesError> {
    let Ok(name) = CString::new(group) else { return Ok(None) };
    look_up_entry(group, |buffer| {
        // SAFETY: all-zero bytes are a valid group: a number, and null pointers.
        let mut entry: libc::group = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        let (at, size) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: `name` ends with a zero byte; `entry`, `found` and the `size` bytes at `at` may
        // be written to, and live across the call.
        let code = unsafe { libc::getgrnam_r(name.as_ptr(), &mut entry, at, size, &mut found) };
        (code, (!found.is_null()).then_some(entry.gr_gid))
    })
}

/// Repeats a look-up with a larger buffer for as long as it is too small.
fn look_up_entry<T>(
    what: &str,
    mut look: impl FnMut(&mut [u8]) -> (libc::c_int, Option<T>),
) -> Result<Option<T>, PrivilegesError> {
    const LARGEST: usize = 1 << 20;
    let mut buffer = vec![0; 1_024];
    loop {
        match look(&mut buffer) {
            (libc::ERANGE, _) if buffer.len() < LARGEST => buffer.resize(buffer.len() * 4, 0),
            (_, Some(found)) => return Ok(Some(found)),
            // Some systems report an absent entry in these ways, too (getpwnam(3)).
            (0 | libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM, None) => return Ok(None),
            (code, None) => {
                let (what, source) = (what.to_owned(), io::Error::from_raw_os_error(code));
                return Err(PrivilegesError::Lookup { what, source });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::process::Command;

    /// Set in the child process that gives up its rights; the port that it binds first.
    const CHILD_PORT: &str = "BEIAND_TEST_PRIVILEGES_PORT";

    #[test]
    fn users_and_groups_are_found_by_name_and_number() {
        let nobody = look_up("nobody", None).unwrap();
        assert_eq!(look_up(&nobody.uid.to_string(), None).unwrap().gid, nobody.gid);
        assert_eq!(look_up("nobody", Some("0")).unwrap().gid, 0);
        assert_eq!(look_up("4000000000", Some("4000000000")).unwrap().uid, 4_000_000_000);
    }

    #[test]
    fn who_cannot_be_become_is_said_clearly() {
        let message = |user, group| look_up(user, group).unwrap_err().to_string();
        assert!(message("no-such-user", None).contains("useradd --system no-such-user"));
        assert!(message("nobody", Some("no-such-group")).contains("groupadd"));
        assert!(message("4000000000", None).contains("set group, too"));
        assert!(message("root", None).contains("is root"));
        assert!(message("0", Some("0")).contains("is root"));
        assert!(message("a\0b", None).contains("no such user"));
    }

    #[test]
    fn root_binds_a_low_port_and_keeps_no_rights() {
        // SAFETY: takes no pointers and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            eprintln!("not root: nothing to give up");
            return;
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cli::privileges::tests::child", "--ignored", "--nocapture"])
            .env(CHILD_PORT, "979")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .unwrap_or_else(|| panic!("no {name} in {text}"))
                .split_whitespace()
                .collect::<Vec<_>>()
        };
        let nobody = look_up("nobody", None).unwrap();
        assert_eq!(field("Uid"), [nobody.uid.to_string().as_str(); 4]);
        assert_eq!(field("Gid"), [nobody.gid.to_string().as_str(); 4]);
        assert_eq!(field("Groups"), [nobody.gid.to_string().as_str()]);
        for capabilities in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(field(capabilities), ["0000000000000000"], "{capabilities}");
        }
        assert_eq!(field("NoNewPrivs"), ["1"]);
    }

    #[test]
    #[ignore = "run by root_binds_a_low_port_and_keeps_no_rights, in a process of its own"]
    fn child() {
        let Ok(port) = std::env::var(CHILD_PORT) else { return };
        let bound = UdpSocket::bind(("127.0.0.1", port.parse::<u16>().unwrap())).unwrap();
        become_user("nobody", None).unwrap();
        assert!(UdpSocket::bind("127.0.0.1:978").is_err(), "low ports can still be bound");
        assert!(bound.local_addr().is_ok());
        // A second time changes nothing; another user cannot be become any more.
        become_user("nobody", None).unwrap();
        let message = become_user("4000000000", Some("4000000000")).unwrap_err().to_string();
        assert!(message.contains("start as root"), "{message}");
        println!("\n{}", std::fs::read_to_string("/proc/thread-self/status").unwrap());
    }
}
