//! UDP: the hot path. A thread has one socket and nothing to share on the way of a packet but the
//! state it reads; packets come in and replies go out in batches, and nothing is allocated.
//!
//! The one file with `unsafe`: `recvmmsg`, `sendmmsg`, and the socket options that no safe wrapper
//! offers. All pointers handed to the kernel lead into [`Batch`], which owns what they lead to.
//!
//! A thread blocks in `recvmmsg` rather than polling, so that a lone packet costs two system calls
//! in all. It is woken for stopping by `shutdown` on its socket.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use libc::{c_int, c_void, iovec, mmsghdr, sockaddr_storage, socklen_t};
use socket2::Socket;
use tokio::sync::watch;

use super::Phase;
use super::counters::{Protocol, Slot};
use super::guarded::answer_asked_guarded;
use super::observe::{Observer, Observing, Peer};
use super::rate_limit::{Limited, RateLimit};
use super::settings::UdpSettings;
use super::unix_now;
use crate::answer::{AskedName, Context, MAX_UDP_REPLY, Outcome, Transport};
use crate::state::Shared;

/// Longest query that is read; what is longer is dropped. No query comes near it.
const MAX_UDP_QUERY: usize = 1536;

/// Sets what a socket needs before it is bound to `address`.
///
/// # Errors
/// What the system says. Buffers smaller than asked for are not an error.
pub(super) fn prepare(
    socket: &Socket,
    address: SocketAddr,
    settings: &UdpSettings,
) -> io::Result<()> {
    let wildcard = address.ip().is_unspecified();
    match address {
        SocketAddr::V4(_) => {
            // No path-MTU discovery, no fragments forced by spoofed ICMP.
            set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)?;
            if wildcard {
                set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
            }
        }
        SocketAddr::V6(_) => {
            let omit = libc::IPV6_PMTUDISC_OMIT;
            set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, omit)?;
            if wildcard {
                set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            }
        }
    }
    let receive = c_int::try_from(settings.receive_buffer).unwrap_or(c_int::MAX);
    if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, receive).is_err() {
        socket.set_recv_buffer_size(settings.receive_buffer)?;
    }
    let send = c_int::try_from(settings.send_buffer).unwrap_or(c_int::MAX);
    if set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, send).is_err() {
        socket.set_send_buffer_size(settings.send_buffer)?;
    }
    Ok(())
}

fn set_option(socket: &Socket, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the option's value is a live `c_int` and its length is given as such; `socket` keeps
    // the descriptor open.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            size_of::<c_int>() as socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// One thread's work: one socket, one batch, its own counters.
pub(super) struct Worker {
    socket: Arc<Socket>,
    batch: Batch,
    /// The name asked for by each packet of the batch.
    asked: Box<[AskedName]>,
    rate_limit: Option<Arc<RateLimit>>,
    observer: Option<Arc<Observer>>,
    /// What the socket is bound to.
    local: Option<SocketAddr>,
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    phase: watch::Receiver<Phase>,
}

/// Whether to wait for a packet where there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    ForOne,
    Never,
}

impl Worker {
    pub(super) fn new(
        socket: Arc<Socket>,
        batch: usize,
        rate_limit: Option<Arc<RateLimit>>,
        observer: Option<Arc<Observer>>,
        shared: Arc<Shared>,
        slot: Arc<Slot>,
        phase: watch::Receiver<Phase>,
    ) -> Worker {
        let asked = (0..batch).map(|_| AskedName::default()).collect();
        let local = socket.local_addr().ok().and_then(|address| address.as_socket());
        let batch = Batch::new(batch);
        Worker { socket, batch, asked, rate_limit, observer, local, shared, slot, phase }
    }

    /// Answers until told to stop, and then what has arrived by then.
    pub(super) fn run(mut self) {
        while catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            tracing::error!("udp worker panicked, going on");
        }
    }

    fn serve(&mut self) {
        // `has_changed` is one load; an error means that whoever could tell us to stop is gone.
        while matches!(self.phase.has_changed(), Ok(false)) {
            self.turn(Wait::ForOne);
        }
        let until = match *self.phase.borrow() {
            Phase::Draining { until } => until,
            Phase::Serving => return,
        };
        while self.turn(Wait::Never) > 0 && Instant::now() < until {}
    }

    /// Receives a batch, answers it, sends the replies. Gives the number of packets received.
    fn turn(&mut self, wait: Wait) -> usize {
        let received = match self.batch.receive(&self.socket, wait) {
            Ok(received) => received,
            Err(error) => {
                pause_after(&error);
                return 0;
            }
        };
        let replies = self.answer(received);
        self.send(replies);
        received
    }

    fn answer(&mut self, received: usize) -> usize {
        // Loaded after the wait, not before it: an idle thread must not hold an old state.
        let state = self.shared.load();
        let now = unix_now();
        // All names first, so that the batch waits for memory once, not packet by packet.
        for (index, asked) in self.asked.iter_mut().enumerate().take(received) {
            if let Packet::Query { query, .. } = self.batch.packet(index) {
                asked.read(&state, query);
            }
        }
        AskedName::fetch_zones(&self.asked[..received], &state);
        let limit = self.rate_limit.as_deref().map(|limit| (limit, limit.now()));
        let observing = self.observer.as_ref().map(Observing::by);
        let mut replies = 0;
        for index in 0..received {
            let mut limited = Limited::No;
            let outcome = match self.batch.packet(index) {
                Packet::None => continue,
                Packet::Unanswerable => Outcome::Drop,
                Packet::Query { client, query, reply } => {
                    let context = Context { client: client.ip(), transport: Transport::Udp, now };
                    let asked = &self.asked[index];
                    let mut outcome = answer_asked_guarded(&state, &context, query, asked, reply);
                    if let (Some((limit, now)), Outcome::Reply(told)) = (limit, &mut outcome) {
                        limited = limit.limit(now, &state, &context, query, reply, told);
                    }
                    if let (Some(observing), Outcome::Reply(told)) = (&observing, &outcome) {
                        let peer = Peer { protocol: Protocol::Udp, client, local: self.local };
                        let message =
                            reply.get(..told.len).filter(|_| limited != Limited::Withheld);
                        observing.tell(&peer, query, told, message);
                    }
                    outcome
                }
            };
            self.slot.count(&outcome);
            self.slot.limited(limited);
            if let Outcome::Reply(reply) = outcome
                && limited != Limited::Withheld
            {
                self.batch.queue_reply(replies, index, reply.len);
                replies += 1;
            }
        }
        replies
    }

    /// Sends every queued reply, passing over those that the system refuses: a firewall's EPERM,
    /// a full buffer, an unreachable client must not keep the others from theirs.
    fn send(&mut self, replies: usize) {
        let mut next = 0;
        while next < replies {
            match self.batch.send(&self.socket, next..replies) {
                Ok(0) => break,
                Ok(sent) => next += sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::trace!(%error, "reply not sent");
                    self.slot.unsent(1);
                    next += 1;
                }
            }
        }
    }
}

/// Lets a moment pass after an error that could come again at once, so that nothing spins.
fn pause_after(error: &io::Error) {
    const PAUSE: Duration = Duration::from_millis(10);
    match error.kind() {
        // Nothing there, a signal, or the ICMP answer to an earlier reply.
        io::ErrorKind::WouldBlock
        | io::ErrorKind::Interrupted
        | io::ErrorKind::ConnectionRefused => {}
        _ => {
            tracing::warn!(%error, "receiving failed");
            thread::sleep(PAUSE);
        }
    }
}

/// One received packet.
enum Packet<'a> {
    /// No packet: the wake-up for stopping.
    None,
    /// Not to be answered: from port 0, too long, or from no internet address.
    Unanswerable,
    /// A query, and where its reply goes.
    Query { client: SocketAddr, query: &'a [u8], reply: &'a mut [u8; MAX_UDP_REPLY] },
}

/// Space for the one control message that is asked for, the larger of the two kinds, and its
/// header; `cmsghdr` is aligned like `usize`.
const CONTROL_LEN: usize = 64;
#[repr(C, align(8))]
struct Control([u8; CONTROL_LEN]);

/// What belongs to one packet. An odd number of cache lines long, so that the packets of a batch
/// do not all fall into the same few sets of the cache.
#[repr(C, align(64))]
struct Place {
    client: sockaddr_storage,
    control: Control,
    query: [u8; MAX_UDP_QUERY],
    reply: [u8; MAX_UDP_REPLY],
}
const _: () = assert!(size_of::<Place>() / 64 % 2 == 1);

/// The buffers of a batch and the headers that tell the kernel of them.
///
/// Invariant: after `new`, every pointer in `receiving` and `sending` leads into `places`,
/// `receive_parts` or `send_parts`, which are heap arrays that neither move nor shrink as long as
/// `self` lives, and are reached through their raw pointers only.
struct Batch {
    places: Array<Place>,
    receive_parts: Array<iovec>,
    receiving: Array<mmsghdr>,
    send_parts: Array<iovec>,
    sending: Array<mmsghdr>,
    /// Headers that the kernel wrote to and that must be made ready for the next call.
    used: usize,
}

// SAFETY: the pointers lead into heap memory that the batch itself owns; no other thread has any.
unsafe impl Send for Batch {}

impl Batch {
    fn new(len: usize) -> Batch {
        // SAFETY: all-zero bytes are valid values of these types: integers, integer arrays, and
        // raw pointers.
        let batch = unsafe {
            Batch {
                places: Array::zeroed(len),
                receive_parts: Array::zeroed(len),
                receiving: Array::zeroed(len),
                send_parts: Array::zeroed(len),
                sending: Array::zeroed(len),
                used: len,
            }
        };
        for index in 0..len {
            // SAFETY: `index` is below the length of all five arrays, and no reference into them
            // exists.
            unsafe {
                let place = batch.places.at(index);
                let receive_part = batch.receive_parts.at(index);
                (*receive_part).iov_base = (&raw mut (*place).query).cast();
                (*receive_part).iov_len = MAX_UDP_QUERY;
                let header = &raw mut (*batch.receiving.at(index)).msg_hdr;
                (*header).msg_iov = receive_part;
                (*header).msg_iovlen = 1;
                (*header).msg_name = (&raw mut (*place).client).cast();
                (*header).msg_control = (&raw mut (*place).control).cast();
                // Where a reply comes from and goes to is filled in for each.
                let header = &raw mut (*batch.sending.at(index)).msg_hdr;
                (*header).msg_iov = batch.send_parts.at(index);
                (*header).msg_iovlen = 1;
            }
        }
        batch
    }

    /// Takes in the packets that are there, waiting for the first one if so told.
    fn receive(&mut self, socket: &Socket, wait: Wait) -> io::Result<usize> {
        for index in 0..self.used {
            // SAFETY: `used` is at most the length of `receiving`; no reference into it exists.
            unsafe {
                let header = &raw mut (*self.receiving.at(index)).msg_hdr;
                (*header).msg_namelen = size_of::<sockaddr_storage>() as socklen_t;
                (*header).msg_controllen = CONTROL_LEN as _;
                (*header).msg_flags = 0;
            }
        }
        let flags = match wait {
            Wait::ForOne => libc::MSG_WAITFORONE,
            Wait::Never => libc::MSG_DONTWAIT,
        };
        // SAFETY: `receiving` holds as many headers as is said, each leading to memory of the
        // lengths it gives (the invariant, and the loop above); a null timeout is allowed.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.receiving.at(0),
                self.receiving.len as _,
                flags as _,
                ptr::null_mut(),
            )
        };
        match usize::try_from(received) {
            Ok(received) => {
                self.used = received.min(self.receiving.len);
                Ok(self.used)
            }
            Err(_) => {
                self.used = 0;
                Err(io::Error::last_os_error())
            }
        }
    }

    /// The packet at `index`, which must be below the number just received.
    fn packet(&mut self, index: usize) -> Packet<'_> {
        assert!(index < self.used, "only received packets are looked at");
        // SAFETY: `index` is in range (above), all bytes are initialised (zeroed at first), and
        // the references that are made live no longer than the borrow of `self`, with no other
        // access meanwhile.
        let (header, place) = unsafe { (&*self.receiving.at(index), &mut *self.places.at(index)) };
        if header.msg_hdr.msg_namelen == 0 {
            return Packet::None;
        }
        let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        let query = match place.query.get(..header.msg_len as usize) {
            Some(query) if !truncated => query,
            _ => return Packet::Unanswerable,
        };
        match client(&place.client) {
            Some(client) if client.port() != 0 => {
                Packet::Query { client, query, reply: &mut place.reply }
            }
            _ => Packet::Unanswerable,
        }
    }

    /// Puts the reply of packet `index` in line as number `number`, to leave from the address that
    /// the packet came to.
    fn queue_reply(&mut self, number: usize, index: usize, len: usize) {
        assert!(number <= index && index < self.used, "replies are no more than packets");
        // SAFETY: both numbers are in range (above); no reference into the arrays exists.
        unsafe {
            let received = &raw const (*self.receiving.at(index)).msg_hdr;
            let place = self.places.at(index);
            let part = self.send_parts.at(number);
            (*part).iov_base = (&raw mut (*place).reply).cast();
            (*part).iov_len = len.min(MAX_UDP_REPLY);
            let header = &raw mut (*self.sending.at(number)).msg_hdr;
            (*header).msg_name = (&raw mut (*place).client).cast();
            (*header).msg_namelen = (*received).msg_namelen;
            let control_len = turn_round(received);
            (*header).msg_controllen = control_len as _;
            (*header).msg_control = if control_len == 0 {
                ptr::null_mut()
            } else {
                (&raw mut (*place).control).cast::<c_void>()
            };
        }
    }

    /// Sends the replies of this range, or the first few of them.
    fn send(&mut self, socket: &Socket, range: std::ops::Range<usize>) -> io::Result<usize> {
        assert!(range.start <= range.end && range.end <= self.sending.len);
        // SAFETY: the range is within `sending` (above), and each header in it was filled in by
        // `queue_reply` with pointers into `places` and lengths within them.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.sending.at(range.start),
                range.len() as _,
                libc::MSG_DONTWAIT as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

/// The internet address in a socket address.
fn client(address: &sockaddr_storage) -> Option<SocketAddr> {
    match c_int::from(address.ss_family) {
        libc::AF_INET => {
            // SAFETY: a `sockaddr_storage` is large enough and aligned for every kind of address;
            // the family says that it is this kind.
            let v4 = unsafe { &*ptr::from_ref(address).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::from((ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*ptr::from_ref(address).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::from((ip, u16::from_be(v6.sin6_port))))
        }
        _ => None,
    }
}

/// Makes of the control message that says where a packet came to one that says where the reply
/// leaves from, in place. Gives its length; 0 where there is none, as on a socket that is bound to
/// one address.
///
/// # Safety
/// `received` must lead to a header that `recvmmsg` has just filled in, whose control buffer is
/// alive, aligned for `cmsghdr`, and writable through the pointer in it.
unsafe fn turn_round(received: *const libc::msghdr) -> usize {
    // SAFETY: by the caller's promise the control buffer holds what the kernel wrote, of which
    // `msg_controllen` tells the length; `CMSG_FIRSTHDR` gives null if it holds no whole header.
    // The data is of the type that level and kind name, and is read and written unaligned.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(received);
        if message.is_null() || (*received).msg_flags & libc::MSG_CTRUNC != 0 {
            return 0;
        }
        match ((*message).cmsg_level, (*message).cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // `ipi_spec_dst` is the local address already. Which interface the reply takes is
                // for routing to say.
                let data = libc::CMSG_DATA(message).cast::<libc::in_pktinfo>();
                let mut info = data.read_unaligned();
                info.ipi_ifindex = 0;
                data.write_unaligned(info);
                libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as _) as usize
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let data = libc::CMSG_DATA(message).cast::<libc::in6_pktinfo>();
                let mut info = data.read_unaligned();
                // A link-local address means something on its own link only.
                if !Ipv6Addr::from(info.ipi6_addr.s6_addr).is_unicast_link_local() {
                    info.ipi6_ifindex = 0;
                }
                data.write_unaligned(info);
                libc::CMSG_SPACE(size_of::<libc::in6_pktinfo>() as _) as usize
            }
            _ => 0,
        }
    }
}

/// A heap array that is reached through one raw pointer, so that pointers into it that the kernel
/// holds on to stay good.
struct Array<T> {
    first: *mut T,
    len: usize,
}

impl<T> Array<T> {
    /// # Safety
    /// All-zero bytes must be a valid `T`.
    unsafe fn zeroed(len: usize) -> Array<T> {
        // SAFETY: the caller's promise.
        let boxed: Box<[T]> = (0..len).map(|_| unsafe { mem::zeroed() }).collect();
        Array { first: Box::into_raw(boxed).cast(), len }
    }

    /// A pointer to the element. It may be used if `index` is below `len`.
    fn at(&self, index: usize) -> *mut T {
        debug_assert!(index < self.len);
        self.first.wrapping_add(index)
    }
}

impl<T> Drop for Array<T> {
    fn drop(&mut self) {
        // SAFETY: pointer and length are those of the box taken apart in `zeroed`, and nothing
        // else frees it.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(self.first, self.len)) });
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::serve::counters::{Protocol, Registry};

    /// A batch of two with a socket of its own, and a client with somewhere to send to.
    fn batch_and_client() -> (Batch, Socket, UdpSocket) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(socket.local_addr().unwrap()).unwrap();
        (Batch::new(2), Socket::from(socket), client)
    }

    #[test]
    fn more_packets_than_a_batch_come_in_several() {
        let (mut batch, socket, client) = batch_and_client();
        for byte in [1, 2, 3] {
            client.send(&[byte; 20]).unwrap();
        }
        assert_eq!(batch.receive(&socket, Wait::ForOne).unwrap(), 2);
        for (index, byte) in [(0, 1), (1, 2)] {
            let Packet::Query { client: from, query, .. } = batch.packet(index) else {
                panic!("a query was sent")
            };
            assert_eq!((from.ip(), query), (Ipv4Addr::LOCALHOST.into(), &[byte; 20][..]));
        }
        assert_eq!(batch.receive(&socket, Wait::ForOne).unwrap(), 1);
        let error = batch.receive(&socket, Wait::Never).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn an_oversized_packet_is_not_answered_and_leaves_no_trace() {
        let (mut batch, socket, client) = batch_and_client();
        client.send(&[7; MAX_UDP_QUERY + 1]).unwrap();
        assert_eq!(batch.receive(&socket, Wait::ForOne).unwrap(), 1);
        assert!(matches!(batch.packet(0), Packet::Unanswerable));
        client.send(&[8; MAX_UDP_QUERY]).unwrap();
        assert_eq!(batch.receive(&socket, Wait::ForOne).unwrap(), 1);
        assert!(
            matches!(batch.packet(0), Packet::Query { query, .. } if query.len() == MAX_UDP_QUERY)
        );
    }

    #[test]
    fn the_wake_up_for_stopping_is_no_packet_but_an_empty_datagram_is_one() {
        let (mut batch, socket, client) = batch_and_client();
        client.send(&[]).unwrap();
        assert_eq!(batch.receive(&socket, Wait::ForOne).unwrap(), 1);
        assert!(matches!(batch.packet(0), Packet::Query { query: [], .. }));
        let _ = socket.shutdown(std::net::Shutdown::Read);
        assert_eq!(batch.receive(&socket, Wait::ForOne).unwrap(), 1);
        assert!(matches!(batch.packet(0), Packet::None));
    }

    #[test]
    fn packets_that_came_before_the_stop_are_still_there_after_it() {
        let (mut batch, socket, client) = batch_and_client();
        client.send(&[9; 20]).unwrap();
        let _ = socket.shutdown(std::net::Shutdown::Read);
        assert_eq!(batch.receive(&socket, Wait::Never).unwrap(), 1);
        assert!(matches!(batch.packet(0), Packet::Query { query, .. } if query == [9; 20]));
    }

    #[test]
    fn replies_reach_the_client_each_with_its_own_bytes() {
        let (mut batch, socket, client) = batch_and_client();
        client.send(&[1; 20]).unwrap();
        client.send(&[2; 30]).unwrap();
        assert_eq!(batch.receive(&socket, Wait::ForOne).unwrap(), 2);
        // The first is dropped, so the second packet's reply is the first in line.
        let Packet::Query { reply, .. } = batch.packet(1) else { panic!("a query was sent") };
        reply[..3].copy_from_slice(b"yes");
        batch.queue_reply(0, 1, 3);
        assert_eq!(batch.send(&socket, 0..1).unwrap(), 1);
        let mut reply = [0; 16];
        assert_eq!(client.recv(&mut reply).unwrap(), 3);
        assert_eq!(&reply[..3], b"yes");
    }

    #[test]
    fn a_worker_told_to_stop_answers_first_what_has_arrived() {
        let (_, socket, client) = batch_and_client();
        let (stop, phase) = watch::channel(Phase::Serving);
        let slot = Arc::new(Slot::default());
        let worker = Worker::new(Arc::new(socket), 2, None, None, Arc::default(), slot, phase);
        let queries = [7, 8, 9, 10, 11];
        for id in queries {
            client.send(&[0, id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        }
        let until = Instant::now() + Duration::from_secs(20);
        stop.send(Phase::Draining { until }).unwrap();
        worker.run();
        client.set_nonblocking(true).unwrap();
        for id in queries {
            let mut reply = [0; 512];
            client.recv(&mut reply).unwrap();
            assert_eq!(reply[1], id);
        }
    }

    #[test]
    fn a_reply_that_cannot_be_sent_keeps_no_other_back() {
        let (_, socket, client) = batch_and_client();
        let (_stop, phase) = watch::channel(Phase::Serving);
        let registry = Registry::default();
        let slot = registry.slot(Protocol::Udp);
        let mut worker = Worker::new(Arc::new(socket), 3, None, None, Arc::default(), slot, phase);
        for id in [7, 8, 9] {
            client.send(&[0, id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        }
        assert_eq!(worker.batch.receive(&worker.socket, Wait::ForOne).unwrap(), 3);
        assert_eq!(worker.answer(3), 3);
        // SAFETY: the kernel has just written an IPv4 address there; no reference to it exists.
        unsafe {
            let address =
                (&raw mut (*worker.batch.places.at(1)).client).cast::<libc::sockaddr_in>();
            (*address).sin_port = 0;
        }
        worker.send(3);
        for id in [7, 9] {
            let mut reply = [0; 512];
            client.recv(&mut reply).unwrap();
            assert_eq!(reply[1], id);
        }
        let counted = *registry.sum().by_protocol(Protocol::Udp);
        assert_eq!((counted.queries(), counted.replies(), counted.unsent), (3, 2, 1));
    }

    #[test]
    fn a_query_from_port_zero_is_not_answered() {
        let (mut batch, socket, client) = batch_and_client();
        client.send(&[1; 20]).unwrap();
        assert_eq!(batch.receive(&socket, Wait::ForOne).unwrap(), 1);
        assert!(matches!(batch.packet(0), Packet::Query { .. }));
        // SAFETY: the kernel has just written an IPv4 address there; no reference to it exists.
        unsafe {
            let address = (&raw mut (*batch.places.at(0)).client).cast::<libc::sockaddr_in>();
            (*address).sin_port = 0;
        }
        assert!(matches!(batch.packet(0), Packet::Unanswerable));
    }

    #[test]
    fn an_address_of_another_family_is_none() {
        // SAFETY: all-zero bytes are a valid socket address of no family.
        let mut address: sockaddr_storage = unsafe { mem::zeroed() };
        assert_eq!(client(&address), None);
        address.ss_family = libc::AF_UNIX as _;
        assert_eq!(client(&address), None);
    }
}
