//! A load that goes on at a fixed rate while something else happens, and tells of each phase of
//! that by itself.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use super::data::Queries;
use super::generator::{Generator, Load};
use super::measured::Measured;

/// The phases of a load, in the hands of who does the something else. The load ends with it.
pub struct Phases {
    cut: Sender<()>,
    cuts: Receiver<Measured>,
}

impl Phases {
    /// Ends a phase, and tells what has been measured since the last one ended. A query that is
    /// under way counts to the phase in which its answer comes, or in which it is given up.
    pub fn cut(&self) -> Measured {
        self.cut.send(()).expect("the load goes on as long as this");
        self.cuts.recv().expect("the load goes on as long as this")
    }
}

/// Does something while queries come in at a steady rate.
pub fn beside<T>(
    server: SocketAddr,
    rate: u64,
    queries: &Queries,
    work: impl FnOnce(&Phases) -> T,
) -> T {
    let (cut, to_cut) = channel();
    let (told, cuts) = channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let load = Load::Aside(rate);
            Generator::new(server, load, queries).run_while(|_, measured| {
                match to_cut.try_recv() {
                    Ok(()) => {
                        let mut phase = std::mem::take(measured);
                        phase.finish();
                        told.send(phase).is_ok()
                    }
                    Err(TryRecvError::Empty) => true,
                    Err(TryRecvError::Disconnected) => false,
                }
            });
        });
        work(&Phases { cut, cuts })
    })
}
