//! The packets of MQTT as the tests of the broker make and read them, with sockets of the system or
//! simulated ones: none of the broker's own code is used here, so that a bug of it shows.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

pub const CONNACK: u8 = 0x20;
pub const PUBACK: u8 = 0x40;
pub const SUBACK: u8 = 0x90;
pub const UNSUBACK: u8 = 0xb0;
pub const PINGRESP: u8 = 0xd0;

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

pub fn puback(packet_id: u16) -> Vec<u8> {
    packet(PUBACK, &packet_id.to_be_bytes())
}

/// A SUBSCRIBE to filters, each with the QoS that is asked for.
pub fn subscribe(packet_id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let filters = filters.iter().flat_map(|(filter, qos)| [text(filter), vec![*qos]].concat());
    packet(0x82, &packet_id.to_be_bytes().into_iter().chain(filters).collect::<Vec<_>>())
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
}

/// A message that has come.
#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    pub topic: String,
    pub payload: Vec<u8>,
    pub packet_id: Option<u16>,
    pub is_retained: bool,
}

impl Received {
    /// Reads a PUBLISH from its first byte, and what is behind its length.
    pub fn parse(first: u8, body: &[u8]) -> Self {
        assert_eq!(first & 0xf8, 0x30, "{first:x} is no PUBLISH: {body:x?}");
        let (len, rest) = body.split_at(2);
        let (topic, rest) = rest.split_at(usize::from(u16::from_be_bytes([len[0], len[1]])));
        let (packet_id, payload) = match first & 6 {
            0 => (None, rest),
            _ => (Some(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
        };
        Self {
            topic: String::from_utf8(topic.to_vec()).unwrap(),
            payload: payload.to_vec(),
            packet_id,
            is_retained: first & 1 != 0,
        }
    }
}
