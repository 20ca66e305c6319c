//! What was sent, for those who check what was received.

use std::fmt;

/// Names a connection, which has it from the moment on that its client begins to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(usize);

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client of this connection.
    FromClient(ConnectionId),
    /// To the client of this connection.
    ToClient(ConnectionId),
}

impl Direction {
    /// Returns what comes in at one end.
    pub(super) fn incoming(connection: ConnectionId, is_client: bool) -> Self {
        if is_client { Self::ToClient(connection) } else { Self::FromClient(connection) }
    }

    /// Returns the connection.
    #[must_use]
    pub fn connection(self) -> ConnectionId {
        match self {
            Self::FromClient(connection) | Self::ToClient(connection) => connection,
        }
    }
}

/// The bytes of every connection.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<Record>);

#[derive(Debug, Default)]
struct Record {
    from_client: Vec<u8>,
    to_client: Vec<u8>,
    was_cut: bool,
    /// It waited to be accepted when that failed by chance, and was not polled for since.
    waits_in_shortage: bool,
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
    pub(super) fn begin(&mut self) -> ConnectionId {
        self.0.push(Record::default());
        ConnectionId(self.0.len() - 1)
    }

    pub(super) fn note_sent(&mut self, of: Direction, bytes: &[u8]) {
        let record = &mut self.0[of.connection().0];
        match of {
            Direction::FromClient(_) => record.from_client.extend_from_slice(bytes),
            Direction::ToClient(_) => record.to_client.extend_from_slice(bytes),
        }
    }

    pub(super) fn note_cut(&mut self, connection: ConnectionId) {
        self.0[connection.0].was_cut = true;
    }

    /// Notes a connection that waits to be accepted when that fails by chance: it may be turned
    /// away.
    pub(super) fn note_shortage(&mut self, connection: ConnectionId) {
        self.0[connection.0].waits_in_shortage = true;
    }

    /// Notes a connection that a loop serves.
    pub(super) fn note_served(&mut self, connection: ConnectionId) {
        self.0[connection.0].waits_in_shortage = false;
    }

    /// Notes that the program has closed a connection: if nobody has served it, because of chance.
    pub(super) fn note_closed(&mut self, connection: ConnectionId) {
        let record = &mut self.0[connection.0];
        record.was_cut |= record.waits_in_shortage;
    }

    pub(super) fn was_cut(&self, connection: ConnectionId) -> bool {
        self.0[connection.0].was_cut
    }

    pub(super) fn any_was_cut(&self) -> bool {
        self.0.iter().any(|record| record.was_cut)
    }

    pub(super) fn sent(&self, of: Direction) -> usize {
        self.bytes(of).len()
    }

    pub(super) fn check(&self, of: Direction, at: usize, bytes: &[u8]) -> Result<(), Mismatch> {
        let sent = self.bytes(of).get(at..).unwrap_or_default();
        if sent.starts_with(bytes) {
            return Ok(());
        }
        let same = sent.iter().zip(bytes).take_while(|(sent, given)| sent == given).count();
        Err(Mismatch { of, at: at + same })
    }

    fn bytes(&self, of: Direction) -> &[u8] {
        let record = &self.0[of.connection().0];
        match of {
            Direction::FromClient(_) => &record.from_client,
            Direction::ToClient(_) => &record.to_client,
        }
    }
}
