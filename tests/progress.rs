//! What a long load shows on a terminal, by the real binary on a pseudo-terminal.

mod common;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Site, program};

/// What a line begins with: the place of the one before is cleared, and what is too wide cut off.
const DRAWN: &str = "\r\x1b[K\x1b[?7lloading: ";

/// More zones than are taken in at a time, with files that are short and take long to read.
fn site() -> Site {
    const ZONES: usize = 256;
    let site = Site::new();
    for number in 0..ZONES {
        site.zone(&format!("z{number}.example"), "$GENERATE 1-400 h$ A 192.0.2.1");
    }
    site.records(&[]);
    site
}

/// A terminal: our side of it, and the program's.
fn terminal() -> (File, OwnedFd) {
    let [mut ours, mut theirs] = [-1; 2];
    let none = std::ptr::null_mut();
    // SAFETY: the two numbers are ours to be written; the rest may be null.
    let outcome = unsafe {
        libc::openpty(&raw mut ours, &raw mut theirs, none, std::ptr::null(), std::ptr::null())
    };
    assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
    // SAFETY: both were just opened, and nobody else has them.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

fn start(site: &Site, verb: &str, stderr: impl Into<Stdio>) -> Child {
    Command::new(program())
        .args([verb, "--config"])
        .arg(site.write_config())
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .expect("beiand starts")
}

/// What the terminal gets until the program ends, which it is asked to once it is ready.
fn shown(verb: &str) -> String {
    let site = site();
    let (mut ours, theirs) = terminal();
    let mut child = start(&site, verb, theirs);
    let pid = child.id() as libc::pid_t;
    // SAFETY: kill(2) takes two integers; the pid is that of our child, not yet waited for.
    let signal = move |signal| unsafe { libc::kill(pid, signal) };
    let is_drawn = Arc::new(AtomicBool::new(false));
    let is_enough = Arc::clone(&is_drawn);
    // On a fast machine the load would be over before anything is drawn.
    let brake = std::thread::spawn(move || {
        while !is_enough.load(Ordering::Relaxed) {
            signal(libc::SIGSTOP);
            std::thread::sleep(Duration::from_millis(20));
            signal(libc::SIGCONT);
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let (mut bytes, mut buffer, mut is_asked) = (Vec::new(), [0; 4096], false);
    // Nobody has the other side any more: the system tells that by an error.
    while let Ok(len @ 1..) = ours.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..len]);
        let text = String::from_utf8_lossy(&bytes);
        is_drawn.fetch_or(text.contains(DRAWN), Ordering::Relaxed);
        if !is_asked && text.contains("\"ready\"") {
            is_asked = true;
            signal(libc::SIGTERM);
        }
    }
    is_drawn.store(true, Ordering::Relaxed);
    brake.join().expect("it ends");
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}");
    String::from_utf8(bytes).expect("UTF-8")
}

/// What stands on the terminal in the end.
fn left(shown: &str) -> Vec<&str> {
    let lines = shown.lines().map(|line| line.rsplit("\r\x1b[K").next().unwrap_or_default());
    lines.filter(|line| !line.is_empty()).collect()
}

fn assert_is_drawn(shown: &str) {
    let drawn = shown.split(DRAWN).nth(1).unwrap_or_else(|| panic!("no line: {shown:?}"));
    let (drawn, _) = drawn.split_once("\x1b[?7h").expect("it wraps again");
    assert!(drawn.contains(" of 256 zones, ") && drawn.ends_with(" s left"), "{drawn:?}");
}

#[test]
fn a_check_shows_how_far_it_is_and_leaves_nothing() {
    let shown = shown("check");
    assert_is_drawn(&shown);
    assert!(left(&shown).is_empty(), "{shown:?}");
}

#[test]
fn a_server_shows_how_far_it_is_below_its_log() {
    let shown = shown("serve");
    assert_is_drawn(&shown);
    for line in left(&shown) {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
}

#[test]
fn where_no_terminal_is_nothing_is_drawn() {
    let site = site();
    let child = start(&site, "check", Stdio::piped());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.stderr.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(" 256 zones, "), "{output:?}");
}
