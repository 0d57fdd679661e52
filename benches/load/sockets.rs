//! A connected UDP socket that sends and receives in batches (`sendmmsg`, `recvmmsg`), for the
//! generator and the floor.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;

/// Datagrams in one system call.
pub const BATCH: usize = 64;
/// Room for one datagram.
pub const ROOM: usize = 2_048;

/// Buffers and headers of one batch. The headers point into the boxed buffers, which never move.
pub struct Batch {
    rooms: Box<[[u8; ROOM]; BATCH]>,
    addresses: Box<[libc::sockaddr_storage; BATCH]>,
    vectors: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        // SAFETY: all three are plain C structs for which zero bytes are a valid value.
        let (address, vector, header) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed(), std::mem::zeroed()) };
        let mut batch = Batch {
            rooms: Box::new([[0; ROOM]; BATCH]),
            addresses: Box::new([address; BATCH]),
            vectors: Box::new([vector; BATCH]),
            headers: Box::new([header; BATCH]),
        };
        for slot in 0..BATCH {
            batch.vectors[slot].iov_base = batch.rooms[slot].as_mut_ptr().cast();
            let header = &mut batch.headers[slot].msg_hdr;
            header.msg_iov = &raw mut batch.vectors[slot];
            header.msg_iovlen = 1;
        }
        batch
    }

    /// The bytes received in, or to be sent from, a slot.
    pub fn bytes(&mut self, slot: usize) -> &mut [u8] {
        let length = self.vectors[slot].iov_len.min(ROOM);
        &mut self.rooms[slot][..length]
    }

    /// Fills a slot for sending.
    pub fn fill(&mut self, slot: usize, packet: &[u8]) -> &mut [u8] {
        self.vectors[slot].iov_len = packet.len();
        let bytes = &mut self.rooms[slot][..packet.len()];
        bytes.copy_from_slice(packet);
        bytes
    }

    /// Receives what is there, up to a batch, without waiting; how many came. Afterwards
    /// [`Batch::bytes`] gives each.
    pub fn receive(&mut self, socket: &UdpSocket, wait: Wait) -> usize {
        for slot in 0..BATCH {
            self.vectors[slot].iov_len = ROOM;
            let header = &mut self.headers[slot].msg_hdr;
            header.msg_name = (&raw mut self.addresses[slot]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        let flags = match wait {
            Wait::No => libc::MSG_DONTWAIT,
            Wait::ForOne => libc::MSG_WAITFORONE,
        };
        // SAFETY: the headers point to buffers of this batch of the lengths given, alive here.
        let came = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                flags as _,
                std::ptr::null_mut(),
            )
        };
        let came = usize::try_from(came).unwrap_or(0);
        for slot in 0..came {
            self.vectors[slot].iov_len = self.headers[slot].msg_len as usize;
        }
        came
    }

    /// Sends the first `count` slots; how many the kernel took. `Address::Received` sends each to
    /// where it came from.
    pub fn send(&mut self, socket: &UdpSocket, count: usize, to: Address) -> usize {
        if to == Address::Connected {
            for slot in 0..count {
                self.headers[slot].msg_hdr.msg_name = std::ptr::null_mut();
                self.headers[slot].msg_hdr.msg_namelen = 0;
            }
        }
        // SAFETY: as for receive; the lengths are those of what was filled or received.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), count as libc::c_uint, 0)
        };
        usize::try_from(sent).unwrap_or(0)
    }
}

/// Asks for a receive buffer of so many bytes, beyond what users may have where this is root.
pub fn enlarge_receive_buffer(socket: &UdpSocket, bytes: libc::c_int) {
    for option in [libc::SO_RCVBUFFORCE, libc::SO_RCVBUF] {
        // SAFETY: the option takes an int, which lives across the call.
        let failed = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const bytes).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            ) != 0
        };
        if !failed {
            return;
        }
    }
}

/// Datagrams that the kernel dropped because this socket's receive buffer was full.
pub fn dropped(socket: &UdpSocket) -> u64 {
    /// `SK_MEMINFO_DROPS` of linux/sock_diag.h, the last of its numbers.
    const DROPS: usize = 8;
    let mut numbers = [0u32; DROPS + 1];
    let mut length = size_of_val(&numbers) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, into an array of that size.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut length,
        ) != 0
    };
    if failed { 0 } else { u64::from(numbers[DROPS]) }
}

/// Whether to wait for a first datagram.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Take what is there.
    No,
    /// Wait until there is one.
    ForOne,
}

/// Where a batch goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// To the peer of the connected socket.
    Connected,
    /// To where each was received from.
    Received,
}
