//! Binding every socket and reading every certificate, before privileges are dropped.
//!
//! Owns what can go wrong then, in words that tell the operator what to do. Serves nothing.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;

use rustls::version::TLS13;
use rustls::{ALL_VERSIONS, SupportedProtocolVersion};
use socket2::{Domain, SockAddr, Socket, Type};

use super::observe::ObserveSettings;
use super::quic::{QuicCarries, QuicListener};
use super::settings::{EncryptedSettings, RateLimitSettings, Settings, TcpSettings, UdpSettings};
use super::tcp::{Carries, Listener};
use super::tls::Certificate;
use super::udp;
use crate::fault::Fault;

/// Sockets bound and certificates read; nothing is answered yet.
#[derive(Debug)]
pub struct Bound {
    pub(super) workers: usize,
    /// For each listen address, one for each worker.
    pub(super) udp: Vec<Arc<Socket>>,
    pub(super) udp_batch: usize,
    pub(super) rate_limit: RateLimitSettings,
    pub(super) observe: ObserveSettings,
    pub(super) tcp: Vec<Listener>,
    pub(super) tcp_settings: TcpSettings,
    /// DNS over TLS and over HTTPS.
    pub(super) encrypted: Vec<Listener>,
    pub(super) quic: Vec<QuicListener>,
    certificate: Option<Arc<Certificate>>,
    local_addrs: LocalAddrs,
}

/// The addresses in use, with the real port where port 0 was asked for. In the order of the
/// settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalAddrs {
    /// Plain DNS over UDP.
    pub udp: Vec<SocketAddr>,
    /// Plain DNS over TCP; the same addresses.
    pub tcp: Vec<SocketAddr>,
    /// DNS over TLS.
    pub tls: Vec<SocketAddr>,
    /// DNS over HTTPS.
    pub https: Vec<SocketAddr>,
    /// DNS over QUIC.
    pub quic: Vec<SocketAddr>,
    /// DNS over HTTP/3.
    pub http3: Vec<SocketAddr>,
}

impl Bound {
    /// The certificate of the encrypted transports, to be read again when its files change.
    pub fn certificate(&self) -> Option<Arc<Certificate>> {
        self.certificate.clone()
    }

    /// The addresses in use.
    pub fn local_addrs(&self) -> &LocalAddrs {
        &self.local_addrs
    }
}

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket has the port.
    #[error(
        "{address} ({transport}) is in use by another process; `ss -lnp{flag} 'sport = :{port}'` \
         as root shows which{hint}",
        flag = transport.ss_flag(),
        port = address.port(),
        hint = systemd_hint(address)
    )]
    InUse {
        /// The address asked for.
        address: SocketAddr,
        /// UDP or TCP.
        transport: Carrier,
    },
    /// A port below `net.ipv4.ip_unprivileged_port_start` without the right to it.
    #[error(
        "{address} ({transport}): ports below 1024 need root or CAP_NET_BIND_SERVICE; start as \
         root with a user to drop to, or give the capability (systemd: \
         AmbientCapabilities=CAP_NET_BIND_SERVICE)"
    )]
    NotPermitted {
        /// The address asked for.
        address: SocketAddr,
        /// UDP or TCP.
        transport: Carrier,
    },
    /// No interface has the address.
    #[error("{address} ({transport}): no interface has this address; `ip address` lists them")]
    NotLocal {
        /// The address asked for.
        address: SocketAddr,
        /// UDP or TCP.
        transport: Carrier,
    },
    /// Anything else that the system said.
    #[error("{address} ({transport}): {source}")]
    System {
        /// The address asked for.
        address: SocketAddr,
        /// UDP or TCP.
        transport: Carrier,
        /// The system's reason.
        source: io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("{0}")]
    Certificate(Fault),
}

/// What a listen address was being bound for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
}

impl Carrier {
    fn ss_flag(self) -> &'static str {
        match self {
            Carrier::Udp => "u",
            Carrier::Tcp => "t",
        }
    }
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Carrier::Udp => "UDP",
            Carrier::Tcp => "TCP",
        })
    }
}

fn systemd_hint(address: &SocketAddr) -> &'static str {
    if address.port() == 53 && address.ip().is_unspecified() {
        "; systemd-resolved often holds 127.0.0.53:53: list this host's own addresses instead"
    } else {
        ""
    }
}

impl BindError {
    fn new(address: SocketAddr, transport: Carrier, source: io::Error) -> BindError {
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address, transport },
            io::ErrorKind::PermissionDenied => BindError::NotPermitted { address, transport },
            io::ErrorKind::AddrNotAvailable => BindError::NotLocal { address, transport },
            _ => BindError::System { address, transport, source },
        }
    }
}

/// Binds every socket that the settings name and reads the certificates.
///
/// # Errors
/// The first address that cannot be had, or the first certificate that cannot be used.
pub fn bind(settings: &Settings) -> Result<Bound, BindError> {
    let workers = match settings.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let mut bound = Bound {
        workers,
        udp: Vec::new(),
        udp_batch: settings.udp.batch.clamp(1, 1024),
        rate_limit: settings.rate_limit.clone(),
        observe: settings.observe.clone(),
        tcp: Vec::new(),
        tcp_settings: settings.tcp,
        encrypted: Vec::new(),
        quic: Vec::new(),
        certificate: None,
        local_addrs: LocalAddrs::default(),
    };
    for &address in &settings.listen {
        let (socket, address) = bind_plain(address, workers, settings, &mut bound.udp)?;
        bound.tcp.push(Listener { socket, carries: Carries::Dns });
        bound.local_addrs.udp.push(address);
        bound.local_addrs.tcp.push(address);
    }
    if let Some(encrypted) = &settings.encrypted {
        bind_encrypted(encrypted, settings, &mut bound)?;
    }
    Ok(bound)
}

/// Binds TCP listeners for something else than DNS, and gives them with their addresses. They do not
/// block.
///
/// # Errors
/// The first address that cannot be had.
pub fn bind_listeners(
    addresses: &[SocketAddr],
) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), BindError> {
    let backlog = TcpSettings::default().backlog;
    let bound: Result<Vec<_>, _> =
        addresses.iter().map(|address| bind_tcp(*address, backlog)).collect();
    Ok(bound?.into_iter().unzip())
}

fn bind_encrypted(
    encrypted: &EncryptedSettings,
    settings: &Settings,
    bound: &mut Bound,
) -> Result<(), BindError> {
    let certificate =
        Arc::new(Certificate::read(&encrypted.files).map_err(BindError::Certificate)?);
    bound.certificate = Some(Arc::clone(&certificate));
    let config = |versions: &[&'static SupportedProtocolVersion], alpn: &[&[u8]]| {
        certificate.server_config(versions, alpn).map_err(BindError::Certificate)
    };
    let path: Arc<str> = encrypted.path.as_str().into();
    let tls = Carries::Tls(config(ALL_VERSIONS, &[b"dot"])?);
    let https = Carries::Https(config(ALL_VERSIONS, &[b"h2", b"http/1.1"])?, path);
    let by_tcp = [
        (&encrypted.tls, tls, &mut bound.local_addrs.tls),
        (&encrypted.https, https, &mut bound.local_addrs.https),
    ];
    for (listen, carries, local_addrs) in by_tcp {
        for &address in listen {
            let (socket, address) = bind_tcp(address, settings.tcp.backlog)?;
            local_addrs.push(address);
            bound.encrypted.push(Listener { socket, carries: carries.clone() });
        }
    }
    // QUIC is bound to TLS 1.3 (RFC 9001 §4.2).
    let quic = QuicCarries::Dns(config(&[&TLS13], &[b"doq"])?);
    let http3 = QuicCarries::Http(config(&[&TLS13], &[b"h3"])?);
    let by_quic = [
        (&encrypted.quic, quic, &mut bound.local_addrs.quic),
        (&encrypted.http3, http3, &mut bound.local_addrs.http3),
    ];
    for (listen, carries, local_addrs) in by_quic {
        for &address in listen {
            let (socket, address) = bind_quic(address, &settings.udp)?;
            local_addrs.push(address);
            let idle_timeout = settings.tcp.idle_timeout;
            bound.quic.push(QuicListener { socket, carries: carries.clone(), idle_timeout });
        }
    }
    Ok(())
}

/// A socket for QUIC, with buffers as for plain DNS.
fn bind_quic(
    address: SocketAddr,
    settings: &UdpSettings,
) -> Result<(UdpSocket, SocketAddr), BindError> {
    let bind = || -> io::Result<(UdpSocket, SocketAddr)> {
        let socket = new_socket(address, Type::DGRAM)?;
        let _ = socket.set_recv_buffer_size(settings.receive_buffer);
        let _ = socket.set_send_buffer_size(settings.send_buffer);
        socket.bind(&SockAddr::from(address))?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from(socket);
        let address = socket.local_addr()?;
        Ok((socket, address))
    };
    bind().map_err(|source| BindError::new(address, Carrier::Udp, source))
}

/// Binds TCP and then UDP on one port. Where the system is to choose the port, it may choose one
/// for TCP that UDP cannot have; then another is tried.
fn bind_plain(
    asked: SocketAddr,
    workers: usize,
    settings: &Settings,
    sockets: &mut Vec<Arc<Socket>>,
) -> Result<(TcpListener, SocketAddr), BindError> {
    const ATTEMPTS: usize = 32;
    let mut attempt = 1;
    loop {
        let (listener, address) = bind_tcp(asked, settings.tcp.backlog)?;
        match bind_udp(address, workers, &settings.udp) {
            Ok(bound) => {
                sockets.extend(bound);
                return Ok((listener, address));
            }
            Err(BindError::InUse { .. }) if asked.port() == 0 && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

fn bind_tcp(address: SocketAddr, backlog: u32) -> Result<(TcpListener, SocketAddr), BindError> {
    let bind = || -> io::Result<(TcpListener, SocketAddr)> {
        let socket = new_socket(address, Type::STREAM)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SockAddr::from(address))?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|source| BindError::new(address, Carrier::Tcp, source))
}

/// One socket for each worker, all on the same address.
fn bind_udp(
    address: SocketAddr,
    workers: usize,
    settings: &UdpSettings,
) -> Result<Vec<Arc<Socket>>, BindError> {
    let bind = || -> io::Result<Vec<Arc<Socket>>> {
        // SO_REUSEPORT would share the port with a second server of the same user without a
        // word; a socket without it finds such a one out.
        let probe = new_socket(address, Type::DGRAM)?;
        probe.bind(&SockAddr::from(address))?;
        drop(probe);
        (0..workers)
            .map(|_| {
                let socket = new_socket(address, Type::DGRAM)?;
                socket.set_reuse_port(true)?;
                udp::prepare(&socket, address, settings)?;
                socket.bind(&SockAddr::from(address))?;
                Ok(Arc::new(socket))
            })
            .collect()
    };
    bind().map_err(|source| BindError::new(address, Carrier::Udp, source))
}

fn new_socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are separate addresses, whatever net.ipv6.bindv6only says.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(address: &str) -> Settings {
        let mut settings = Settings::new(vec![address.parse().unwrap()]);
        settings.workers = 2;
        settings
    }

    #[test]
    fn udp_and_tcp_get_the_same_port() {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
            let bound = bind(&on(address)).unwrap();
            let addrs = bound.local_addrs();
            assert_eq!(addrs.udp, addrs.tcp);
            assert_ne!(addrs.udp[0].port(), 0);
            assert_eq!(bound.udp.len(), 2, "one socket a worker");
        }
    }

    #[test]
    fn both_wildcards_share_a_port() {
        let first = bind(&on("0.0.0.0:0")).unwrap();
        let port = first.local_addrs().udp[0].port();
        bind(&on(&format!("[::]:{port}"))).unwrap();
    }

    #[test]
    fn a_port_in_use_is_named_with_the_way_to_find_its_owner() {
        let first = bind(&on("127.0.0.1:0")).unwrap();
        let address = first.local_addrs().tcp[0].to_string();
        let message = bind(&on(&address)).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{address} (TCP) is in use")), "{message}");
        assert!(
            message.contains(&format!("ss -lnpt 'sport = :{}'", first.local_addrs().tcp[0].port()))
        );
    }

    #[test]
    fn a_udp_port_shared_by_so_reuseport_is_in_use_all_the_same() {
        let mut first = bind(&on("127.0.0.1:0")).unwrap();
        let address = first.local_addrs().udp[0];
        first.tcp.clear();
        let error = bind(&on(&address.to_string())).unwrap_err();
        assert!(
            matches!(error, BindError::InUse { transport: Carrier::Udp, .. }),
            "{error} although UDP workers hold {address}"
        );
    }

    #[test]
    fn an_address_that_no_interface_has_is_said_to_be_such() {
        let message = bind(&on("192.0.2.1:0")).unwrap_err().to_string();
        assert_eq!(
            message,
            "192.0.2.1:0 (TCP): no interface has this address; `ip address` lists them"
        );
    }

    #[test]
    fn lack_of_permission_names_the_capability() {
        let error = BindError::new(
            "127.0.0.1:53".parse().unwrap(),
            Carrier::Udp,
            io::ErrorKind::PermissionDenied.into(),
        );
        assert!(error.to_string().contains("CAP_NET_BIND_SERVICE"));
    }
}
