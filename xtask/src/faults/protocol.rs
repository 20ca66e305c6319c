//! What the servers under test speak: requests, and the replies that must come.

use std::net::SocketAddr;

use super::random::Random;

/// A protocol with requests that are answered with what they brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Echo,
    Redis,
    Http,
}

/// Where a server listens, and what it speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoint {
    pub(super) protocol: Protocol,
    pub(super) address: SocketAddr,
}

/// The reply that must come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Exactly these bytes.
    Bytes(Vec<u8>),
    /// A successful response with this body.
    Http(Vec<u8>),
}

impl Protocol {
    /// Returns a request with the next `len` bytes of the connection's own stream, and its reply.
    pub(super) fn request(self, len: usize, number: u64, stream: &mut Random) -> (Vec<u8>, Reply) {
        let bytes = stream.bytes(len);
        match self {
            Self::Echo => (bytes.clone(), Reply::Bytes(bytes)),
            Self::Redis => {
                let key = format!("key:{number}");
                let key_len = key.len();
                let set = format!("*3\r\n$3\r\nSET\r\n${key_len}\r\n{key}\r\n${len}\r\n");
                let get = format!("\r\n*2\r\n$3\r\nGET\r\n${key_len}\r\n{key}\r\n");
                let request = [set.as_bytes(), &bytes, get.as_bytes()].concat();
                let head = format!("+OK\r\n${len}\r\n");
                (request, Reply::Bytes([head.as_bytes(), &bytes, b"\r\n"].concat()))
            }
            Self::Http => {
                let head = format!(
                    "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n"
                );
                ([head.as_bytes(), &bytes].concat(), Reply::Http(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Protocol, Reply};
    use crate::faults::random::Random;

    #[test]
    fn requests_take_the_connections_stream_on() {
        let mut stream = Random::new(1);
        let (first, reply) = Protocol::Echo.request(10, 1, &mut stream);
        assert_eq!(reply, Reply::Bytes(first.clone()));
        let (second, _) = Protocol::Echo.request(10, 1, &mut stream);
        assert_ne!(first, second);
    }

    #[test]
    fn redis_and_http_answer_with_the_value() {
        let value = Random::new(1).bytes(3);
        let (request, reply) = Protocol::Redis.request(3, 7, &mut Random::new(1));
        assert!(request.starts_with(b"*3\r\n$3\r\nSET\r\n$5\r\nkey:7\r\n$3\r\n"));
        assert_eq!(reply, Reply::Bytes([b"+OK\r\n$3\r\n", &value[..], b"\r\n"].concat()));
        let (request, reply) = Protocol::Http.request(3, 7, &mut Random::new(1));
        assert!(request.ends_with(&value) && request.starts_with(b"POST /echo HTTP/1.1\r\n"));
        assert_eq!(reply, Reply::Http(value));
    }
}
