//! What is sent to servers of each kind, and what must come back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::ValueEnum;

use crate::hub::{MESSAGE, TO_EVERYONE};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// HTTP/1.1: a page for each request
    Http,
    /// RESP: the value of a key
    Redis,
    /// What is sent comes back
    Echo,
    /// Messages of 64 bytes, which come back to their sender or go to everyone
    Frames,
}

/// What every HTTP server of the suite answers with.
const PAGE: &[u8] = b"Hello World!\r\n";

/// What every answer of theirs begins with.
const STATUS: &[u8] = b"HTTP/1.1 200";

/// Sets the key that the paced clients ask for, and asks for it.
const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$5\r\npaced\r\n$3\r\nxxx\r\n";
const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$5\r\npaced\r\n";
const VALUE: &[u8] = b"$3\r\nxxx\r\n";

/// What a message for its sender alone begins with.
const TO_SENDER: u8 = b'e';

/// What a bulk sender sends with each request: a page or value that is large for these servers, and
/// the longest body that the example of HTTP takes.
const BULK: usize = 1 << 20;

/// Requests that a client sends at once where it sends without end.
const BATCH: usize = 64 << 10;

/// How long a server may take to answer the first request.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer. Of HTTP's, the fields between the status and the page may differ, such as the date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    bytes: Vec<u8>,
    /// How many bytes at its beginning and at its end must be as they are here.
    head: usize,
    tail: usize,
}

impl Reply {
    /// An answer that is the same each time.
    fn exact(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), head: bytes.len(), tail: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Tells whether `came` can stand at `position`, where it ends within the answer.
    pub(super) fn matches(&self, position: usize, came: &[u8]) -> bool {
        let tail = self.bytes.len() - self.tail;
        let expected = &self.bytes[position..position + came.len()];
        let mut pairs = (position..).zip(came.iter().zip(expected));
        // A comparison of whole slices, where all of it counts.
        if self.head == self.bytes.len() {
            return came == expected;
        }
        pairs.all(|(at, (came, expected))| (at >= self.head && at < tail) || came == expected)
    }
}

impl Protocol {
    /// Returns the request of a paced client.
    pub(super) fn request(self) -> Vec<u8> {
        match self {
            Self::Http => b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            Self::Redis => GET.to_vec(),
            Self::Echo | Self::Frames => message(TO_SENDER),
        }
    }

    /// Returns as many requests as a client sends at once that sends without end.
    pub(super) fn batch(self) -> Vec<u8> {
        let request = self.request();
        request.repeat(BATCH / request.len())
    }

    /// Returns a request with a large body.
    pub(super) fn bulk(self) -> Vec<u8> {
        let head = match self {
            Self::Http => format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BULK}\r\n\r\n"),
            Self::Redis => format!("*3\r\n$3\r\nSET\r\n$4\r\nbulk\r\n${BULK}\r\n"),
            Self::Echo | Self::Frames => String::new(),
        };
        let end: &[u8] = if self == Self::Redis { b"\r\n" } else { b"" };
        [head.as_bytes(), &message(TO_SENDER).repeat(BULK / MESSAGE), end].concat()
    }

    /// Returns what goes to everyone, where something does.
    pub(super) fn broadcast(self) -> Option<Reply> {
        (self == Self::Frames).then(|| Reply::exact(&message(TO_EVERYONE)))
    }

    /// Asks the server once, and returns what it answers.
    pub(super) fn learn(self, address: SocketAddr) -> io::Result<Reply> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        match self {
            Self::Http => {
                stream.write_all(&self.request())?;
                let bytes = read_page(&mut stream)?;
                Ok(Reply { bytes, head: STATUS.len(), tail: PAGE.len() })
            }
            Self::Redis => {
                stream.write_all(SET)?;
                expect(&mut stream, b"+OK\r\n")?;
                Ok(Reply::exact(VALUE))
            }
            Self::Echo | Self::Frames => Ok(Reply::exact(&self.request())),
        }
    }
}

/// Makes a message that begins with `kind`.
fn message(kind: u8) -> Vec<u8> {
    let rest = (1..MESSAGE).map(|place| b'a' + (place % 26) as u8);
    [kind].into_iter().chain(rest).collect()
}

/// Reads an answer up to the end of the page.
fn read_page(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    while !page.ends_with(PAGE) {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer)?;
        page.extend_from_slice(&buffer[..length]);
        if length == 0 || page.len() > BATCH {
            return Err(unexpected(&page));
        }
    }
    if page.starts_with(STATUS) { Ok(page) } else { Err(unexpected(&page)) }
}

/// Reads an answer that must be `expected`.
fn expect(stream: &mut TcpStream, expected: &[u8]) -> io::Result<()> {
    let mut came = vec![0; expected.len()];
    stream.read_exact(&mut came)?;
    if came == expected { Ok(()) } else { Err(unexpected(&came)) }
}

/// The error of an answer that is none.
pub(super) fn unexpected(came: &[u8]) -> io::Error {
    let shown = String::from_utf8_lossy(&came[..came.len().min(80)]);
    io::Error::other(format!("the server answers {shown:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_may_differ_and_the_rest_may_not() {
        let bytes = [STATUS, b" OK\r\nDate: yesterday\r\n\r\n", PAGE].concat();
        let reply = Reply { bytes: bytes.clone(), head: STATUS.len(), tail: PAGE.len() };
        assert!(reply.matches(0, &bytes));
        for (place, matches) in
            [(0, false), (11, false), (12, true), (25, true), (bytes.len() - 1, false)]
        {
            let mut other = bytes.clone();
            other[place] ^= 1;
            assert_eq!(reply.matches(0, &other), matches, "byte {place}");
            assert_eq!(reply.matches(place, &other[place..=place]), matches, "byte {place} alone");
        }
        assert!(!Reply::exact(b"abc").matches(1, b"bd"));
    }

    #[test]
    fn requests_are_whole() {
        assert_eq!(Protocol::Frames.request().len(), MESSAGE);
        assert_eq!(Protocol::Frames.request()[0], TO_SENDER);
        assert_eq!(Protocol::Frames.broadcast().unwrap().bytes[0], TO_EVERYONE);
        assert_eq!(Protocol::Echo.bulk().len(), BULK);
        let value = Protocol::Redis.bulk();
        assert!(value.starts_with(b"*3\r\n$3\r\nSET\r\n$4\r\nbulk\r\n$1048576\r\n"));
        assert_eq!(value.len(), "*3\r\n$3\r\nSET\r\n$4\r\nbulk\r\n$1048576\r\n\r\n".len() + BULK);
        for protocol in Protocol::value_variants() {
            let (batch, request) = (protocol.batch(), protocol.request());
            assert_eq!(batch.len() % request.len(), 0, "{protocol:?}");
            assert!(batch.chunks(request.len()).all(|one| one == request), "{protocol:?}");
        }
    }
}
