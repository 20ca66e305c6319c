//! A client of an MQTT broker, which makes and reads its packets itself.

use std::io;
use std::rc::Rc;

use evio_sim::{Connection, Net};

use crate::{ADDRESS, send_in_pieces};

const CONNACK: u8 = 0x20;
const PUBACK: u8 = 0x40;
const SUBACK: u8 = 0x90;
const PINGRESP: u8 = 0xd0;

/// A PINGREQ, and a DISCONNECT.
pub(super) const PINGREQ: [u8; 2] = [0xc0, 0];
pub(super) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// What the broker has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// A message, with the id to acknowledge at QoS 1.
    Publish {
        topic: String,
        payload: Vec<u8>,
        packet_id: Option<u16>,
    },
    PubAck(u16),
    /// The QoS that was granted to each filter.
    SubAck(u16, Vec<u8>),
    PingResp,
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut len = body.len();
    while len > 127 {
        bytes.push(len as u8 | 128);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend(body);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

/// A PUBLISH, at QoS 1 if it has an id.
pub(super) fn publish(topic: &str, payload: &[u8], packet_id: Option<u16>) -> Vec<u8> {
    let id = packet_id.map(u16::to_be_bytes);
    let id = id.as_ref().map_or(&[][..], |id| id);
    let first = if id.is_empty() { 0x30 } else { 0x32 };
    packet(first, &[&text(topic), id, payload].concat())
}

pub(super) fn subscribe(packet_id: u16, filters: &[(String, u8)]) -> Vec<u8> {
    let filters = filters.iter().flat_map(|(filter, qos)| [text(filter), vec![*qos]].concat());
    packet(0x82, &packet_id.to_be_bytes().into_iter().chain(filters).collect::<Vec<_>>())
}

pub(super) fn puback(packet_id: u16) -> Vec<u8> {
    packet(PUBACK, &packet_id.to_be_bytes())
}

pub(super) struct Client {
    pub(super) net: Rc<Net>,
    pub(super) conn: Connection,
}

impl Client {
    /// Connects with a clean session, a keep-alive in seconds, and a will: its topic and text.
    pub(super) async fn connect(
        net: &Rc<Net>,
        name: &str,
        keep_alive: u16,
        will: Option<(&str, &str)>,
    ) -> io::Result<Self> {
        let flags = if will.is_some() { 0b1110 } else { 0b10 };
        let mut body =
            [&text("MQTT")[..], &[4, flags], &keep_alive.to_be_bytes(), &text(name)].concat();
        if let Some((topic, message)) = will {
            body.extend([text(topic), text(message)].concat());
        }
        let mut client = Self { net: Rc::clone(net), conn: net.connect(ADDRESS).await? };
        client.send(&packet(0x10, &body)).await?;
        let (first, body) = client.read_raw().await?;
        assert_eq!((first, &body[..]), (CONNACK, &[0, 0][..]));
        Ok(client)
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        send_in_pieces(&self.net, &mut self.conn, bytes).await
    }

    async fn read_raw(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let first = self.conn.read_exact(1).await?[0];
        let (mut len, mut shift) = (0, 0);
        loop {
            let byte = usize::from(self.conn.read_exact(1).await?[0]);
            len |= (byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                return Ok((first, self.conn.read_exact(len).await?));
            }
        }
    }

    /// Reads a packet.
    pub(super) async fn read(&mut self) -> io::Result<Packet> {
        let (first, mut body) = self.read_raw().await?;
        let number = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
        Ok(match first {
            PUBACK => Packet::PubAck(number(&body)),
            SUBACK => Packet::SubAck(number(&body), body[2..].to_vec()),
            PINGRESP => Packet::PingResp,
            0x30 | 0x32 => {
                let mut rest = body.split_off(2);
                let mut payload = rest.split_off(usize::from(number(&body)));
                let topic = String::from_utf8(rest).unwrap();
                let mut packet_id = None;
                if first == 0x32 {
                    packet_id = Some(number(&payload));
                    payload.drain(..2);
                }
                Packet::Publish { topic, payload, packet_id }
            }
            _ => panic!("a packet that nobody has asked for: {first:#x} {body:?}"),
        })
    }

    /// Subscribes to filters, each with the QoS that is asked for.
    pub(super) async fn subscribe(&mut self, filters: &[(String, u8)]) -> io::Result<()> {
        self.send(&subscribe(1, filters)).await?;
        let granted = filters.iter().map(|(_, qos)| *qos).collect();
        assert_eq!(self.read().await?, Packet::SubAck(1, granted));
        Ok(())
    }

    /// Publishes a message at QoS 1, and waits until the broker has it.
    pub(super) async fn publish(&mut self, topic: &str, payload: &[u8]) -> io::Result<()> {
        self.send(&publish(topic, payload, Some(1))).await?;
        assert_eq!(self.read().await?, Packet::PubAck(1));
        Ok(())
    }
}
