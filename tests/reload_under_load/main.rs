//! Reload under load: queries at a steady rate over UDP and TCP while zones and filings are
//! rewritten in every way that people and tools write files. No query goes unanswered, no answer is
//! one that no state of the files gave, and no reply mixes two states.
//!
//! It runs for 30 seconds; `BEIAND_LOAD_SECONDS` lengthens it, `BEIAND_LOAD_RATE` sets the queries a
//! second over UDP. The figures are printed: `cargo test --test reload_under_load -- --nocapture`.

#[path = "../common/mod.rs"]
mod common;

mod clients;
mod ways;
mod world;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clients::{Clients, Seen};
use ways::Files;

fn number(variable: &str, otherwise: u32) -> u32 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text}")),
        Err(_) => otherwise,
    }
}

fn figures(seen: &Seen) -> String {
    let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    format!(
        "{} sent ({} of them late), {} answered, {} lost, {} wrong",
        of(&seen.sent),
        of(&seen.late),
        of(&seen.answered),
        of(&seen.lost),
        of(&seen.wrong)
    )
}

#[test]
fn no_query_is_lost_and_no_answer_wrong_while_all_files_change() {
    let time = Duration::from_secs(number("BEIAND_LOAD_SECONDS", 30).into());
    let mut files = Files::start();
    let (udp, tcp) = (files.server.udp(), files.server.tcp());
    let mut clients = Clients::start(&files.world, udp, tcp, number("BEIAND_LOAD_RATE", 2_000));
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < time {
        files.change_in_every_way(|| {
            let wrong = [&clients.udp, &clients.tcp].map(|seen| seen.wrong.load(Ordering::Relaxed));
            begun.elapsed() > time || wrong != [0, 0]
        });
        rounds += 1;
        if !clients.udp.complaints().is_empty() || !clients.tcp.complaints().is_empty() {
            break;
        }
    }
    let took = begun.elapsed();
    files.stop_churning();
    clients.stop();
    println!("over UDP: {}", figures(&clients.udp));
    println!("over TCP: {}", figures(&clients.tcp));
    println!(
        "in {:.1} s: {} changes in {rounds} rounds, {} of them known by `reload --wait`; {} more \
         beside them; {} overflows of the event queue",
        took.as_secs_f64(),
        files.changes,
        files.reloads,
        files.churned.load(Ordering::Relaxed),
        files.overflows
    );
    println!(
        "{} REFUSED for zones whose folder was away for longer than zones may be",
        files.world.forgiven.load(Ordering::Relaxed)
    );
    for seen in [&clients.udp, &clients.tcp] {
        let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        assert_eq!(
            of(&seen.wrong),
            0,
            "wrong answers after `{}`:\n{}\n{}",
            files.doing,
            seen.complaints(),
            files.server.log_text()
        );
        assert_eq!(of(&seen.lost), 0, "queries without an answer:\n{}", files.server.log_text());
        assert_eq!(of(&seen.sent), of(&seen.answered));
    }
    assert!(rounds > 0 && files.changes > 0);
}
