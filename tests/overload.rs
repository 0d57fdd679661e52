//! More queries over UDP than can be answered: the kernel drops the newest, and nothing else suffers.

mod common;

use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Record, Server, Site, append, eventually, query};

/// Sockets that flood, so that the server sees several clients.
const SOCKETS: usize = 4;

/// Datagrams that the kernel dropped at the server's socket for want of room in its buffer.
fn dropped(server: &Server) -> u64 {
    let table = fs::read_to_string("/proc/net/udp").expect("the kernel's list of sockets");
    let local = format!("0100007F:{:04X}", server.udp().port());
    let rows = table.lines().filter(|row| row.split_whitespace().nth(1) == Some(&local));
    rows.filter_map(|row| row.split_whitespace().last()?.parse::<u64>().ok()).sum()
}

/// KiB of the server's memory that are resident.
fn resident(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    line.trim_end_matches("kB").trim().parse().expect("a number")
}

/// The nice values of a process' threads whose names begin so.
fn nice_values(server: &Server, thread: &str) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("a process");
    tasks
        .filter_map(|task| fs::read_to_string(task.expect("a thread").path().join("stat")).ok())
        .filter_map(|stat| {
            let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
            // proc(5): field 19, of which the third is the first after the name.
            let nice = rest.split_whitespace().nth(16)?.parse().expect("a number");
            name.starts_with(thread).then_some(nice)
        })
        .collect()
}

#[test]
fn where_cores_are_short_answers_go_before_reloads() {
    let server = Site::new().start();
    // SAFETY: takes two integers. The server has what it was started with.
    let own = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    // Not before the first load is over.
    eventually("reloads stand back", || nice_values(&server, "reload") == [own.max(15)]);
    let answering = nice_values(&server, "udp-");
    assert!(!answering.is_empty() && answering.iter().all(|nice| *nice == own), "{answering:?}");
}

#[test]
fn a_flood_holds_up_neither_tcp_nor_a_reload_costs_no_memory_and_is_over_when_it_ends() {
    let site = Site::new();
    site.plain_zone("open.example").plain_zone("dark.example");
    site.records(&[Record::open("open.example")]);
    let server = site.start();
    assert_eq!(server.dig(&["+tcp", "open.example", "A"]).data("A"), ["192.0.2.10"]);
    let before = resident(&server);

    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let sockets: Vec<UdpSocket> = (0..SOCKETS)
                .map(|_| {
                    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
                    socket.connect(server.udp()).expect("a loopback address");
                    socket
                })
                .collect();
            let packet = query(7, "www.open.example", 1);
            while !is_over.load(Ordering::Relaxed) {
                for socket in &sockets {
                    // A full buffer on our side is no matter: the next goes out.
                    let _ = socket.send(&packet);
                }
            }
        });
        // Ends the flood whatever comes, or the scope would wait for it for good.
        let _guard = Guard(&is_over);
        eventually("the flood is more than the server can answer", || dropped(&server) > 10_000);
        for _ in 0..20 {
            let reply = server.dig(&["+tcp", "open.example", "A"]);
            assert_eq!(reply.data("A"), ["192.0.2.10"], "{}", reply.raw);
        }
        append(&server.site.path("filings/10.ndjson"), &Record::open("dark.example").line());
        server.reloaded();
        let reply = server.dig(&["+tcp", "dark.example", "A"]);
        assert_eq!(reply.data("A"), ["192.0.2.10"], "{}", reply.raw);
        let more = resident(&server).saturating_sub(before);
        assert!(more < 16 << 10, "{more} KiB more under the flood");
    });
    assert_eq!(server.dig(&["dark.example", "A"]).data("A"), ["192.0.2.10"]);
}

/// Sets the flag when it goes.
struct Guard<'a>(&'a AtomicBool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
