//! A client of MQTT that does what a test says, and nothing by itself.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use crate::util::Server;

pub const MQTT_BROKER: &str = env!("CARGO_BIN_EXE_mqtt-broker");

pub const CONNACK: u8 = 0x20;
pub const PUBACK: u8 = 0x40;
pub const SUBACK: u8 = 0x90;
pub const UNSUBACK: u8 = 0xb0;
pub const PINGRESP: u8 = 0xd0;

/// Starts a broker that gives each loop its connections in turn.
pub fn start(loops: &str, flags: &[&str]) -> Server {
    let own = ["--port", "0", "--loops", loops, "--balance", "round-robin"];
    Server::start(MQTT_BROKER, &[&own, flags].concat(), 1)
}

pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let (mut packet, mut len) = (vec![first], body.len());
    while len >= 128 {
        packet.push((len % 128) as u8 | 128);
        len /= 128;
    }
    packet.push(len as u8);
    packet.extend(body);
    packet
}

pub fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

/// A PUBLISH; with a packet id, at QoS 1.
pub fn publish(topic: &str, payload: &[u8], packet_id: Option<u16>, retain: bool) -> Vec<u8> {
    let first = 0x30 | u8::from(packet_id.is_some()) << 1 | u8::from(retain);
    let id = packet_id.map(u16::to_be_bytes);
    let id = id.as_ref().map_or(&[][..], |id| id);
    packet(first, &[&text(topic), id, payload].concat())
}

/// What a client says of itself.
pub struct Connect<'a> {
    pub name: &'a str,
    pub keep_alive: u16,
    /// Topic, text, and the bits of the connect flags that are about the will.
    pub will: Option<(&'a str, &'a str, u8)>,
}

impl<'a> Connect<'a> {
    pub fn new(name: &'a str) -> Self {
        Self { name, keep_alive: 0, will: None }
    }

    pub fn packet(&self) -> Vec<u8> {
        let flags = 2 | self.will.map_or(0, |(_, _, flags)| flags | 4);
        let keep_alive = self.keep_alive.to_be_bytes();
        let mut body = [&text("MQTT")[..], &[4, flags], &keep_alive, &text(self.name)].concat();
        if let Some((topic, message, _)) = self.will {
            body.extend([text(topic), text(message)].concat());
        }
        packet(0x10, &body)
    }

    pub fn connect(&self, server: &Server) -> Client {
        let mut client = Client::open(server);
        client.write(&self.packet());
        assert_eq!(client.read(), (CONNACK, vec![0, 0]), "{}", self.name);
        client
    }
}

/// A message that has come.
#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    pub topic: String,
    pub payload: Vec<u8>,
    pub packet_id: Option<u16>,
    pub is_retained: bool,
}

pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects without saying anything.
    pub fn open(server: &Server) -> Self {
        Self { stream: BufReader::with_capacity(64 << 10, server.connect()) }
    }

    pub fn connect(server: &Server, name: &str) -> Self {
        Connect::new(name).connect(server)
    }

    /// Connects as many clients, so one or more to each loop if they are as many as the loops.
    pub fn several<const N: usize>(server: &Server, name: &str) -> [Self; N] {
        let mut number = 0;
        [(); N].map(|()| {
            number += 1;
            Self::connect(server, &format!("{name}-{number}"))
        })
    }

    pub fn stream(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Reads a packet: its first byte, and what is behind its length.
    pub fn read(&mut self) -> (u8, Vec<u8>) {
        self.try_read().expect("the broker sends a packet")
    }

    /// As `read`; `None` at the end of the connection.
    pub fn try_read(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut byte = [0];
        let mut next = |stream: &mut BufReader<TcpStream>| {
            stream.read_exact(&mut byte).ok().map(|()| usize::from(byte[0]))
        };
        let first = next(&mut self.stream)? as u8;
        let mut len = 0;
        for at in 0..4 {
            let byte = next(&mut self.stream)?;
            len |= (byte & 127) << (7 * at);
            if byte < 128 {
                break;
            }
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).ok()?;
        Some((first, body))
    }

    pub fn subscribe(&mut self, filters: &[(&str, u8)]) -> Vec<u8> {
        let filters = filters.iter().map(|(filter, qos)| [&text(filter)[..], &[*qos]].concat());
        self.write(&packet(0x82, &[vec![0, 9], filters.collect::<Vec<_>>().concat()].concat()));
        let (first, body) = self.read();
        assert_eq!((first, &body[..2]), (SUBACK, &[0, 9][..]));
        body[2..].to_vec()
    }

    /// Publishes a message, and waits until the broker has it.
    pub fn publish(&mut self, topic: &str, payload: &str, retain: bool) {
        self.write(&publish(topic, payload.as_bytes(), Some(77), retain));
        assert_eq!(self.read(), (PUBACK, vec![0, 77]));
    }

    /// Reads a message; at QoS 1, it is acknowledged.
    pub fn receive(&mut self) -> Received {
        self.try_receive().expect("a message comes")
    }

    pub fn try_receive(&mut self) -> Option<Received> {
        let (first, body) = self.try_read()?;
        let received = parse(first, &body);
        if let Some(packet_id) = received.packet_id {
            self.write(&packet(0x40, &packet_id.to_be_bytes()));
        }
        Some(received)
    }

    /// Reads a message, and returns its text.
    pub fn receive_text(&mut self) -> String {
        String::from_utf8(self.receive().payload).unwrap()
    }

    /// Waits for the broker to end the connection, after nothing more.
    pub fn expect_end(mut self) {
        let mut rest = Vec::new();
        // It may be a reset.
        let _ = self.stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:x?} came before the end");
    }
}

fn parse(first: u8, body: &[u8]) -> Received {
    assert_eq!(first & 0xf8, 0x30, "{first:x} is no PUBLISH");
    let (len, rest) = body.split_at(2);
    let (topic, rest) = rest.split_at(usize::from(u16::from_be_bytes([len[0], len[1]])));
    let (packet_id, payload) = match first & 6 {
        0 => (None, rest),
        _ => (Some(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
    };
    Received {
        topic: String::from_utf8(topic.to_vec()).unwrap(),
        payload: payload.to_vec(),
        packet_id,
        is_retained: first & 1 != 0,
    }
}
