//! The packets that the broker sends.

/// PINGRESP (3.13).
pub const PINGRESP: [u8; 2] = [0xd0, 0];

/// What a CONNACK says (3.2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectCode {
    /// The client is connected.
    Accepted = 0,
    /// The server does not speak this version.
    WrongLevel = 1,
    /// The client cannot have this name.
    WrongClientId = 2,
}

/// CONNACK. No session is ever present, since none is kept [MQTT-3.2.2-3].
#[must_use]
pub fn connack(code: ConnectCode) -> [u8; 4] {
    [0x20, 2, 0, code as u8]
}

/// PUBACK or UNSUBACK, by its first byte: 0x40, the broker has taken a message, or 0xb0.
#[must_use]
pub fn ack(first: u8, packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [first, 2, high, low]
}

/// SUBACK, with a code for each filter: the QoS that is granted, or 0x80 [MQTT-3.8.4-5].
#[must_use]
pub fn suback(packet_id: u16, codes: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x90];
    remaining_length(2 + codes.len(), &mut packet);
    packet.extend(packet_id.to_be_bytes());
    packet.extend(codes);
    packet
}

/// Writes a PUBLISH up to its payload: many subscribers share that, and have their own packet ids,
/// which say that they are to acknowledge it.
pub fn publish_head(
    topic: &str,
    payload_len: usize,
    packet_id: Option<u16>,
    retain: bool,
    head: &mut Vec<u8>,
) {
    let id = packet_id.map(u16::to_be_bytes);
    head.clear();
    head.push(0x30 | u8::from(id.is_some()) << 1 | u8::from(retain));
    remaining_length(2 + topic.len() + id.map_or(0, |id| id.len()) + payload_len, head);
    // A topic has come in a packet, or was checked: it is not longer than two bytes tell.
    head.extend((topic.len() as u16).to_be_bytes());
    head.extend(topic.as_bytes());
    head.extend(id.into_iter().flatten());
}

/// See 2.2.3.
fn remaining_length(mut len: usize, packet: &mut Vec<u8>) {
    while len > 0x7f {
        packet.push(len as u8 | 0x80);
        len >>= 7;
    }
    packet.push(len as u8);
}
