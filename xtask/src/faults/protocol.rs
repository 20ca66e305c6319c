//! What the servers under test speak: requests, and the replies that must come.

use std::net::SocketAddr;

use super::chat;
use super::random::Random;

/// How much an MQTT message brings: the broker takes 256 KiB.
const MESSAGE: usize = 100_000;

/// A protocol with requests that are answered with what they brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Echo,
    Redis,
    Http,
    /// Lines, which all guests hear.
    Chat,
    /// Messages to a topic that only the client itself has subscribed to.
    Mqtt,
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
    /// These lines in this order, between those of others.
    Lines(Vec<String>),
}

impl Protocol {
    /// Returns what a connection of this number sends before its first request, and the reply.
    pub(super) fn introduction(self, number: u64) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Echo | Self::Redis | Self::Http => Default::default(),
            Self::Chat => (chat::introduction(number).into_bytes(), Vec::new()),
            Self::Mqtt => {
                let topic = topic(number);
                // A clean session of 3.1.1 without keep-alive; QoS 0 for what has the packet id 1.
                let connect = [b"\0\x04MQTT\x04\x02\0\0", &topic[..]].concat();
                let subscribe = [b"\0\x01", &topic[..], b"\0"].concat();
                let request = [packet(0x10, &connect), packet(0x82, &subscribe)].concat();
                (request, b"\x20\x02\0\0\x90\x03\0\x01\0".to_vec())
            }
        }
    }

    /// Tells whether a client that has ended its output still gets the replies. What a guest says
    /// goes round by a mailbox, and may find it gone.
    pub(super) fn answers_behind_the_end(self) -> bool {
        self != Self::Chat
    }

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
            Self::Chat => {
                let lines = chat::lines(&bytes);
                let said = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat());
                (said.collect(), Reply::Lines(lines))
            }
            Self::Mqtt => {
                let topic = topic(number);
                let publish = |piece| packet(0x30, &[&topic[..], piece].concat());
                let all: Vec<u8> = bytes.chunks(MESSAGE).flat_map(publish).collect();
                (all.clone(), Reply::Bytes(all))
            }
        }
    }
}

/// Returns the topic of a connection, which is its name, too, as MQTT writes a string.
fn topic(number: u64) -> Vec<u8> {
    let topic = format!("t{number}");
    [&(topic.len() as u16).to_be_bytes(), topic.as_bytes()].concat()
}

/// Returns an MQTT packet, by its first byte (2.2).
fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut len = rest.len();
    while len > 0x7f {
        packet.push(len as u8 | 0x80);
        len >>= 7;
    }
    packet.push(len as u8);
    packet.extend(rest);
    packet
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

    #[test]
    fn a_long_message_is_cut_into_packets() {
        let value = Random::new(1).bytes(100_001);
        let (request, reply) = Protocol::Mqtt.request(100_001, 7, &mut Random::new(1));
        // 100,004 and 5 bytes: a length has seven bits in each byte, the lowest first.
        let first = [b"\x30\xa4\x8d\x06\0\x02t7", &value[..100_000]].concat();
        let second = [b"\x30\x05\0\x02t7", &value[100_000..]].concat();
        assert!(request == [first, second].concat());
        assert_eq!(reply, Reply::Bytes(request));
    }
}
