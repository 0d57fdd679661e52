//! UDP and TCP as their clients meet them: `dig`, and raw sockets for what it never sends. The server runs within the test; it has no zones, so that every query is REFUSED.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use beiand::serve::{self, Bound, Protocol, Running, Settings, TcpSettings};
use beiand::state::{Phase, Shared, State};

/// How long a test waits for what should come at once, before it fails.
const PATIENCE: Duration = Duration::from_secs(20);
const HEADER: usize = 12;

/// A server on one address with two workers, and where it listens.
struct Server {
    running: Running,
    address: SocketAddr,
}

fn settings(listen: &str) -> Settings {
    let mut settings = Settings::new(vec![listen.parse().unwrap()]);
    settings.workers = 2;
    settings
}

fn run(bound: Bound) -> Server {
    let address = bound.local_addrs().udp[0];
    let running = bound
        .run(Arc::new(Shared::new(State { phase: Phase::Serving, ..State::default() })))
        .unwrap();
    Server { running, address }
}

fn start(settings: &Settings) -> Server {
    run(serve::bind(settings).unwrap())
}

fn start_tcp(change: impl FnOnce(&mut TcpSettings)) -> Server {
    let mut settings = settings("127.0.0.1:0");
    change(&mut settings.tcp);
    start(&settings)
}

/// A query for `test.example. A` with this ID.
fn query(id: u16) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    query.extend(b"\x04test\x07example\x00\x00\x01\x00\x01");
    query
}

fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(message);
    frame
}

fn id_of(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[0], message[1]])
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    prepare(stream)
}

fn prepare(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A connection whose client side has this address.
fn connect_from(client: &str, server: SocketAddr) -> TcpStream {
    let domain = socket2::Domain::for_address(server);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
    let client: IpAddr = client.parse().unwrap();
    socket.bind(&SocketAddr::new(client, 0).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    prepare(socket.into())
}

fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn ask(stream: &mut TcpStream, id: u16) -> io::Result<u16> {
    stream.write_all(&frame(&query(id)))?;
    read_message(stream).map(|reply| id_of(&reply))
}

/// True once the server has closed the connection without sending anything more.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(len) => len == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// The output of `dig`; the test fails if the tool is missing or reports failure.
fn tool(name: &str, args: &[&str]) -> String {
    let output = Command::new(name).args(args).output().unwrap_or_else(|error| {
        panic!("{name} cannot be run ({error}): install Debian's bind9-dnsutils and knot-dnsutils")
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {args:?}:\n{text}{errors}");
    text
}

fn dig(server: IpAddr, port: u16, more: &[&str]) -> String {
    let (server, port) = (format!("@{server}"), port.to_string());
    let mut args = vec![server.as_str(), "-p", &port, "+tries=1", "+time=10", "+norecurse"];
    args.extend(more);
    args.extend(["test.example", "A"]);
    tool("dig", &args)
}

#[track_caller]
fn assert_says(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "{wanted:?} is missing from:\n{text}");
    }
}

#[test]
fn dig_is_answered_over_udp_and_tcp_on_ipv4_and_ipv6() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let Server { running, address } = start(&settings(listen));
        let (ip, port) = (address.ip(), address.port());
        assert_says(&dig(ip, port, &[]), &["status: REFUSED", "(UDP)"]);
        assert_says(&dig(ip, port, &["+tcp"]), &["status: REFUSED", "(TCP)"]);

        let counters = running.stop(PATIENCE);
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            let counts = counters.by_protocol(protocol);
            assert_eq!((counts.queries(), counts.replies(), counts.rcodes[5]), (1, 1, 1));
        }
        assert_eq!(counters.by_protocol(Protocol::Tcp).connections, 1);
    }
}

#[test]
fn udp_and_tcp_give_the_same_bytes() {
    let server = start(&settings("127.0.0.1:0"));
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    udp.connect(server.address).unwrap();
    udp.send(&query(7)).unwrap();
    let mut reply = [0; 1232];
    let len = udp.recv(&mut reply).unwrap();

    let mut tcp = connect(server.address);
    tcp.write_all(&frame(&query(7))).unwrap();
    assert_eq!(read_message(&mut tcp).unwrap(), reply[..len]);
}

#[test]
fn several_listen_addresses_are_all_served() {
    let mut settings = settings("127.0.0.1:0");
    settings.listen.push("[::1]:0".parse().unwrap());
    settings.listen.push("127.0.0.2:0".parse().unwrap());
    let bound = serve::bind(&settings).unwrap();
    let addresses = bound.local_addrs().udp.clone();
    let _server = run(bound);
    for address in addresses {
        assert_says(&dig(address.ip(), address.port(), &[]), &["status: REFUSED"]);
    }
}

#[test]
fn a_wildcard_socket_replies_from_the_address_that_was_asked() {
    let ipv4 = start(&settings("0.0.0.0:0"));
    for ip in ["127.0.0.1", "127.0.0.2", "127.1.2.3"] {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let asked = SocketAddr::new(ip.parse().unwrap(), ipv4.address.port());
        client.send_to(&query(1), asked).unwrap();
        assert_eq!(client.recv_from(&mut [0; 512]).unwrap().1, asked);
        // dig, too, refuses a reply from elsewhere.
        assert_says(&dig(asked.ip(), asked.port(), &[]), &["status: REFUSED"]);
    }
    let ipv6 = start(&settings("[::]:0"));
    let client = UdpSocket::bind("[::1]:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let asked = SocketAddr::new("::1".parse().unwrap(), ipv6.address.port());
    client.send_to(&query(1), asked).unwrap();
    assert_eq!(client.recv_from(&mut [0; 512]).unwrap().1, asked);
    assert_says(&dig(asked.ip(), asked.port(), &["+tcp"]), &["status: REFUSED"]);
}

#[test]
fn responses_and_fragments_of_a_header_get_no_reply_over_udp() {
    let mut settings = settings("127.0.0.1:0");
    settings.workers = 1;
    let server = start(&settings);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.connect(server.address).unwrap();
    let mut response = query(1);
    response[2] |= 0x80;
    client.send(&response).unwrap();
    client.send(&query(2)[..HEADER - 1]).unwrap();
    client.send(&[]).unwrap();
    client.send(&[0xff; 1600]).unwrap();
    client.send(&query(3)).unwrap();
    let mut reply = [0; 512];
    client.recv(&mut reply).unwrap();
    assert_eq!(id_of(&reply), 3, "one worker replies in order, so the others got nothing");
    let udp = *server.running.stop(PATIENCE).by_protocol(Protocol::Udp);
    assert_eq!((udp.queries(), udp.replies(), udp.dropped), (5, 1, 4));
}

#[test]
fn queries_in_one_segment_are_all_answered_in_order() {
    let server = start(&settings("127.0.0.1:0"));
    let mut stream = connect(server.address);
    let pipelined: Vec<u8> = (0..2000).flat_map(|id| frame(&query(id))).collect();
    stream.write_all(&pipelined).unwrap();
    for id in 0..2000 {
        assert_eq!(id_of(&read_message(&mut stream).unwrap()), id);
    }
}

#[test]
fn a_frame_that_comes_byte_by_byte_is_answered() {
    let server = start(&settings("[::1]:0"));
    let mut stream = connect(server.address);
    for id in [1, 2] {
        for byte in frame(&query(id)) {
            stream.write_all(&[byte]).unwrap();
        }
        assert_eq!(id_of(&read_message(&mut stream).unwrap()), id);
    }
}

#[test]
fn a_half_closed_connection_gets_its_answers() {
    let server = start(&settings("127.0.0.1:0"));
    let mut stream = connect(server.address);
    let three: Vec<u8> = (1..=3).flat_map(|id| frame(&query(id))).collect();
    // A fragment of a fourth is nothing to wait for.
    stream.write_all(&three).unwrap();
    stream.write_all(&[0, 50, 1]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    for id in 1..=3 {
        assert_eq!(id_of(&read_message(&mut stream).unwrap()), id);
    }
    assert!(is_closed(&mut stream));
}

#[test]
fn who_sends_responses_or_fragments_of_a_header_is_disconnected_after_what_was_owed() {
    let server = start(&settings("127.0.0.1:0"));
    let mut response = query(2);
    response[2] |= 0x80;
    for nonsense in [frame(&response), frame(&query(2)[..HEADER - 1]), frame(&[])] {
        let mut stream = connect(server.address);
        stream.write_all(&[frame(&query(1)), nonsense].concat()).unwrap();
        assert_eq!(id_of(&read_message(&mut stream).unwrap()), 1);
        assert!(is_closed(&mut stream));
    }
}

#[test]
fn an_idle_connection_is_closed_and_so_is_one_that_trickles() {
    let server = start_tcp(|tcp| tcp.idle_timeout = Duration::from_millis(100));
    let mut silent = connect(server.address);
    let mut trickling = connect(server.address);
    assert_eq!(ask(&mut trickling, 1).unwrap(), 1);
    trickling.write_all(&[0]).unwrap();
    assert!(is_closed(&mut silent));
    assert!(is_closed(&mut trickling));
}

#[test]
fn when_full_the_connection_idle_longest_makes_room() {
    let server = start_tcp(|tcp| {
        tcp.max_connections = 2;
        tcp.evict_idle_after = Duration::ZERO;
    });
    let mut first = connect(server.address);
    assert_eq!(ask(&mut first, 1).unwrap(), 1);
    let mut second = connect(server.address);
    assert_eq!(ask(&mut second, 2).unwrap(), 2);
    let mut third = connect(server.address);
    assert_eq!(ask(&mut third, 3).unwrap(), 3);
    assert!(is_closed(&mut first));
    assert_eq!(ask(&mut second, 4).unwrap(), 4);
    let tcp = *server.running.stop(PATIENCE).by_protocol(Protocol::Tcp);
    assert_eq!((tcp.connections, tcp.connections_over_limit), (3, 1));
}

#[test]
fn when_full_of_active_connections_a_new_one_is_closed() {
    let server = start_tcp(|tcp| {
        tcp.max_connections = 1;
        tcp.evict_idle_after = Duration::from_secs(3600);
    });
    let mut first = connect(server.address);
    assert_eq!(ask(&mut first, 1).unwrap(), 1);
    assert!(is_closed(&mut connect(server.address)));
    assert_eq!(ask(&mut first, 2).unwrap(), 2);
}

#[test]
fn one_client_has_its_share_of_connections_and_no_more() {
    let server = start_tcp(|tcp| tcp.max_connections_per_client = 2);
    let mut first = connect_from("127.0.0.1", server.address);
    let mut second = connect_from("127.0.0.1", server.address);
    assert_eq!(ask(&mut first, 1).unwrap(), 1);
    assert_eq!(ask(&mut second, 2).unwrap(), 2);
    assert!(is_closed(&mut connect_from("127.0.0.1", server.address)));
    assert_eq!(ask(&mut connect_from("127.0.0.2", server.address), 3).unwrap(), 3);
    assert_eq!(ask(&mut first, 4).unwrap(), 4);
}

#[test]
fn a_client_that_takes_no_replies_harms_nobody_and_is_disconnected() {
    let server = start_tcp(|tcp| {
        tcp.write_timeout = Duration::from_secs(1);
        tcp.idle_timeout = PATIENCE;
    });
    let mut stalled = connect(server.address);
    socket2::SockRef::from(&stalled).set_recv_buffer_size(4096).unwrap();
    let many: Vec<u8> = (0..2000).flat_map(|id| frame(&query(id))).collect();
    // Until the server, whose replies are not taken, reads no further, or has had enough already.
    stalled.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut sent = 0;
    while stalled.write_all(&many).is_ok() {
        sent += many.len();
        assert!(sent < 256 << 20, "the server goes on reading");
    }
    let mut other = connect(server.address);
    for id in 0..100 {
        assert_eq!(ask(&mut other, id).unwrap(), id);
    }
    // What was sent before may still be read; then the connection is over, not just silent.
    if let Err(error) = io::copy(&mut stalled, &mut io::sink()) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    assert_eq!(ask(&mut other, 101).unwrap(), 101);
}

#[test]
fn stopping_answers_what_has_arrived() {
    let mut settings = settings("127.0.0.1:0");
    settings.workers = 1;
    let bound = serve::bind(&settings).unwrap();
    let address = bound.local_addrs().udp[0];
    // All of this stands in socket buffers and the backlog before a thread runs.
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    udp.connect(address).unwrap();
    (0..100).for_each(|id| assert_eq!(udp.send(&query(id)).unwrap(), query(id).len()));
    let mut tcp = connect(address);
    tcp.write_all(&(0..100).flat_map(|id| frame(&query(id))).collect::<Vec<_>>()).unwrap();

    let counters = run(bound).running.stop(PATIENCE);
    assert_eq!(counters.by_protocol(Protocol::Udp).replies(), 100);
    assert_eq!(counters.by_protocol(Protocol::Tcp).replies(), 100);
    for id in 0..100 {
        let mut reply = [0; 512];
        udp.recv(&mut reply).unwrap();
        assert_eq!(id_of(&reply), id);
        assert_eq!(id_of(&read_message(&mut tcp).unwrap()), id);
    }
    assert!(is_closed(&mut tcp));
    serve::bind(&Settings::new(vec![address])).expect("the port is free again");
}

#[test]
fn stopping_waits_for_nobody_longer_than_it_was_told() {
    let server = start(&settings("127.0.0.1:0"));
    let mut stream = connect(server.address);
    assert_eq!(ask(&mut stream, 1).unwrap(), 1);
    // A frame that will never be whole.
    stream.write_all(&[0, 50, 1]).unwrap();
    server.running.stop(Duration::from_millis(50));
    assert!(is_closed(&mut stream));
}
