//! A client of MQTT that does what a test says, and nothing by itself.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test uses its part")]

mod packets;

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use crate::util::Server;

pub use packets::{
    CONNACK, Connect, PINGRESP, PUBACK, Received, SUBACK, UNSUBACK, packet, puback, publish,
    subscribe, text,
};

pub const MQTT_BROKER: &str = env!("CARGO_BIN_EXE_mqtt-broker");

/// Starts a broker that gives each loop its connections in turn.
pub fn start(loops: &str, flags: &[&str]) -> Server {
    let own = ["--port", "0", "--loops", loops, "--balance", "round-robin"];
    Server::start(MQTT_BROKER, &[&own, flags].concat(), 1)
}

impl Connect<'_> {
    pub fn connect(&self, server: &Server) -> Client {
        let mut client = Client::open(server);
        client.write(&self.packet());
        assert_eq!(client.read(), (CONNACK, vec![0, 0]), "{}", self.name);
        client
    }
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
        self.write(&subscribe(9, filters));
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
        let received = Received::parse(first, &body);
        if let Some(packet_id) = received.packet_id {
            self.write(&puback(packet_id));
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
