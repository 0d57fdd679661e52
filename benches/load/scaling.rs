//! Two cores against one, for a machine that has no core to spare for the load.
//!
//! With two workers on two cores the generator must share both with them. A server with a core of
//! its own would be measured against that on other terms: its batches are larger, its caches are not
//! shared, and every packet comes from another core. So the single worker shares its core with one
//! generator thread, too, and the other core idles; two workers on both cores then have a generator
//! thread on each. What differs is what two workers cost each other: packets from the other core,
//! cache lines and locks that both use, in the server and in the kernel. Where a server scales
//! perfectly, an answer takes as much CPU time with two as with one, and *scaling* = 2 × CPU(1) /
//! CPU(2) is 2. The ratio of the queries answered tells the same with the generator in it.
//!
//! A single worker with the load on the other core, as everywhere else in this benchmark, is shown
//! beside.

use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::data::{Data, Edns, Queries, QuerySet};
use super::generator::{Generator, Load, warm_up};
use super::measured::Measured;
use super::process;
use super::servers::{ALONE, Placement, Server};

/// Where server and load run.
struct Shape {
    server: Placement,
    load: &'static [usize],
}

const APART: Shape = Shape { server: ALONE, load: &[1] };
const ONE: Shape = Shape { server: ALONE, load: &[0] };
const TWO: Shape = Shape { server: Placement { cores: "0,1", workers: 2 }, load: &[0, 1] };

/// CPU microseconds for an answer, and answers a second.
#[derive(Clone, Copy)]
pub struct Figures {
    pub cpu_micros: f64,
    pub rate: f64,
}

/// What one round found of a server.
pub struct Row {
    pub server: &'static str,
    /// One worker with a core of its own; one that shares it with the load; two that share two.
    pub apart: Figures,
    pub one: Figures,
    pub two: Figures,
}

/// Measures a server once in each shape.
pub fn measure(
    name: &str,
    folder: &Path,
    data: &Data,
    set: QuerySet,
    time: Duration,
) -> Result<Row, String> {
    let queries: Vec<Queries> =
        (0..2).map(|seed| data.queries(set, Edns::With, seed + 1)).collect();
    let single = Server::start(name, folder, data, &ONE.server)?;
    let server = single.name;
    let apart = in_shape(&single, &APART, &queries, time);
    let one = in_shape(&single, &ONE, &queries, time);
    drop(single);
    let double = Server::start(name, folder, data, &TWO.server)?;
    let two = in_shape(&double, &TWO, &queries, time);
    Ok(Row { server, apart, one, two })
}

fn in_shape(server: &Server, shape: &Shape, queries: &[Queries], time: Duration) -> Figures {
    let is_warm = Barrier::new(shape.load.len() + 1);
    let is_counted = Barrier::new(shape.load.len() + 1);
    let family = process::family(&server.pids());
    thread::scope(|scope| {
        let threads: Vec<_> = shape
            .load
            .iter()
            .zip(queries)
            .map(|(core, queries)| {
                scope.spawn(|| {
                    process::pin_to(*core);
                    let mut generator = Generator::new(server.address, Load::Full, queries);
                    generator.run_for(warm_up(time));
                    is_warm.wait();
                    is_counted.wait();
                    generator.run_for(time)
                })
            })
            .collect();
        is_warm.wait();
        let cpu = process::cpu_nanos(&family);
        is_counted.wait();
        let measured: Vec<Measured> =
            threads.into_iter().map(|t| t.join().expect("the load does not panic")).collect();
        let cpu = process::cpu_nanos(&family) - cpu;
        let answered: u64 = measured.iter().map(|m| m.answered).sum();
        Figures {
            cpu_micros: cpu as f64 / 1_000.0 / answered.max(1) as f64,
            rate: measured.iter().map(Measured::rate).sum(),
        }
    })
}
