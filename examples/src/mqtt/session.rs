//! What the broker does with the packets of a client.

use std::sync::Arc;
use std::time::Duration;

use evio::{Action, Conn, InputStream};

use super::broker::Broker;
use super::encode::{self, ConnectCode};
use super::flow::{Message, Owed};
use super::packet::{self, Connect, End, Packet, Qos};
use super::retained::Publication;
use super::topics::{self, Filters};

/// The longest name of a client. Up to 23 bytes a server must take [MQTT-3.1.3-5].
const MAX_NAME_LEN: usize = 128;

/// The most filters that one client subscribes to, and names in one packet.
const MAX_SUBSCRIPTIONS: usize = 100;

/// The longest will, with its topic. Nobody is there any more who could be made to wait, so wills
/// come in any case, and those of many clients at once when their network fails.
const MAX_WILL: usize = 1024;

/// How much is done in one callback before other clients get their turn: messages that are written
/// to somebody, and places among the filters where their subscribers are looked for.
const MAX_WORK: usize = 50_000;

/// A filter that cannot be subscribed to, in a SUBACK.
const FAILURE: u8 = 0x80;

impl Broker {
    /// Carries out the packets of a client that are whole, until it has to wait: for itself, while
    /// it does not take the replies, or for those who get its messages. `drained` and `woken` come
    /// back here then, without input.
    pub(super) fn serve(
        &mut self,
        conn: &mut Conn<'_>,
        stream: &mut InputStream,
        input: &[u8],
    ) -> Action {
        self.work = 0;
        let id = conn.id();
        if let Err(End(reason)) = self.carry_out_all(conn, stream, input) {
            self.leave(&mut conn.event_loop(), id, &reason);
            return Action::Close;
        }
        // Time goes on when it is read from again, and stands still while it is not.
        if let Some(client) = self.clients.get(id).filter(|_| input.is_empty() || conn.is_paused())
        {
            client.keep_alive(conn);
        }
        Action::None
    }

    fn carry_out_all(
        &mut self,
        conn: &mut Conn<'_>,
        stream: &mut InputStream,
        input: &[u8],
    ) -> Result<(), End> {
        let mut unread = stream.begin(input).map_err(|_| End("too much input"))?;
        while !conn.is_congested() {
            let parsed = packet::parse(&unread, self.settings.max_packet)?;
            let Some((packet, len)) = parsed else { break };
            if self.must_wait(conn, &packet) {
                conn.pause_reading();
                break;
            }
            self.carry_out(conn, &packet)?;
            unread.consume(len);
            // What counts is a whole packet [MQTT-3.1.2-24].
            if let Some(client) = self.clients.get(conn.id()) {
                client.keep_alive(conn);
            }
        }
        Ok(())
    }

    /// Returns whether a client has to wait before its next packet is carried out, until it is
    /// woken.
    fn must_wait(&mut self, conn: &mut Conn<'_>, packet: &Packet<'_>) -> bool {
        let id = conn.id();
        if self.work > MAX_WORK {
            conn.wake();
            return true;
        }
        if !matches!(packet, Packet::Publish(_)) {
            return false;
        }
        let Some(client) = self.clients.get(id) else { return false };
        // Others may wait for its acknowledgements, which come behind this.
        if self.account.is_full() && !client.inflight.is_full {
            self.waiting.insert(id);
            return true;
        }
        client.account.is_full()
    }

    fn carry_out(&mut self, conn: &mut Conn<'_>, packet: &Packet<'_>) -> Result<(), End> {
        let id = conn.id();
        let Some(client) = self.clients.get_mut(id) else { return Ok(()) };
        let introduces = matches!(packet, Packet::Connect(_) | Packet::ConnectOtherLevel);
        if introduces == client.name.is_some() {
            // [MQTT-3.1.0-1], [MQTT-3.1.0-2]
            return Err(End("the first packet is a CONNECT, and no other"));
        }
        match packet {
            Packet::Connect(connect) => self.connect(conn, connect)?,
            Packet::ConnectOtherLevel => {
                conn.write(&encode::connack(ConnectCode::WrongLevel));
                return Err(End("another version of the protocol"));
            }
            Packet::Publish(publish) => {
                let publisher = Arc::clone(&client.account);
                let message = Publication::new(publish, self.stamp());
                let owed = Owed::new(publisher, &self.account, message.len());
                self.publish(&mut conn.event_loop(), message, owed);
                // The broker has taken it [MQTT-3.3.4-1].
                if let Some(packet_id) = publish.packet_id {
                    conn.write(&encode::ack(0x40, packet_id));
                }
            }
            Packet::PubAck(packet_id) => {
                if client.inflight.acknowledge(*packet_id) {
                    conn.set_timer(None);
                    client.make_room(conn);
                }
            }
            Packet::Subscribe(packet_id, filters) => self.subscribe(conn, *packet_id, filters)?,
            Packet::Unsubscribe(packet_id, filters) => {
                for filter in filters {
                    // Without a subscription, that is confirmed as well [MQTT-3.10.4-5].
                    if client.filters.remove(*filter) {
                        self.filters.remove(filter, id);
                    }
                }
                conn.write(&encode::ack(0xb0, *packet_id));
            }
            Packet::PingReq => conn.write(&encode::PINGRESP),
            Packet::Disconnect => {
                client.will = None; // [MQTT-3.14.4-3]
                return Err(End("it has disconnected"));
            }
        }
        Ok(())
    }

    fn connect(&mut self, conn: &mut Conn<'_>, connect: &Connect<'_>) -> Result<(), End> {
        let (id, stamp) = (conn.id(), self.stamp());
        let Connect { client_id, clean_session, keep_alive, will } = connect;
        // Who wants to find a session again must have a name [MQTT-3.1.3-8].
        if client_id.len() > MAX_NAME_LEN || (client_id.is_empty() && !clean_session) {
            conn.write(&encode::connack(ConnectCode::WrongClientId));
            return Err(End("no name for a client"));
        }
        if will.as_ref().is_some_and(|will| will.topic.len() + will.payload.len() > MAX_WILL) {
            return Err(End("its will is too long")); // [MQTT-3.2.2-6]
        }
        let Some(client) = self.clients.get_mut(id) else { return Ok(()) };
        let name: Arc<str> = (*client_id).into();
        client.name = Some(Arc::clone(&name));
        client.stamp = stamp;
        // One and a half times what the client has said [MQTT-3.1.2-24].
        let keep_alive = Duration::from_millis(u64::from(*keep_alive) * 1500);
        client.keep_alive = Some(keep_alive).filter(|time| !time.is_zero());
        client.will = will.as_ref().map(|will| Publication::new(will, stamp));
        conn.write(&encode::connack(ConnectCode::Accepted));
        // Who has no name of its own is known by its connection [MQTT-3.1.3-6]. An older client
        // with the same name ends [MQTT-3.1.4-2], on whatever loop it is.
        if !name.is_empty() {
            if let Some(older) = self.names.insert(Arc::clone(&name), id) {
                self.replace(&mut conn.event_loop(), older);
            }
            self.send_all(&Message::Connected(name, stamp));
        }
        Ok(())
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
        for message in self.retained.iter() {
            let (found, places) = granted.find(&message.topic);
            self.work += places;
            if let Some(((), qos)) = found.first() {
                // [MQTT-3.3.1-6], [MQTT-3.3.1-8]
                client.send(conn, message, *qos, true, self.settings.patience);
            }
        }
        Ok(())
    }
}
