//! The packets that a client sends, read from bytes. The sections named are those of
//! <https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html>.

use std::mem;

use super::topics;

/// How well a message is delivered. There is no "exactly once" here; who asks for it as a
/// subscriber is granted the next best (3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// QoS 0: at most once.
    AtMostOnce,
    /// QoS 1: at least once.
    AtLeastOnce,
}

/// A packet, as it lies in the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The client introduces itself.
    Connect(Connect<'a>),
    /// A client of another version of the protocol introduces itself.
    ConnectOtherLevel,
    /// A message for all who have subscribed.
    Publish(Publish<'a>),
    /// The client has taken the message with this packet id.
    PubAck(u16),
    /// The client subscribes to filters, with the QoS that it is granted at most.
    Subscribe(u16, Vec<(&'a str, Qos)>),
    /// The client takes back subscriptions.
    Unsubscribe(u16, Vec<&'a str>),
    /// The client is still there.
    PingReq,
    /// The client leaves, and its will is void.
    Disconnect,
}

/// What a client says of itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Its name, which may be empty.
    pub client_id: &'a str,
    /// Whether it wants no state kept from one connection to the next.
    pub clean_session: bool,
    /// In seconds; zero is for ever.
    pub keep_alive: u16,
    /// What is published when it ends without saying so.
    pub will: Option<Publish<'a>>,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// What it is about.
    pub topic: &'a str,
    /// What it says.
    pub payload: &'a [u8],
    /// How it is to be delivered.
    pub qos: Qos,
    /// Whether it is kept for those who subscribe later.
    pub retain: bool,
    /// The id to acknowledge, at QoS 1.
    pub packet_id: Option<u16>,
}

/// Why a connection is to be closed, such as that its input is no packet that this broker takes
/// [MQTT-4.8.0-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End(pub &'static str);

/// Reads the packet at the beginning of `input`, and returns it with its length; `None` while it is
/// not whole. A packet that announces more than `max_len` bytes behind its fixed header is refused
/// before it has come.
///
/// # Errors
///
/// Fails when no input that follows could make it a packet.
pub fn parse(input: &[u8], max_len: usize) -> Result<Option<(Packet<'_>, usize)>, End> {
    let Some((&first, rest)) = input.split_first() else { return Ok(None) };
    let (kind, flags) = (first >> 4, first & 0x0f);
    match (kind, flags) {
        (1 | 4 | 12 | 14, 0) | (3, _) | (8 | 10, 2) => {}
        (5..=7, _) => return Err(End("there is no QoS 2")),
        // [MQTT-2.2.2-2], [MQTT-3.8.1-1], [MQTT-3.10.1-1]
        (1 | 4 | 8 | 10 | 12 | 14, _) => return Err(End("wrong flags")),
        _ => return Err(End("no packet of a client")),
    }
    let Some((len, len_bytes)) = remaining_length(rest)? else { return Ok(None) };
    if len > max_len {
        return Err(End("the packet is too large"));
    }
    let Some(body) = rest.get(len_bytes..len_bytes + len) else { return Ok(None) };
    let mut body = Body(body);
    let packet = match kind {
        1 => connect(&mut body)?,
        3 => Packet::Publish(publish(flags, &mut body)?),
        4 => Packet::PubAck(body.packet_id()?),
        8 => Packet::Subscribe(
            body.packet_id()?,
            body.until_end(|body| Ok((body.str()?, granted(body.u8()?)?)))?,
        ),
        10 => Packet::Unsubscribe(body.packet_id()?, body.until_end(Body::str)?),
        12 => Packet::PingReq,
        _ => Packet::Disconnect,
    };
    if !body.0.is_empty() {
        return Err(End("more bytes than the packet has"));
    }
    Ok(Some((packet, 1 + len_bytes + len)))
}

/// Reads the length of what follows: seven bits a byte, the lowest first, in four bytes at most
/// (2.2.3). Returns it with the number of its bytes.
fn remaining_length(input: &[u8]) -> Result<Option<(usize, usize)>, End> {
    let mut len = 0;
    for (at, &byte) in input.iter().take(4).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((len, at + 1)));
        }
    }
    if input.len() < 4 { Ok(None) } else { Err(End("the remaining length does not end")) }
}

fn connect<'a>(body: &mut Body<'a>) -> Result<Packet<'a>, End> {
    let name = body.str()?;
    let level = body.u8()?;
    match (name, level) {
        ("MQTT", 4) => {}
        // The server names the failure [MQTT-3.1.2-2]. The rest of such a packet is not for us to
        // read; MQIsdp is the name that version 3.1 had.
        ("MQTT", _) | ("MQIsdp", 3) => {
            body.0 = &[];
            return Ok(Packet::ConnectOtherLevel);
        }
        _ => return Err(End("another protocol")), // [MQTT-3.1.2-1]
    }
    let flags = body.u8()?;
    let has = |bit: u8| flags & bit != 0;
    let (has_user, has_password, has_will) = (has(0x80), has(0x40), has(0x04));
    let will_flags = flags & 0x38;
    // [MQTT-3.1.2-3], [MQTT-3.1.2-22], [MQTT-3.1.2-11], [MQTT-3.1.2-14]
    if has(0x01) || (has_password && !has_user) || (!has_will && will_flags != 0) {
        return Err(End("wrong flags"));
    }
    let keep_alive = body.u16()?;
    let client_id = body.str()?;
    let mut will = None;
    if has_will {
        let (topic, payload) = (body.topic()?, body.bytes()?);
        let qos = granted((flags >> 3) & 3)?;
        will = Some(Publish { topic, payload, qos, retain: has(0x20), packet_id: None });
    }
    // Everybody is let in, whatever the name and the password are.
    let _user = has_user.then(|| body.str()).transpose()?;
    let _password = has_password.then(|| body.bytes()).transpose()?;
    Ok(Packet::Connect(Connect { client_id, clean_session: has(0x02), keep_alive, will }))
}

fn publish<'a>(flags: u8, body: &mut Body<'a>) -> Result<Publish<'a>, End> {
    let (is_repeated, retain) = (flags & 8 != 0, flags & 1 != 0);
    let qos = match (flags >> 1) & 3 {
        0 if is_repeated => return Err(End("wrong flags")), // [MQTT-3.3.1-2]
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        2 => return Err(End("there is no QoS 2")),
        _ => return Err(End("wrong flags")), // [MQTT-3.3.1-4]
    };
    let topic = body.topic()?;
    let packet_id = (qos == Qos::AtLeastOnce).then(|| body.packet_id()).transpose()?;
    let payload = mem::take(&mut body.0);
    Ok(Publish { topic, payload, qos, retain, packet_id })
}

/// Returns what a client gets that asks for a QoS: of a subscription [MQTT-3-8.3-4], or of a will
/// [MQTT-3.1.2-14].
fn granted(qos: u8) -> Result<Qos, End> {
    match qos {
        0 => Ok(Qos::AtMostOnce),
        1 | 2 => Ok(Qos::AtLeastOnce),
        _ => Err(End("wrong QoS")),
    }
}

/// What is left of a packet.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], End> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(End("the packet is cut"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, End> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, End> {
        Ok(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    /// [MQTT-2.3.1-1]
    fn packet_id(&mut self) -> Result<u16, End> {
        Some(self.u16()?).filter(|id| *id != 0).ok_or(End("a packet id of zero"))
    }

    fn bytes(&mut self) -> Result<&'a [u8], End> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// [MQTT-1.5.3-1], [MQTT-1.5.3-2]
    fn str(&mut self) -> Result<&'a str, End> {
        match std::str::from_utf8(self.bytes()?) {
            Ok(text) if !text.contains('\0') => Ok(text),
            _ => Err(End("a text that is no UTF-8, or has a null character")),
        }
    }

    fn topic(&mut self) -> Result<&'a str, End> {
        Some(self.str()?).filter(|topic| topics::is_topic(topic)).ok_or(End("wrong topic"))
    }

    /// Reads entries to the end, of which there must be one: [MQTT-3.8.3-3], [MQTT-3.10.3-2].
    fn until_end<T>(
        &mut self,
        mut entry: impl FnMut(&mut Self) -> Result<T, End>,
    ) -> Result<Vec<T>, End> {
        let mut entries = vec![entry(self)?];
        while !self.0.is_empty() {
            entries.push(entry(self)?);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests;
