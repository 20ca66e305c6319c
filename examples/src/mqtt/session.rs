//! What the broker does with the packets of a client.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use evio::{Conn, ConnId, InputStream};

use super::broker::Broker;
use super::encode::{self, ConnectCode};
use super::flow::{Gate, Message};
use super::packet::{self, Connect, End, Packet, Publish, Qos};
use super::retained::Publication;
use super::topics::{self, Filters};

/// The longest name of a client. Up to 23 bytes a server must take [MQTT-3.1.3-5].
const MAX_NAME_LEN: usize = 128;

/// The most filters that one client subscribes to, and names in one packet.
const MAX_SUBSCRIPTIONS: usize = 100;

/// The longest will, with its topic. Nobody is there any more who could be made to wait, so wills
/// come in any case, and those of many clients at once when their network fails.
const MAX_WILL: usize = 1024;

/// A filter that cannot be subscribed to, in a SUBACK.
const FAILURE: u8 = 0x80;

impl Broker {
    /// Carries out the packets of a client that are whole, until it has to wait: for itself, while
    /// it does not take the replies, or at a gate. `drained` and `go_on` come back here then,
    /// without input.
    pub(super) fn serve(&mut self, conn: &mut Conn<'_>, input: &[u8]) {
        let id = conn.id();
        let Some(client) = self.clients.get_mut(id) else { return };
        // Out of the map, since a packet can concern any client.
        let mut stream = mem::take(&mut client.input);
        let result = self.carry_out_all(conn, &mut stream, input);
        match (result, self.clients.get_mut(id)) {
            (Ok(count), Some(client)) => {
                client.input = stream;
                // What counts is a whole packet [MQTT-3.1.2-24], and that it is read from again.
                if count > 0 || input.is_empty() {
                    client.keep_alive(conn);
                }
            }
            (Ok(_), None) => {}
            (Err(End(reason)), _) => self.close(&mut conn.event_loop(), id, &reason),
        }
    }

    /// Returns how many packets were carried out.
    fn carry_out_all(
        &mut self,
        conn: &mut Conn<'_>,
        stream: &mut InputStream,
        input: &[u8],
    ) -> Result<usize, End> {
        let id = conn.id();
        let mut unread = stream.begin(input).map_err(|_| End("too much input"))?;
        let mut count = 0;
        while !conn.is_congested() && !conn.is_paused() {
            if self.had_its_share(&mut conn.event_loop(), id) {
                break;
            }
            let Some((packet, len)) = packet::parse(&unread, self.settings.max_packet)? else {
                break;
            };
            if !self.carry_out(conn, &packet)? {
                break;
            }
            unread.consume(len);
            count += 1;
        }
        Ok(count)
    }

    /// Returns whether a packet was carried out; otherwise the client has to wait.
    fn carry_out(&mut self, conn: &mut Conn<'_>, packet: &Packet<'_>) -> Result<bool, End> {
        let id = conn.id();
        let is_connected = self.clients.get(id).is_some_and(|client| client.name.is_some());
        let introduces = matches!(packet, Packet::Connect(_) | Packet::ConnectOtherLevel);
        if introduces == is_connected {
            // [MQTT-3.1.0-1], [MQTT-3.1.0-2]
            return Err(End("the first packet is a CONNECT, and no other"));
        }
        match packet {
            Packet::Connect(connect) => self.connect(conn, connect)?,
            Packet::ConnectOtherLevel => {
                conn.write(&encode::connack(ConnectCode::WrongLevel));
                return Err(End("another version of the protocol"));
            }
            Packet::Publish(publish) => return Ok(self.publish(conn, publish)),
            Packet::PubAck(packet_id) => {
                let client = self.clients.get_mut(id);
                if client.is_some_and(|client| client.inflight.acknowledge(*packet_id)) {
                    conn.set_timer(None);
                    self.opened.push_back(Gate::Subscriber(id));
                }
            }
            Packet::Subscribe(packet_id, filters) => self.subscribe(conn, *packet_id, filters)?,
            Packet::Unsubscribe(packet_id, filters) => {
                self.unsubscribe(id, filters);
                conn.write(&encode::ack(0xb0, *packet_id));
            }
            Packet::PingReq => conn.write(&encode::PINGRESP),
            Packet::Disconnect => {
                // [MQTT-3.14.4-3]
                if let Some(client) = self.clients.get_mut(id) {
                    client.will = None;
                }
                return Err(End("it has disconnected"));
            }
        }
        Ok(true)
    }

    fn connect(&mut self, conn: &mut Conn<'_>, connect: &Connect<'_>) -> Result<(), End> {
        let (id, stamp) = (conn.id(), self.stamp());
        let Connect { client_id, clean_session, keep_alive, will } = connect;
        // Who wants to find a session again must have a name [MQTT-3.1.3-8].
        if client_id.len() > MAX_NAME_LEN || (client_id.is_empty() && !clean_session) {
            conn.write(&encode::connack(ConnectCode::WrongClientId));
            return Err(End("no name for a client"));
        }
        let Some(client) = self.clients.get_mut(id) else { return Ok(()) };
        let name: Arc<str> = (*client_id).into();
        client.name = Some(Arc::clone(&name));
        client.stamp = stamp;
        // One and a half times what the client has said [MQTT-3.1.2-24].
        let keep_alive = Duration::from_millis(u64::from(*keep_alive) * 1500);
        client.keep_alive = Some(keep_alive).filter(|time| !time.is_zero());
        let will = will.as_ref().map(|will| Publication::new(will, stamp));
        if will.as_ref().is_some_and(|will| will.len() > MAX_WILL) {
            return Err(End("its will is too long")); // [MQTT-3.2.2-6]
        }
        client.will = will;
        conn.write(&encode::connack(ConnectCode::Accepted));
        // Who has no name of its own is known by its connection [MQTT-3.1.3-6]. An older client
        // with the same name ends [MQTT-3.1.4-2], on whatever loop it is.
        if !name.is_empty() {
            if let Some(older) = self.names.insert(Arc::clone(&name), id) {
                self.close(&mut conn.event_loop(), older, &"another client has its name");
            }
            self.send_all(&Message::Connected(name, stamp));
        }
        Ok(())
    }

    /// Returns whether a message was published; otherwise its publisher has to wait.
    fn publish(&mut self, conn: &mut Conn<'_>, publish: &Publish<'_>) -> bool {
        let id = conn.id();
        let event_loop = &mut conn.event_loop();
        self.work += self.filters.find(publish.topic, &mut self.found);
        if let Some(gate) = self.shut_gate(event_loop, id) {
            self.wait_at(event_loop, gate, id);
            return false;
        }
        let message = Publication::new(publish, self.stamp());
        self.deliver(event_loop, &message, id);
        // The broker has taken it [MQTT-3.3.4-1].
        if let Some(packet_id) = publish.packet_id {
            conn.write(&encode::ack(0x40, packet_id));
        }
        true
    }

    fn subscribe(
        &mut self,
        conn: &mut Conn<'_>,
        packet_id: u16,
        filters: &[(&str, Qos)],
    ) -> Result<(), End> {
        let id = conn.id();
        if filters.len() > MAX_SUBSCRIPTIONS {
            return Err(End("too many filters in one packet"));
        }
        let Some(client) = self.clients.get_mut(id) else { return Ok(()) };
        let (mut codes, mut granted) = (Vec::new(), Filters::default());
        for &(filter, qos) in filters {
            // Who has too much to acknowledge is granted less than it asks for (3.8.4). It cannot
            // wait, since its acknowledgements come behind this.
            let qos = if client.inflight.is_full { Qos::AtMostOnce } else { qos };
            let is_new = !client.filters.contains(filter);
            let has_room = !is_new || client.filters.len() < MAX_SUBSCRIPTIONS;
            if !topics::is_filter(filter) || !has_room {
                codes.push(FAILURE);
                continue;
            }
            client.filters.insert(filter.into());
            self.filters.insert(filter, id, qos);
            codes.push(qos as u8);
            granted.insert(filter, (), qos);
        }
        conn.write(&encode::suback(packet_id, &codes));
        // The filters of one packet are looked at together, so that each message comes once, with
        // the best QoS: all of them at once are no more than may wait for a client.
        self.work += self.retained.len();
        let mut found = Vec::new();
        for message in self.retained.iter() {
            self.work += granted.find(&message.topic, &mut found);
            if let Some(((), qos)) = found.first() {
                // [MQTT-3.3.1-6], [MQTT-3.3.1-8]
                client.send(conn, message, *qos, true, self.settings.patience);
            }
        }
        Ok(())
    }

    fn unsubscribe(&mut self, id: ConnId, filters: &[&str]) {
        let Some(client) = self.clients.get_mut(id) else { return };
        for &filter in filters {
            // Without a subscription, that is confirmed as well [MQTT-3.10.4-5].
            if client.filters.remove(filter) {
                self.filters.remove(filter, id);
            }
        }
    }
}
