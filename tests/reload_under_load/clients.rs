//! The clients: queries at a steady rate over UDP, over TCP connections that stay, and over TCP
//! connections that come and go. Each reply is held against the [`World`].

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::common::PATIENCE;
use crate::world::World;

/// A client sends no more while so many of its queries are unanswered: the system lets a socket have
/// some hundred datagrams that nobody has read yet, and drops the others whoever is to blame.
const MOST_ON_THE_WAY: usize = 32;

/// Complaints that are kept; a fault that comes at all comes by the thousand.
const KEPT: usize = 20;

/// What the clients have seen so far.
#[derive(Debug, Default)]
pub struct Seen {
    pub sent: AtomicU64,
    pub answered: AtomicU64,
    pub lost: AtomicU64,
    /// Queries that were sent late, since the server was behind.
    pub late: AtomicU64,
    pub wrong: AtomicU64,
    complaints: Mutex<Vec<String>>,
}

impl Seen {
    fn complain(&self, complaint: String) {
        self.wrong.fetch_add(1, Ordering::Relaxed);
        let mut complaints = lock(&self.complaints);
        if complaints.len() < KEPT {
            complaints.push(complaint);
        }
    }

    pub fn complaints(&self) -> String {
        lock(&self.complaints).join("\n")
    }
}

/// All clients, at work until stopped.
pub struct Clients {
    pub udp: Arc<Seen>,
    pub tcp: Arc<Seen>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// A query on its way.
#[derive(Clone, Copy)]
struct Pending {
    question: usize,
    sent: Instant,
}

/// What one client has on its way, by query id.
type OnTheWay = Arc<Mutex<HashMap<u16, Pending>>>;

impl Clients {
    /// `rate` queries a second over UDP, a quarter of that over TCP.
    pub fn start(world: &Arc<World>, udp: SocketAddr, tcp: SocketAddr, rate: u32) -> Clients {
        const SOCKETS: u32 = 4;
        const CONNECTIONS: u32 = 2;
        let mut clients = Clients {
            udp: Arc::default(),
            tcp: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for number in 0..SOCKETS {
            let pace = Duration::from_secs(1) * SOCKETS / rate;
            clients.over_udp(Arc::clone(world), udp, pace, number);
        }
        for number in 0..CONNECTIONS {
            let pace = Duration::from_secs(1) * CONNECTIONS * 4 / rate;
            clients.over_tcp(Arc::clone(world), tcp, pace, number);
        }
        let (world, seen, stop) =
            (Arc::clone(world), Arc::clone(&clients.tcp), Arc::clone(&clients.stop));
        clients.threads.push(std::thread::spawn(move || {
            let mut questions = Questions(77);
            while !stop.load(Ordering::Relaxed) {
                if let Err(error) = short_connection(&world, tcp, &mut questions, &seen) {
                    seen.complain(format!("a short connection failed: {error}"));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }));
        clients
    }

    /// Ends when every query was answered or given up.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a client that does not panic");
        }
    }

    fn over_udp(&mut self, world: Arc<World>, server: SocketAddr, pace: Duration, number: u32) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        socket.connect(server).expect("a loopback address");
        let receiving = socket.try_clone().expect("a descriptor");
        let send = move |query: &[u8]| socket.send(query).map(drop);
        receiving.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let mut buffer = vec![0; 65_535];
        let receive = move || {
            let len = receiving.recv(&mut buffer)?;
            Ok(buffer[..len].to_vec())
        };
        let seen = Arc::clone(&self.udp);
        self.client(world, seen, pace, number, send, receive);
    }

    fn over_tcp(&mut self, world: Arc<World>, server: SocketAddr, pace: Duration, number: u32) {
        let mut stream = TcpStream::connect(server).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let mut receiving = stream.try_clone().expect("a descriptor");
        receiving.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let send = move |query: &[u8]| stream.write_all(&frame(query));
        let mut buffer = Vec::new();
        let receive = move || {
            loop {
                if let Some(reply) = take_frame(&mut buffer) {
                    return Ok(reply);
                }
                let mut more = [0; 4_096];
                match receiving.read(&mut more)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => buffer.extend(&more[..count]),
                }
            }
        };
        let seen = Arc::clone(&self.tcp);
        self.client(world, seen, pace, 100 + number, send, receive);
    }

    /// One thread that sends by the clock, whatever comes back but with no more than
    /// [`MOST_ON_THE_WAY`], and one that receives.
    fn client(
        &mut self,
        world: Arc<World>,
        seen: Arc<Seen>,
        pace: Duration,
        number: u32,
        mut send: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
        mut receive: impl FnMut() -> io::Result<Vec<u8>> + Send + 'static,
    ) {
        let on_the_way = OnTheWay::default();
        let (sending, stop) = (Arc::clone(&on_the_way), Arc::clone(&self.stop));
        let (asked, count) = (Arc::clone(&world), Arc::clone(&seen));
        let sender = std::thread::spawn(move || {
            let mut questions = Questions(number);
            let begun = Instant::now();
            for turn in 0_u32.. {
                let wait = (pace * turn).saturating_sub(begun.elapsed());
                std::thread::sleep(wait);
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let begun_to_wait = Instant::now();
                let mut late = false;
                while lock(&sending).len() >= MOST_ON_THE_WAY {
                    if begun_to_wait.elapsed() > PATIENCE || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    std::thread::sleep(Duration::from_micros(500));
                    late = true;
                }
                count.late.fetch_add(late.into(), Ordering::Relaxed);
                let question = questions.next(&asked);
                let pending = Pending { question, sent: Instant::now() };
                let id = turn as u16;
                let before = lock(&sending).insert(id, pending);
                count.sent.fetch_add(1, Ordering::Relaxed);
                if before.is_some() {
                    count.lost.fetch_add(1, Ordering::Relaxed);
                }
                if let Err(error) = send(&query(id, &asked.questions[question].wire)) {
                    count.complain(format!("a query could not be sent: {error}"));
                }
            }
        });
        self.threads.push(std::thread::spawn(move || {
            let mut give_up: Option<Instant> = None;
            loop {
                match receive() {
                    Ok(reply) => take_reply(&world, &seen, &on_the_way, &reply),
                    Err(error) if is_timeout(&error) => {}
                    Err(error) => {
                        seen.complain(format!("receiving failed: {error}"));
                        return;
                    }
                }
                if sender.is_finished() {
                    let give_up = *give_up.get_or_insert_with(|| Instant::now() + PATIENCE);
                    let missing = lock(&on_the_way).len() as u64;
                    if missing == 0 || Instant::now() > give_up {
                        seen.lost.fetch_add(missing, Ordering::Relaxed);
                        return;
                    }
                }
            }
        }));
    }
}

fn take_reply(world: &World, seen: &Seen, on_the_way: &OnTheWay, reply: &[u8]) {
    let id = match reply {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => return seen.complain(format!("a reply of {} bytes", reply.len())),
    };
    let Some(pending) = lock(on_the_way).remove(&id) else {
        return seen.complain(format!("a reply to no query: {id}"));
    };
    seen.answered.fetch_add(1, Ordering::Relaxed);
    let question = &world.questions[pending.question];
    if let Err(complaint) = world.judge(question, pending.sent, reply) {
        seen.complain(complaint);
    }
}

/// Connects, asks three questions at once, reads the answers, and goes.
fn short_connection(
    world: &World,
    server: SocketAddr,
    questions: &mut Questions,
    seen: &Seen,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let on_the_way = OnTheWay::default();
    let mut queries = Vec::new();
    for id in 0..3 {
        let question = questions.next(world);
        lock(&on_the_way).insert(id, Pending { question, sent: Instant::now() });
        queries.extend(frame(&query(id, &world.questions[question].wire)));
        seen.sent.fetch_add(1, Ordering::Relaxed);
    }
    stream.write_all(&queries)?;
    let mut buffer = Vec::new();
    for _ in 0..3 {
        let reply = loop {
            if let Some(reply) = take_frame(&mut buffer) {
                break reply;
            }
            let mut more = [0; 4_096];
            match stream.read(&mut more) {
                Ok(count) if count > 0 => buffer.extend(&more[..count]),
                ended => {
                    let missing = lock(&on_the_way).len() as u64;
                    seen.lost.fetch_add(missing, Ordering::Relaxed);
                    ended?;
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        };
        take_reply(world, seen, &on_the_way, &reply);
    }
    Ok(())
}

/// A query without EDNS.
fn query(id: u16, question: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0], question].concat()
}

fn frame(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn take_frame(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let &[high, low, ..] = buffer.as_slice() else { return None };
    let end = 2 + usize::from(u16::from_be_bytes([high, low]));
    let frame = buffer.get(2..end)?.to_vec();
    buffer.drain(..end);
    Some(frame)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Draws questions at random, the same ones in each run.
struct Questions(u32);

impl Questions {
    fn next(&mut self, world: &World) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % world.questions.len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
