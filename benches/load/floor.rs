//! The floor that no server on this machine gets below: receive a batch, set QR, send it back.

use std::net::{SocketAddr, UdpSocket};
use std::thread;

use socket2::{Domain, Socket, Type};

use super::sockets::{Address, Batch, Wait};

/// Echoes until killed, by so many threads, each with a socket of its own as beiand has it.
pub fn be_the_floor(address: SocketAddr, workers: usize) -> ! {
    let sockets: Vec<UdpSocket> = (0..workers).map(|_| bind(address)).collect();
    thread::scope(|scope| {
        for socket in &sockets {
            scope.spawn(move || echo(socket));
        }
    });
    unreachable!("no thread ends");
}

fn bind(address: SocketAddr) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    socket.set_reuse_port(true).expect("Linux has it");
    socket.bind(&address.into()).expect("the port is free");
    socket.into()
}

fn echo(socket: &UdpSocket) -> ! {
    let mut batch = Batch::new();
    loop {
        let came = batch.receive(socket, Wait::ForOne);
        for slot in 0..came {
            if let Some(flags) = batch.bytes(slot).get_mut(2) {
                *flags |= 0x80;
            }
        }
        let mut sent = 0;
        while sent < came {
            match batch.send(socket, came, Address::Received) {
                0 => break,
                count => sent += count,
            }
        }
    }
}
