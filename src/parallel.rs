//! Work on all cores whose results one thread takes in, as they come and with no more than a few
//! waiting: what is being loaded is not held twice.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

/// Does `work` for every number below `count`, on all cores, each with a `tool` of its own, and hands
/// the results to `take` on this thread, in no particular order. A panic in `work` goes on here.
pub fn each<Tool, Result: Send>(
    count: usize,
    tool: impl Fn() -> Tool + Sync,
    work: impl Fn(&mut Tool, usize) -> Result + Sync,
    mut take: impl FnMut(usize, Result),
) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count);
    if threads <= 1 {
        let mut tool = tool();
        return (0..count).for_each(|index| take(index, work(&mut tool, index)));
    }
    let next = AtomicUsize::new(0);
    let (sender, receiver) = sync_channel(2 * threads);
    std::thread::scope(|scope| {
        // Moved in, so that the results end with the last worker, and the workers with `take`.
        let receiver = receiver;
        let (next, tool, work) = (&next, &tool, &work);
        let workers: Vec<_> = std::iter::repeat_n(sender, threads)
            .map(|sender| {
                scope.spawn(move || {
                    let mut tool = tool();
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= count || sender.send((index, work(&mut tool, index))).is_err() {
                            return;
                        }
                    }
                })
            })
            .collect();
        receiver.iter().for_each(|(index, result)| take(index, result));
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
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
    fn a_panic_of_a_worker_reaches_who_waits_for_it() {
        let run = || each(10, || (), |(), index| assert!(index != 7, "seven"), |_, ()| {});
        assert!(std::panic::catch_unwind(run).is_err());
    }
}
