//! One connection: what was asked, what was sent of it, and what came back.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::socket::Socket;
use crate::payload::Payload;

/// How many lost datagrams are remembered. Each has taken a timeout before the next is sent, so
/// that a reply that is later than all of them would be seconds late.
const REMEMBERED: usize = 64;

/// One connection to a server that echoes.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    /// Where the connection's bytes begin in the payload.
    origin: u64,
    /// Bytes that the messages asked for so far amount to.
    asked: u64,
    /// Invariant: `received <= sent <= asked`.
    sent: u64,
    received: u64,
    /// Whether the socket took less than it was given at the last attempt.
    blocked: bool,
    /// When each message in flight was asked for, oldest first.
    asked_at: VecDeque<Instant>,
    /// Where datagrams that were given up begin, oldest first.
    lost: VecDeque<u64>,
}

impl Connection {
    /// Takes over a socket that does not block.
    pub(super) fn new(socket: Socket, origin: u64) -> Self {
        Self {
            socket,
            origin,
            asked: 0,
            sent: 0,
            received: 0,
            blocked: false,
            asked_at: VecDeque::new(),
            lost: VecDeque::new(),
        }
    }

    /// Tells whether the rest of what was asked for waits for room in the socket.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Asks for `count` more messages of `size` bytes.
    pub(super) fn ask(&mut self, count: usize, size: u64, now: Instant) {
        self.asked += count as u64 * size;
        self.asked_at.extend(std::iter::repeat_n(now, count));
    }

    /// Sends what was asked for and is not yet sent, as far as the socket takes it.
    pub(super) fn send(&mut self, payload: &Payload) -> io::Result<()> {
        self.blocked = false;
        while self.sent < self.asked && !self.blocked {
            let piece = payload.slice(self.origin, self.sent, self.asked - self.sent);
            match self.socket.send(piece) {
                Ok(length) => self.sent += length as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Receives once and checks every byte. Returns when each of the messages was asked for that
    /// are now whole.
    pub(super) fn receive(
        &mut self,
        payload: &Payload,
        size: u64,
        buffer: &mut [u8],
    ) -> io::Result<impl ExactSizeIterator<Item = Instant>> {
        let length = match self.socket.receive(buffer) {
            Ok(0) => return Err(io::Error::other("the server closed a connection")),
            Ok(length) => length as u64,
            Err(error) if is_transient(&error) => 0,
            Err(error) => return Err(error),
        };
        if self.is_late(payload, &buffer[..length as usize]) {
            return Ok(self.asked_at.drain(..0));
        }
        if self.received + length > self.sent {
            return Err(io::Error::other("more came back than was sent"));
        }
        if buffer[..length as usize] != *payload.slice(self.origin, self.received, length) {
            return Err(self.wrong_byte(payload, &buffer[..length as usize]));
        }
        let whole = (self.received + length) / size - self.received / size;
        self.received += length;
        Ok(self.asked_at.drain(..whole as usize))
    }

    /// Gives up the datagram in flight, if there is one. Returns how many that were.
    pub(super) fn give_up(&mut self) -> usize {
        let count = self.asked_at.len();
        if count > 0 {
            self.lost.push_back(self.received);
            self.asked_at.clear();
            self.received = self.asked;
            self.sent = self.asked;
        }
        if self.lost.len() > REMEMBERED {
            self.lost.pop_front();
        }
        count
    }

    /// Tells whether `came` is the reply to a datagram that was given up.
    fn is_late(&self, payload: &Payload, came: &[u8]) -> bool {
        let is = |&position| came == payload.slice(self.origin, position, came.len() as u64);
        !came.is_empty() && self.lost.iter().any(is)
    }

    /// Names the first byte of `came` that is not the one that was sent.
    fn wrong_byte(&self, payload: &Payload, came: &[u8]) -> io::Error {
        let sent = payload.slice(self.origin, self.received, came.len() as u64);
        let place = came.iter().zip(sent).take_while(|(came, sent)| came == sent).count();
        io::Error::other(format!(
            "byte {} of a connection came back as {:#04x}, sent was {:#04x}",
            self.received + place as u64,
            came[place],
            sent[place],
        ))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Tells whether the call is to be made again at the next event.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::MAX_SLICE;
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
    use std::time::Duration;

    const SIZE: u64 = 100;

    /// Returns a connection that has sent `count` messages, and the server's end of it.
    fn connected(payload: &Payload, count: usize) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (server, _) = listener.accept().unwrap();
        let mut connection = Connection::new(Socket::Tcp(stream), payload.origin(0));
        connection.ask(count, SIZE, Instant::now());
        connection.send(payload).unwrap();
        assert!(!connection.is_blocked());
        (connection, server)
    }

    fn sent(payload: &Payload, length: u64) -> Vec<u8> {
        payload.slice(payload.origin(0), 0, length).to_vec()
    }

    #[test]
    fn messages_are_counted_when_they_are_whole() {
        let payload = Payload::new(1);
        let (mut connection, mut server) = connected(&payload, 3);
        let bytes = sent(&payload, 3 * SIZE);
        let mut at = 0;
        for (length, whole) in [(99, 0), (1, 1), (150, 1), (50, 1)] {
            server.write_all(&bytes[at..at + length]).unwrap();
            // A buffer of the piece's own length: the stream blocks here, so it is filled.
            let mut buffer = vec![0; length];
            assert_eq!(connection.receive(&payload, SIZE, &mut buffer).unwrap().len(), whole);
            at += length;
        }
    }

    #[test]
    fn wrong_answers_are_errors() {
        let payload = Payload::new(1);
        let bytes = sent(&payload, 2 * SIZE);
        let mut flipped = bytes[..100].to_vec();
        flipped[42] ^= 1;
        let cases: &[(&str, &[u8], &str)] = &[
            ("flipped bit", &flipped, "byte 42"),
            ("first message lost", &bytes[100..], "byte 0"),
            ("a byte doubled", &[&bytes[..10], &bytes[9..99]].concat(), "byte 10"),
            ("closed", b"", "closed"),
            ("too much", &bytes, "more came back"),
        ];
        for (name, answer, expected) in cases {
            let (mut connection, mut server) = connected(&payload, 1);
            server.write_all(answer).unwrap();
            server.shutdown(Shutdown::Write).unwrap();
            let mut buffer = vec![0; MAX_SLICE];
            let Err(error) = connection.receive(&payload, SIZE, &mut buffer) else {
                panic!("{name}: no error");
            };
            assert!(error.to_string().contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn late_datagram_is_no_answer_to_the_next() {
        let payload = Payload::new(1);
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.connect(server.local_addr().unwrap()).unwrap();
        server.connect(socket.local_addr().unwrap()).unwrap();
        let mut connection = Connection::new(Socket::Udp(socket), payload.origin(0));

        let mut buffer = vec![0; MAX_SLICE];
        let mut answer = |connection: &mut Connection, index: u64| {
            server.send(payload.slice(payload.origin(0), index * SIZE, SIZE)).unwrap();
            connection.receive(&payload, SIZE, &mut buffer).map(|whole| whole.len())
        };
        assert_eq!(connection.give_up(), 0);
        connection.ask(1, SIZE, Instant::now());
        connection.send(&payload).unwrap();
        assert_eq!(connection.give_up(), 1);
        assert_eq!(answer(&mut connection, 0).unwrap(), 0);
        connection.ask(1, SIZE, Instant::now());
        connection.send(&payload).unwrap();
        assert_eq!(answer(&mut connection, 0).unwrap(), 0);
        assert_eq!(answer(&mut connection, 1).unwrap(), 1);
        assert!(answer(&mut connection, 2).is_err());
    }
}
