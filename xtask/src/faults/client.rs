//! A client that knows every byte that it must get.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::chat::Guest;
use super::protocol::{Endpoint, Protocol, Reply};
use super::random::Random;

/// No read or write waits longer: a server that does not answer is a fault.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long a slow client does nothing. The server runs full meanwhile.
const SLOW: Duration = Duration::from_millis(30);

/// A client takes little at once, so that the server's socket is full early.
const RECEIVE_BUFFER: usize = 64 << 10;

/// The longest head of an HTTP reply.
const MAX_HEAD: u64 = 4 << 10;

/// What went wrong with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It was refused, ended or reset. A fault that was injected may explain that.
    Lost(String),
    /// Other bytes came, or none in time. Nothing explains that.
    Fault(String),
}

pub(super) type Done<T = ()> = Result<T, Trouble>;

/// A connection, and the stream of bytes that belongs to it.
#[derive(Debug)]
pub(super) struct Client {
    stream: BufReader<TcpStream>,
    protocol: Protocol,
    bytes: Random,
    number: u64,
    /// Whether it has sent what comes before the first request.
    is_introduced: bool,
    /// What it is to a chat server.
    guest: Guest,
}

impl Client {
    /// Connects as the connection with this number; `bytes` is its own stream.
    pub(super) fn connect(server: Endpoint, bytes: Random, number: u64) -> Done<Self> {
        let stream = connect(server.address).map_err(|error| trouble("connecting", &error))?;
        Ok(Self {
            stream: BufReader::new(stream),
            protocol: server.protocol,
            bytes,
            number,
            is_introduced: false,
            guest: Guest::new(number),
        })
    }

    /// Sends a request with so many bytes, and checks the reply.
    pub(super) fn exchange(&mut self, len: usize) -> Done {
        self.transfer(1, len, false)
    }

    /// Sends several requests at once, and checks the replies.
    pub(super) fn pipeline(&mut self, requests: usize, len: usize) -> Done {
        self.transfer(requests, len, false)
    }

    /// As [`pipeline`](Self::pipeline), but reads late, when the server has to wait.
    pub(super) fn pipeline_slowly(&mut self, requests: usize, len: usize) -> Done {
        self.transfer(requests, len, true)
    }

    /// Sends a request, and returns the reply that must come.
    pub(super) fn ask(&mut self, len: usize) -> Done<Vec<Reply>> {
        let (request, replies) = self.requests(1, len);
        self.send(&request)?;
        Ok(replies)
    }

    /// Returns the next requests, and behind the first introduction its reply and theirs.
    fn requests(&mut self, count: usize, len: usize) -> (Vec<u8>, Vec<Reply>) {
        let (mut all, mut replies) = (Vec::new(), Vec::with_capacity(count));
        if !self.is_introduced {
            self.is_introduced = true;
            let (introduction, reply) = self.protocol.introduction(self.number);
            all.extend(introduction);
            replies.push(Reply::Bytes(reply));
        }
        for _ in 0..count {
            let (request, reply) = self.protocol.request(len, self.number, &mut self.bytes);
            all.extend(request);
            replies.push(reply);
        }
        (all, replies)
    }

    /// Sends a request and the end of the output, and checks the reply and the end of the input.
    pub(super) fn last_exchange(&mut self, len: usize) -> Done {
        if !self.protocol.answers_behind_the_end() {
            self.exchange(len)?;
            return self.end();
        }
        let replies = self.ask(len)?;
        self.finish()?;
        self.hear(&replies)?;
        self.receive_end()
    }

    /// Ends the output and checks that nothing more than the end comes.
    pub(super) fn end(&mut self) -> Done {
        self.finish()?;
        self.receive_end()
    }

    /// Sends a request that nobody waits for, and resets the connection.
    pub(super) fn reset_behind(mut self, len: usize) -> Done {
        self.ask(len)?;
        self.reset()
    }

    /// Resets the connection.
    pub(super) fn reset(self) -> Done {
        let stream = self.stream.get_ref();
        let linger = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        linger.map_err(|error| trouble("resetting", &error))
    }

    fn transfer(&mut self, requests: usize, len: usize, slowly: bool) -> Done {
        let (all, replies) = self.requests(requests, len);
        let writer = self.stream.get_ref().try_clone();
        let writer = writer.map_err(|error| Trouble::Fault(format!("dup: {error}")))?;
        thread::scope(|scope| {
            let sent = scope.spawn(|| (&writer).write_all(&all));
            if slowly {
                // The slowness of a client that is acted out.
                thread::sleep(SLOW);
            }
            let received = self.hear(&replies);
            if received.is_err() {
                // The other thread need not wait any more.
                let _ = writer.shutdown(Shutdown::Both);
            }
            let sent = sent.join().expect("writing does not panic");
            received.and(sent.map_err(|error| trouble("sending", &error)))
        })
    }

    fn send(&mut self, bytes: &[u8]) -> Done {
        let sent = self.stream.get_ref().write_all(bytes);
        sent.map_err(|error| trouble("sending", &error))
    }

    fn finish(&self) -> Done {
        let finished = self.stream.get_ref().shutdown(Shutdown::Write);
        finished.map_err(|error| trouble("ending the output", &error))
    }

    /// Checks the replies to what was [asked](Self::ask).
    pub(super) fn hear(&mut self, replies: &[Reply]) -> Done {
        replies.iter().try_for_each(|reply| match reply {
            Reply::Bytes(bytes) => self.receive_bytes(bytes),
            Reply::Http(body) => {
                self.receive_head(body.len())?;
                self.receive_bytes(body)
            }
            Reply::Lines(lines) => lines.iter().try_for_each(|line| self.receive_lines(Some(line))),
        })
    }

    /// Checks lines up to the one that is expected, or to the end of the input.
    fn receive_lines(&mut self, expected: Option<&str>) -> Done {
        loop {
            let mut line = Vec::new();
            let read = self.stream.read_until(b'\n', &mut line);
            read.map_err(|error| trouble("receiving a line", &error))?;
            match (line.pop(), expected) {
                (Some(b'\n'), _) if self.guest.hear(&line, expected)? => return Ok(()),
                (Some(b'\n'), _) => {}
                (None, None) => return Ok(()),
                _ => return Err(Trouble::Lost("receiving a line: the connection ends".into())),
            }
        }
    }

    /// Compares what comes piece by piece: also what comes before a loss must be right.
    fn receive_bytes(&mut self, mut expected: &[u8]) -> Done {
        let len = expected.len();
        while !expected.is_empty() {
            let at = len - expected.len();
            let here = || format!("receiving byte {at} of {len}");
            let seen = match self.stream.fill_buf() {
                Ok([]) => return Err(Trouble::Lost(format!("{}: the connection ends", here()))),
                Ok(seen) => &seen[..seen.len().min(expected.len())],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(trouble(&here(), &error)),
            };
            if let Some(other) = seen.iter().zip(expected).position(|(seen, byte)| seen != byte) {
                let seen = seen[other..].iter().take(16).copied().collect::<Vec<_>>();
                let at = at + other;
                return Err(Trouble::Fault(format!(
                    "byte {at} of {len} is wrong: {}",
                    seen.escape_ascii()
                )));
            }
            let count = seen.len();
            self.stream.consume(count);
            expected = &expected[count..];
        }
        Ok(())
    }

    /// Checks the head of an HTTP reply with a body of this length.
    fn receive_head(&mut self, len: usize) -> Done {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let before = head.len();
            let mut limited = (&mut self.stream).take(MAX_HEAD);
            let read = limited.read_until(b'\n', &mut head);
            read.map_err(|error| trouble("receiving a head", &error))?;
            if head.len() == before {
                return Err(Trouble::Lost("receiving a head: the connection ends".into()));
            }
        }
        let text = String::from_utf8_lossy(&head).to_lowercase();
        let length = format!("\r\ncontent-length: {len}\r\n");
        if text.starts_with("http/1.1 200 ok\r\n") && text.contains(&length) {
            return Ok(());
        }
        Err(Trouble::Fault(format!("the head of a reply is wrong: {}", head.escape_ascii())))
    }

    fn receive_end(&mut self) -> Done {
        if self.protocol == Protocol::Chat {
            return self.receive_lines(None);
        }
        match self.stream.fill_buf() {
            Ok([]) => Ok(()),
            Ok(more) => {
                let more = &more[..more.len().min(16)];
                Err(Trouble::Fault(format!("after the last byte: {}", more.escape_ascii())))
            }
            Err(error) => Err(trouble("receiving the end", &error)),
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.connect_timeout(&address.into(), DEADLINE)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    Ok(stream)
}

fn trouble(what: &str, error: &io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            Trouble::Fault(format!("{what}: nothing happens for {} s", DEADLINE.as_secs()))
        }
        _ => Trouble::Lost(format!("{what}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Shutdown, TcpListener};
    use std::thread;

    use super::{Client, Done, Trouble};
    use crate::faults::protocol::{Endpoint, Protocol};
    use crate::faults::random::Random;

    /// Exchanges 100 bytes with a server that answers what `answer` makes of them.
    fn exchange(answer: impl Fn(&mut Vec<u8>) + Send) -> Done {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let random = Random::of(1, "test", 1);
        thread::scope(|scope| {
            let mut bytes = random.clone().bytes(100);
            scope.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                std::io::Read::read_exact(&mut stream, &mut [0; 100]).unwrap();
                answer(&mut bytes);
                stream.write_all(&bytes).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
            let server = Endpoint { protocol: Protocol::Echo, address };
            Client::connect(server, random, 1)?.last_exchange(100)
        })
    }

    #[test]
    fn exact_bytes_pass_and_others_do_not() {
        assert_eq!(exchange(|_| {}), Ok(()));
        assert!(matches!(exchange(|bytes| bytes[99] ^= 1), Err(Trouble::Fault(_))));
        assert!(matches!(exchange(|bytes| bytes.swap(3, 4)), Err(Trouble::Fault(_))));
        assert!(matches!(exchange(|bytes| bytes.push(1)), Err(Trouble::Fault(_))));
    }

    #[test]
    fn an_early_end_is_a_loss_unless_wrong_bytes_came_before() {
        assert!(matches!(exchange(|bytes| bytes.truncate(50)), Err(Trouble::Lost(_))));
        let wrong = exchange(|bytes| {
            bytes.truncate(50);
            bytes[7] ^= 1;
        });
        assert!(matches!(wrong, Err(Trouble::Fault(_))));
    }
}
