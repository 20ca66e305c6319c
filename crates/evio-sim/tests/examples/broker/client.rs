//! A client of an MQTT broker.

#[path = "../../../../../examples/tests/mqtt_util/packets.rs"]
mod packets;

use std::io;
use std::rc::Rc;

use evio_sim::{Connection, Net};

use crate::{ADDRESS, send_in_pieces};

use self::packets::{CONNACK, SUBACK, subscribe};
pub(super) use self::packets::{Connect, PINGRESP, PUBACK, Received, puback, publish};

/// A PINGREQ, and a DISCONNECT.
pub(super) const PINGREQ: [u8; 2] = [0xc0, 0];
pub(super) const DISCONNECT: [u8; 2] = [0xe0, 0];

pub(super) struct Client {
    pub(super) net: Rc<Net>,
    pub(super) conn: Connection,
}

impl Client {
    pub(super) async fn connect(net: &Rc<Net>, connect: &Connect<'_>) -> io::Result<Self> {
        let mut client = Self { net: Rc::clone(net), conn: net.connect(ADDRESS).await? };
        client.send(&connect.packet()).await?;
        client.expect(CONNACK, &[0, 0]).await?;
        Ok(client)
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        send_in_pieces(&self.net, &mut self.conn, bytes).await
    }

    /// Reads a packet: its first byte, and what is behind its length.
    async fn read(&mut self) -> io::Result<(u8, Vec<u8>)> {
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

    pub(super) async fn receive(&mut self) -> io::Result<Received> {
        let (first, body) = self.read().await?;
        Ok(Received::parse(first, &body))
    }

    /// Reads a packet that is to be this one.
    pub(super) async fn expect(&mut self, first: u8, body: &[u8]) -> io::Result<()> {
        assert_eq!(self.read().await?, (first, body.to_vec()));
        Ok(())
    }

    /// Subscribes to filters, each with the QoS that is asked for.
    pub(super) async fn subscribe(&mut self, filters: &[(&str, u8)]) -> io::Result<()> {
        self.send(&subscribe(1, filters)).await?;
        let granted = filters.iter().map(|(_, qos)| *qos);
        self.expect(SUBACK, &[0, 1].into_iter().chain(granted).collect::<Vec<_>>()).await
    }

    /// Publishes a message at QoS 1, and waits until the broker has it.
    pub(super) async fn publish(&mut self, topic: &str, payload: &[u8]) -> io::Result<()> {
        self.send(&publish(topic, payload, Some(1), false)).await?;
        self.expect(PUBACK, &[0, 1]).await
    }
}
