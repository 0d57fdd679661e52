//! Work on all cores whose results one thread takes in, as they come and with no more than a few
//! waiting: what is being loaded is not held twice.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What work waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Hardly for anything: a thread for each core.
    Never,
    /// For small files, one after the other: two for each core, lest it idle while the disk is at it.
    ForDisk,
}

/// Does `work` for every number below `count`, on all cores, each with a `tool` of its own, and hands
/// the results to `take` on this thread, in no particular order. A panic in `work` goes on here.
pub fn each<Tool, Result: Send>(
    count: usize,
    waits: Waits,
    tool: impl Fn() -> Tool + Sync,
    work: impl Fn(&mut Tool, usize) -> Result + Sync,
    mut take: impl FnMut(usize, Result),
) {
    until_done(
        (0..count).rev().collect(),
        waits,
        tool,
        |tool, index, _| (index, work(tool, index)),
        |(index, result), _| take(index, result),
    );
}

/// The same for jobs of which there may be more: both `work` and `take` may add some. The last that
/// was added is done next. No thread is made before a first job has left more to do: one zone file,
/// one small folder, is soon done here.
pub fn until_done<Tool, Job: Send, Result: Send>(
    first: Vec<Job>,
    waits: Waits,
    tool: impl Fn() -> Tool + Sync,
    work: impl Fn(&mut Tool, Job, &Jobs<Job>) -> Result + Sync,
    mut take: impl FnMut(Result, &Jobs<Job>),
) {
    let jobs = Jobs::of(first);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = if waits == Waits::ForDisk { 2 * cores } else { cores };
    do_here(&jobs, &tool, &work, &mut take, threads > 1);
    if jobs.is_done() {
        return;
    }
    let (sender, receiver) = sync_channel(2 * threads);
    let panicked = thread::scope(|scope| {
        // A panic in `take`, too, ends the workers.
        let _closing = Closing(&jobs);
        // Moved in, so that the results end with the last worker, and the workers with `take`.
        let receiver = receiver;
        let (jobs, tool, work) = (&jobs, &tool, &work);
        let do_all = move |sender: SyncSender<std::result::Result<Result, Panic>>| {
            let mut tool = tool();
            while let Some(job) = jobs.next() {
                let result = catch_unwind(AssertUnwindSafe(|| work(&mut tool, job, jobs)));
                let is_over = result.is_err();
                if sender.send(result).is_err() || is_over {
                    return;
                }
            }
        };
        for sender in std::iter::repeat_n(sender, threads) {
            let started = thread::Builder::new().spawn_scoped(scope, move || do_all(sender));
            if let Err(error) = started {
                tracing::warn!(%error, "no further thread to load with");
                break;
            }
        }
        for result in receiver {
            match result {
                Ok(result) => take(result, jobs),
                Err(panic) => return Some(panic),
            }
            jobs.note_taken();
        }
        // Some are left where the system had no thread to give.
        do_here(jobs, tool, work, &mut take, false);
        None
    });
    if let Some(panic) = panicked {
        resume_unwind(panic);
    }
}

/// Does one job after the other on this thread, until none is left; only one where that `is_enough`.
fn do_here<Tool, Job, Result>(
    jobs: &Jobs<Job>,
    tool: impl Fn() -> Tool,
    work: impl Fn(&mut Tool, Job, &Jobs<Job>) -> Result,
    mut take: impl FnMut(Result, &Jobs<Job>),
    is_enough: bool,
) {
    if jobs.is_done() {
        return;
    }
    let mut tool = tool();
    while let Some(job) = jobs.next() {
        take(work(&mut tool, job, jobs), jobs);
        jobs.note_taken();
        if is_enough {
            break;
        }
    }
}

type Panic = Box<dyn Any + Send>;

/// What is left to be done.
#[derive(Debug)]
pub struct Jobs<Job> {
    state: Mutex<State<Job>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<Job> {
    waiting: Vec<Job>,
    /// Those that wait, and those that are being done or whose result is being taken.
    open: usize,
}

impl<Job> Jobs<Job> {
    fn of(waiting: Vec<Job>) -> Jobs<Job> {
        let open = waiting.len();
        Jobs { state: Mutex::new(State { waiting, open }), changed: Condvar::new() }
    }

    /// One more.
    pub fn add(&self, job: Job) {
        let mut state = self.lock();
        // Who adds one has one open, unless all is over because of a panic.
        if state.open == 0 {
            return;
        }
        state.waiting.push(job);
        state.open += 1;
        self.changed.notify_one();
    }

    /// Waits for one; `None` where there will be no more.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop() {
                return Some(job);
            }
            if state.open == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nobody works on any, and none waits.
    fn is_done(&self) -> bool {
        self.lock().open == 0
    }

    fn note_taken(&self) {
        let mut state = self.lock();
        state.open -= 1;
        if state.open == 0 {
            self.changed.notify_all();
        }
    }

    fn close(&self) {
        let mut state = self.lock();
        state.waiting.clear();
        state.open = 0;
        self.changed.notify_all();
    }

    /// Nothing panics while it is locked.
    fn lock(&self) -> MutexGuard<'_, State<Job>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Closing<'a, Job>(&'a Jobs<Job>);

impl<Job> Drop for Closing<'_, Job> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_worked_on_once_and_its_result_is_taken() {
        for count in [0, 1, 2, 1_000] {
            let mut taken = vec![0; count];
            each(
                count,
                Waits::ForDisk,
                || 0,
                |done, index| {
                    *done += 1;
                    index * 2
                },
                |index, result| {
                    assert_eq!(result, index * 2);
                    taken[index] += 1;
                },
            );
            assert!(taken.iter().all(|times| *times == 1));
        }
    }

    #[test]
    fn jobs_that_work_and_take_add_are_done_too() {
        let mut taken = [0; 1_000];
        let work = |(): &mut (), job: usize, jobs: &Jobs<usize>| {
            if 2 * job < 1_000 {
                jobs.add(2 * job);
            }
            job
        };
        until_done(
            vec![1],
            Waits::Never,
            || (),
            work,
            |job, jobs| {
                taken[job] += 1;
                if 2 * job + 1 < 1_000 {
                    jobs.add(2 * job + 1);
                }
            },
        );
        assert!(taken[1..].iter().all(|times| *times == 1));
    }

    #[test]
    fn a_panic_of_a_worker_reaches_who_waits_for_it() {
        let run =
            || each(10, Waits::Never, || (), |(), index| assert!(index != 7, "seven"), |_, ()| {});
        assert!(catch_unwind(run).is_err());
    }

    #[test]
    fn a_panic_of_who_takes_the_results_in_ends_the_workers() {
        let run = || {
            each(
                10,
                Waits::Never,
                || (),
                |(), index| index,
                |index, _| assert!(index != 3, "three"),
            )
        };
        assert!(catch_unwind(run).is_err());
    }
}
