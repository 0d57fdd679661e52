//! How long changes take to be answered while queries come in, and what that does to the queries.
//!
//! All files that a change needs are written beforehand, so that the change itself is a rename and
//! the generator, which shares its core with whoever makes the change, is seldom kept from it. What
//! it is kept from it counts against the server all the same.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::agreement::{ask, has_address, query};
use super::data::{self, Data, Edns, NOTICE, Order, QuerySet};
use super::dnsdist;
use super::generator::LOST_AFTER;
use super::options::Options;
use super::peers;
use super::servers::{Gate, Kind, Server};
use super::steady::{self, Phases};

/// For how long the latency before a change is measured.
const BEFORE: Duration = Duration::from_secs(1);

/// One kind of change.
pub struct Change {
    /// What was changed.
    pub what: String,
    /// From the change until all of it was answered, each time that it was.
    pub millis: Vec<f64>,
    /// How many were not, until nobody waited any longer.
    pub unanswered: usize,
    /// Latency of the load in the second before, and meanwhile.
    pub p99_before_micros: f64,
    pub p99_micros: f64,
    pub worst_micros: f64,
    /// Queries of the load meanwhile, and those that had no answer.
    pub asked: u64,
    pub lost: u64,
}

/// Makes changes of every kind while queries come in. The files are as before when the server has
/// been stopped and [`Touched::restore`] called.
pub fn under_load(
    server: &Server,
    data: &Data,
    options: &Options,
    touched: &mut Touched,
) -> Vec<Change> {
    let queries = data.queries(QuerySet::Uniform, Edns::With, 7);
    steady::beside(server.address, options.changes_rate, &queries, |load| {
        let filed: Vec<usize> = (0..data.zones.len()).filter(|n| data::is_filed(*n)).collect();
        let (times, patience) = (options.changes, options.changes_patience);
        let (deadline, found) = (Instant::now(), Vec::new());
        let mut changer =
            Changer { server, data, load, times, patience, filed, touched, deadline, found };
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
    /// How often each of the single changes is made.
    times: usize,
    patience: Duration,
    /// Zones with a filing.
    filed: Vec<usize>,
    touched: &'a mut Touched,
    /// Until when changes of the kind under way are waited for.
    deadline: Instant,
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
            let each = singles.iter().enumerate().take_while(|_| !this.is_over());
            each.map(|(time, number)| {
                let begun = Instant::now();
                this.swap(&[*number]);
                this.wait_for(&[*number], [10, 255, 0, time as u8], begun)
            })
            .collect()
        });
        for (count, address) in [(1_000, [10, 254, 0, 1]), (10_000, [10, 253, 0, 2])] {
            let many = self.many(count);
            self.write_aside(&many, address);
            // The clock stops at every tenth of them: to ask for ten thousand takes a while.
            let step = if many.len() > 1_000 { 10 } else { 1 };
            let asked: Vec<usize> = many.iter().copied().step_by(step).collect();
            self.measure(&format!("{} zone files replaced at once", many.len()), |this| {
                let begun = Instant::now();
                this.swap(&many);
                let took = this.wait_for(&asked, address, begun);
                vec![took.filter(|_| this.wait_for(&many, address, begun).is_some())]
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
        write_out();
        // As long as it is open, its hundreds of megabytes need not be freed: that would keep the
        // generator from its core for some 40 ms.
        let _before = File::open(&file).expect("the filing file");
        self.measure("the filing file replaced by one in another order", |this| {
            let begun = Instant::now();
            fs::rename(&aside, &file).expect("a rename");
            vec![this.wait_for(&[last], NOTICE, begun)]
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
            let each = singles.iter().take_while(|_| !this.is_over());
            each.map(|number| {
                let begun = Instant::now();
                close(this, &[*number]);
                this.wait_for(&[*number], NOTICE, begun)
            })
            .collect()
        });
        let many = self.many(1_000);
        self.measure(&format!("{} {at_once}", many.len()), |this| {
            let begun = Instant::now();
            close(this, &many);
            vec![this.wait_for(&many, NOTICE, begun)]
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

    /// `change` makes one or more, and tells of each how many milliseconds it took to be answered.
    fn measure(&mut self, what: &str, change: impl FnOnce(&Self) -> Vec<Option<f64>>) {
        self.load.cut();
        thread::sleep(BEFORE);
        let before = self.load.cut();
        self.deadline = Instant::now() + self.patience;
        let took = change(self);
        let meanwhile = self.load.cut();
        // So long it takes until its last queries are known to be lost.
        thread::sleep(LOST_AFTER + LOST_AFTER / 2);
        let after = self.load.cut();
        self.found.push(Change {
            what: what.to_owned(),
            millis: took.iter().copied().flatten().collect(),
            unanswered: took.iter().filter(|took| took.is_none()).count(),
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
        write_out();
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
        if !done.success() {
            eprintln!("{program} {verb}: {done}");
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Waits until the A record of each zone's apex is this; how many milliseconds have passed then,
    /// or `None` where nobody waits any longer.
    fn wait_for(&self, numbers: &[usize], address: [u8; 4], begun: Instant) -> Option<f64> {
        for number in numbers {
            let packet = query(&self.data.zones[*number].origin, 1);
            let is_answered = || {
                ask(self.server.address, &packet).is_some_and(|told| has_address(&told, address))
            };
            let asked = Instant::now();
            while !is_answered() {
                if self.is_over() {
                    return None;
                }
                // Who asks keeps the generator from its core; what takes long is asked for less often.
                thread::sleep((asked.elapsed() / 50).max(Duration::from_micros(200)));
            }
        }
        Some(begun.elapsed().as_secs_f64() * 1_000.0)
    }
}

/// Waits until what was written is on the disk. A rename over another file waits for that, too
/// (ext4), and no server's work is measured by it.
fn write_out() {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::sync() };
}

fn aside(file: &Path) -> PathBuf {
    file.with_extension("tmp")
}
