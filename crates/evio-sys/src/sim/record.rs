//! What was sent, for those who check what was received.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client with this address.
    FromClient(SocketAddr),
    /// To the client with this address.
    ToClient(SocketAddr),
}

/// The bytes of every connection, by the address of its client, which is given out once.
#[derive(Debug, Default)]
pub(super) struct Records(BTreeMap<SocketAddr, Record>);

#[derive(Debug, Default)]
struct Record {
    from_client: Vec<u8>,
    to_client: Vec<u8>,
    was_cut: bool,
}

/// Where the bytes of a stream differ from what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    of: Direction,
    at: usize,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} is not the one that was sent: {:?}", self.at, self.of)
    }
}

impl std::error::Error for Mismatch {}

impl Records {
    pub(super) fn begin(&mut self, client: SocketAddr) {
        self.0.insert(client, Record::default());
    }

    pub(super) fn note_sent(&mut self, of: Direction, bytes: &[u8]) {
        if let Some(sent) = self.bytes_mut(of) {
            sent.extend_from_slice(bytes);
        }
    }

    pub(super) fn note_cut(&mut self, client: SocketAddr) {
        if let Some(record) = self.0.get_mut(&client) {
            record.was_cut = true;
        }
    }

    pub(super) fn was_cut(&self, client: SocketAddr) -> bool {
        self.0.get(&client).is_some_and(|record| record.was_cut)
    }

    pub(super) fn any_was_cut(&self) -> bool {
        self.0.values().any(|record| record.was_cut)
    }

    pub(super) fn sent(&self, of: Direction) -> Option<usize> {
        self.bytes(of).map(Vec::len)
    }

    pub(super) fn check(&self, of: Direction, at: usize, bytes: &[u8]) -> Result<(), Mismatch> {
        let sent = self.bytes(of).and_then(|sent| sent.get(at..)).unwrap_or_default();
        if sent.starts_with(bytes) {
            return Ok(());
        }
        let same = sent.iter().zip(bytes).take_while(|(sent, given)| sent == given).count();
        Err(Mismatch { of, at: at + same })
    }

    fn bytes(&self, of: Direction) -> Option<&Vec<u8>> {
        match of {
            Direction::FromClient(client) => self.0.get(&client).map(|record| &record.from_client),
            Direction::ToClient(client) => self.0.get(&client).map(|record| &record.to_client),
        }
    }

    fn bytes_mut(&mut self, of: Direction) -> Option<&mut Vec<u8>> {
        match of {
            Direction::FromClient(client) => {
                self.0.get_mut(&client).map(|record| &mut record.from_client)
            }
            Direction::ToClient(client) => {
                self.0.get_mut(&client).map(|record| &mut record.to_client)
            }
        }
    }
}
