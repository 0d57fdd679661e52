//! How long changes take to be answered while queries come in, and what that does to the queries.
//!
//! All files that a change needs are written beforehand, so that the change itself is a rename and
//! the generator, which shares its core with whoever makes the change, is seldom kept from it. What
//! it is kept from it counts against the server all the same.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::agreement::{ask, has_address, query};
use super::data::{self, Data, Edns, NOTICE, Order, QuerySet};
use super::dnsdist;
use super::generator::LOST_AFTER;
use super::peers;
use super::servers::{Gate, Kind, PATIENCE, Server};
use super::steady::{self, Phases};

/// For how long the latency before a change is measured.
const BEFORE: Duration = Duration::from_secs(1);

/// One kind of change.
pub struct Change {
    /// What was changed.
    pub what: String,
    /// From the change until all of it was answered, each time.
    pub millis: Vec<f64>,
    /// Latency of the load in the second before, and meanwhile.
    pub p99_before_micros: f64,
    pub p99_micros: f64,
    pub worst_micros: f64,
    /// Queries of the load meanwhile, and those that had no answer.
    pub asked: u64,
    pub lost: u64,
}

/// Makes changes of every kind, the single ones so many times, while queries come in at this rate.
/// The files are as before when the server has been stopped and [`Touched::restore`] called.
pub fn under_load(
    server: &Server,
    data: &Data,
    times: usize,
    rate: u64,
    touched: &mut Touched,
) -> Vec<Change> {
    let queries = data.queries(QuerySet::Uniform, Edns::With, 7);
    steady::beside(server.address, rate, &queries, |load| {
        let filed: Vec<usize> = (0..data.zones.len()).filter(|n| data::is_filed(*n)).collect();
        let mut changer = Changer { server, data, load, times, filed, touched, found: Vec::new() };
        changer.zones();
        match (server.gate(), server.kind) {
            (Gate::Open, _) => {}
            (Gate::Shut, Kind::Dnsdist(_)) => changer.blocked_names(),
            (Gate::Shut, _) => changer.filings(),
        }
        changer.found
    })
}

/// What has been changed in the files.
#[derive(Default)]
pub struct Touched {
    zones: Vec<usize>,
    filings: bool,
}

impl Touched {
    /// Has the files as they were. No server may be looking.
    pub fn restore(self, data: &Data) {
        data.restore_zones(self.zones);
        if self.filings {
            data.restore_filings();
        }
    }
}

struct Changer<'a> {
    server: &'a Server,
    data: &'a Data,
    load: &'a Phases,
    times: usize,
    /// Zones with a filing.
    filed: Vec<usize>,
    touched: &'a mut Touched,
    found: Vec<Change>,
}

impl Changer<'_> {
    /// Replaces zone files.
    fn zones(&mut self) {
        let singles: Vec<usize> = (0..self.times).map(|time| self.single(time)).collect();
        for (time, number) in singles.iter().enumerate() {
            self.write_aside(&[*number], [10, 255, 0, time as u8]);
        }
        self.measure("a zone file replaced", |this| {
            let each = singles.iter().enumerate().map(|(time, number)| {
                let begun = Instant::now();
                this.swap(&[*number]);
                this.wait_for(*number, [10, 255, 0, time as u8]);
                millis(begun)
            });
            each.collect()
        });
        for (count, address) in [(1_000, [10, 254, 0, 1]), (10_000, [10, 253, 0, 2])] {
            let many = self.many(count);
            self.write_aside(&many, address);
            // The clock stops at every tenth of them: to ask for ten thousand takes a while.
            let step = if many.len() > 1_000 { 10 } else { 1 };
            self.measure(&format!("{} zone files replaced at once", many.len()), |this| {
                let begun = Instant::now();
                this.swap(&many);
                many.iter().step_by(step).for_each(|number| this.wait_for(*number, address));
                let took = millis(begun);
                many.iter().for_each(|number| this.wait_for(*number, address));
                vec![took]
            });
        }
    }

    /// Cancels filings: by another file, and by lines at its end.
    fn filings(&mut self) {
        self.touched.filings = true;
        let file = self.data.filings_file();
        let aside = self.data.filings_folder.with_extension("aside");
        let last = self.filed[self.filed.len() - 1];
        self.data.write_filings(&aside, Order::Descending, Some(last));
        self.measure("the filing file replaced by one in another order", |this| {
            let begun = Instant::now();
            fs::rename(&aside, &file).expect("a rename");
            this.wait_for(last, NOTICE);
            vec![millis(begun)]
        });
        self.close_domains("filing appended", "filings appended at once", |this, numbers| {
            let lines: String = numbers
                .iter()
                .map(|n| data::filing(&this.data.zones[*n].origin, *n, "cancelled"))
                .collect();
            let mut file = OpenOptions::new().append(true).open(&file).expect("the filing file");
            file.write_all(lines.as_bytes()).expect("a write");
        });
    }

    /// Has more names in the database of a dnsdist, which is written whole each time.
    fn blocked_names(&mut self) {
        let mut blocked: Vec<usize> =
            (0..self.data.zones.len()).filter(|n| !data::is_filed(*n)).collect();
        self.close_domains("blocked name added", "blocked names added at once", |this, numbers| {
            blocked.extend(numbers);
            let names = blocked.iter().map(|number| this.data.zones[*number].origin.as_str());
            dnsdist::write_blocked(this.server.folder(), names);
        });
    }

    /// Closes domains one by one, and a thousand of them at once.
    fn close_domains(&mut self, one: &str, at_once: &str, mut close: impl FnMut(&Self, &[usize])) {
        let singles: Vec<usize> =
            (0..self.times).map(|time| self.single(time + self.times)).collect();
        self.measure(&format!("a {one}"), |this| {
            let each = singles.iter().map(|number| {
                let begun = Instant::now();
                close(this, &[*number]);
                this.wait_for(*number, NOTICE);
                millis(begun)
            });
            each.collect()
        });
        let many = self.many(1_000);
        self.measure(&format!("{} {at_once}", many.len()), |this| {
            let begun = Instant::now();
            close(this, &many);
            many.iter().for_each(|number| this.wait_for(*number, NOTICE));
            vec![millis(begun)]
        });
    }

    /// A zone, spread over all, to change alone; never the last one.
    fn single(&self, time: usize) -> usize {
        self.filed[time * 997 % (self.filed.len() - 1)]
    }

    /// So many zones to change at once, of a small number of zones fewer.
    fn many(&self, count: usize) -> Vec<usize> {
        let count = count.min(self.filed.len() / 4);
        (0..count).map(|i| self.filed[i * (self.filed.len() / count)]).collect()
    }

    fn measure(&mut self, what: &str, change: impl FnOnce(&Self) -> Vec<f64>) {
        self.load.cut();
        thread::sleep(BEFORE);
        let before = self.load.cut();
        let millis = change(self);
        let meanwhile = self.load.cut();
        // So long it takes until its last queries are known to be lost.
        thread::sleep(LOST_AFTER + LOST_AFTER / 2);
        let after = self.load.cut();
        self.found.push(Change {
            what: what.to_owned(),
            millis,
            p99_before_micros: before.latency_micros(0.99),
            p99_micros: meanwhile.latency_micros(0.99),
            worst_micros: meanwhile.latency_micros(1.0),
            asked: meanwhile.answered + after.answered + meanwhile.lost + after.lost,
            lost: meanwhile.lost + after.lost,
        });
    }

    /// Writes zones' next files beside those in use.
    fn write_aside(&mut self, numbers: &[usize], address: [u8; 4]) {
        self.touched.zones.extend(numbers);
        let serial = 2_030_000_000 + u32::from(address[3]) + 1_000 * u32::from(!address[1]);
        for number in numbers {
            let text = data::zone_text(*number, serial, address);
            fs::write(aside(&self.data.zones[*number].file), text).expect("a file");
        }
    }

    /// Puts the files written aside in place, and tells the server if it must be told.
    fn swap(&self, numbers: &[usize]) {
        for number in numbers {
            let file = &self.data.zones[*number].file;
            fs::rename(aside(file), file).expect("a rename");
        }
        let authority = self.server.authority();
        let (program, package, verb) = match self.server.kind {
            Kind::Knot => ("knotc", "knot", "zone-reload"),
            Kind::Nsd | Kind::Dnsdist(_) => ("nsd-control", "nsd", "reload"),
            Kind::Bind => {
                // SAFETY: kill(2) takes two integers; the pid is our child's, not yet waited for.
                unsafe { libc::kill(authority.pid() as libc::pid_t, libc::SIGHUP) };
                return;
            }
            Kind::Beiand(_) | Kind::Floor => return,
        };
        let one =
            if let [number] = numbers { Some(&self.data.zones[*number].origin) } else { None };
        let done = Command::new(peers::installed(program, package))
            .arg("-c")
            .arg(&authority.config)
            .arg(verb)
            .args(one)
            .stdout(Stdio::null())
            .status()
            .expect("it starts");
        assert!(done.success(), "{program} {verb}: {done}");
    }

    /// Waits until the A record of the zone's apex is this.
    fn wait_for(&self, number: usize, address: [u8; 4]) {
        let origin = &self.data.zones[number].origin;
        let packet = query(origin, 1);
        let begun = Instant::now();
        loop {
            if ask(self.server.address, &packet).is_some_and(|reply| has_address(&reply, address)) {
                return;
            }
            let passed = begun.elapsed();
            assert!(passed < PATIENCE, "{} never answers the change of {origin}", self.server.name);
            // Who asks keeps the generator from its core; what takes long is asked for less often.
            thread::sleep((passed / 50).max(Duration::from_micros(200)));
        }
    }
}

fn aside(file: &Path) -> PathBuf {
    file.with_extension("tmp")
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}
