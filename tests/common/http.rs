//! Plain HTTP over a socket: what is sent is what the test says, byte for byte.

use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// A response.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Bytes on the wire.
    pub len: usize,
}

impl Response {
    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        self.headers.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))?;
        write!(f, "\n{}", self.body)
    }
}

/// A connection.
pub struct Client(TcpStream);

impl Client {
    pub fn connect(server: SocketAddr) -> Client {
        let stream = TcpStream::connect(server).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        Client(stream)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the server takes what is sent");
    }

    /// Sends what may fail, since the server may have closed already.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// A response to GET and the like; `None` where the server closed the connection instead.
    pub fn response(&mut self) -> Option<Response> {
        self.read(true)
    }

    /// A response to HEAD.
    pub fn response_without_body(&mut self) -> Option<Response> {
        self.read(false)
    }

    /// True once the server has closed the connection, with or without a last response.
    pub fn is_closed(&mut self) -> bool {
        let mut left = Vec::new();
        match self.0.read_to_end(&mut left) {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    fn read(&mut self, has_body: bool) -> Option<Response> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read_some(&mut bytes)?;
        };
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head in ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut response = Response { status, headers, ..Response::default() };
        let len: usize = match has_body {
            true => response.header("content-length").parse().expect("a length"),
            false => 0,
        };
        while bytes.len() < end + len {
            self.read_some(&mut bytes)?;
        }
        assert_eq!(bytes.len(), end + len, "more than one response was asked for");
        response.len = bytes.len();
        response.body = String::from_utf8(bytes[end..].to_vec()).expect("UTF-8");
        Some(response)
    }

    fn read_some(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        match self.0.read(&mut buffer) {
            Ok(0) => None,
            Ok(len) => {
                bytes.extend_from_slice(&buffer[..len]);
                Some(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("reading a response: {error}"),
        }
    }
}

/// GET with more headers, each with its line end.
pub fn get(server: SocketAddr, host: &str, path: &str, headers: &str) -> Response {
    let mut client = Client::connect(server);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").as_bytes());
    client.response().expect("a response")
}
