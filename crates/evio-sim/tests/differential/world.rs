//! A listener and the two ends of a connection, on the kernel of this thread.

use std::io;
use std::net;
use std::os::unix::net as unix;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evio_sys::net::{AcceptError, ListenOptions, Listener, SocketAddr, Stream, UnixName};
use evio_sys::{Event, Events, Interest, Poller, Token};

use crate::calls::{Call, End, PollerIndex, Transport};
use crate::{Played, is_kqueue, shown};

/// So many connections and one more wait to be accepted.
const BACKLOG: u16 = 1;
/// The most other clients.
const MOST_MORE: usize = 4;
/// How often a full or a drained socket is tried again, for the network may take a while.
const ATTEMPTS: usize = 3;

pub(super) struct World<'a> {
    transport: Transport,
    pollers: [Poller; 2],
    events: Events,
    address: SocketAddr,
    listener: Option<Listener>,
    client: Option<Stream>,
    server: Option<Stream>,
    /// Clients beside the one.
    more: Vec<Stream>,
    /// Whose events are not compared any more: those of an end of TCP that has sent its FIN and is
    /// told of changes only. Linux delays the acknowledgement of a FIN as it estimates the traffic,
    /// which is not simulated, and its arrival is a change.
    has_shut: [bool; 2],
    /// By poller and end.
    is_level: [[bool; 2]; 2],
    is_registered: [[bool; 2]; 2],
    settle: &'a dyn Fn(),
}

fn listen(transport: Transport) -> io::Result<Listener> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let options = ListenOptions::default().backlog(BACKLOG);
    match transport {
        Transport::Tcp => Listener::tcp((net::Ipv4Addr::LOCALHOST, 0).into(), &options),
        Transport::Unix => {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("evio-differential-{}-{number}", process::id());
            let path: PathBuf = std::env::temp_dir().join(name);
            Listener::unix(UnixName::Path(&path), &options)
        }
    }
}

impl<'a> World<'a> {
    pub(super) fn new(transport: Transport, settle: &'a dyn Fn()) -> io::Result<Self> {
        let listener = listen(transport)?;
        let pollers = [Poller::new()?, Poller::new()?];
        for poller in &pollers {
            poller.register(&listener, Token(0), Interest::READABLE)?;
        }
        Ok(Self {
            transport,
            pollers,
            events: Events::with_capacity(16),
            address: listener.local_addr()?,
            listener: Some(listener),
            client: None,
            server: None,
            more: Vec::new(),
            has_shut: [false; 2],
            is_level: [[false; 2]; 2],
            is_registered: [[false; 2]; 2],
            settle,
        })
    }

    fn end(&self, end: End) -> Option<&Stream> {
        match end {
            End::Client => self.client.as_ref(),
            End::Server => self.server.as_ref(),
        }
    }

    fn connect(&self) -> Result<Stream, String> {
        match Stream::connect(&self.address) {
            Ok((stream, is_connected)) => {
                assert_eq!(is_connected, self.transport == Transport::Unix);
                Ok(stream)
            }
            Err(error) => Err(shown(Err::<(), _>(error))),
        }
    }

    fn accept(&mut self) -> Option<String> {
        if self.server.is_some() {
            return None;
        }
        match self.listener.as_ref()?.accept() {
            Ok((stream, peer)) => {
                self.server = Some(stream);
                Some(format!("{}", peer.is_some()))
            }
            Err(AcceptError::Empty) => Some("empty".to_owned()),
            Err(error) => Some(format!("{error:?}")),
        }
    }

    /// Sends until there is no room; how much there was of it is the kernel's own choice.
    fn fill(&self, end: End) -> Option<String> {
        let stream = self.end(end)?;
        let bytes = [7; 1 << 16];
        let (mut result, mut is_blocked) = (String::new(), false);
        for _ in 0..ATTEMPTS {
            let error = loop {
                if let Err(error) = stream.send(&bytes) {
                    break error;
                }
            };
            is_blocked = error.kind() == io::ErrorKind::WouldBlock;
            result = shown(Err::<(), _>(error));
            (self.settle)();
        }
        let has_room = shown(stream.has_room());
        // What is held of a connection that has ended is not simulated.
        let is_held = is_blocked && stream.output_len().is_ok_and(|len| len > 0);
        Some(format!("{result}, room: {has_room}, held: {is_held}"))
    }

    fn change_registration(&self, call: Call) -> Option<String> {
        match call {
            // What is registered after a failure is not said, and differs with kqueue.
            Call::Register(poller, end, _) | Call::Reregister(poller, end, _)
                if is_kqueue() && self.is_registered[poller][end as usize] != call.is_again() =>
            {
                None
            }
            Call::Register(poller, end, interest) => {
                Some(shown(self.pollers[poller].register(self.end(end)?, token(end), interest)))
            }
            Call::Reregister(poller, end, interest) => {
                Some(shown(self.pollers[poller].reregister(self.end(end)?, token(end), interest)))
            }
            Call::Deregister(poller, end) => {
                Some(shown(self.pollers[poller].deregister(self.end(end)?)))
            }
            _ => None,
        }
    }

    /// How much room there is again after a read depends on the sizes of segments, so all is read.
    fn fill_and_drain(&self, end: End) -> Option<String> {
        let other = end.other();
        // The server's end may be that of another client.
        let peer = self.end(other)?.peer_addr().ok()?.as_inet();
        if self.end(end)?.local_addr().ok()?.as_inet() != peer {
            return None;
        }
        let (filled, drained) = (self.fill(end)?, self.drain(other)?);
        Some(format!("{filled}, then {drained}, room: {}", shown(self.end(end)?.has_room())))
    }

    fn drain(&self, end: End) -> Option<String> {
        let stream = self.end(end)?;
        let mut buffer = [0; 1 << 16];
        let mut result = String::new();
        for _ in 0..ATTEMPTS {
            result = loop {
                match stream.recv(&mut buffer) {
                    Ok(0) => break "the end".to_owned(),
                    Ok(_) => (self.settle)(),
                    Err(error) => break shown(Err::<(), _>(error)),
                }
            };
            (self.settle)();
        }
        Some(result)
    }

    /// The order of events is not specified.
    fn poll(&mut self, index: PollerIndex) -> String {
        let poller = &self.pollers[index];
        poller.poll(&mut self.events, Some(Duration::ZERO)).expect("the poller works");
        let is_compared = |event: &Event| match event.token().0 {
            0 => true,
            end => {
                let end = end as usize - 1;
                !self.has_shut[end] || self.is_level[index][end]
            }
        };
        let compared = self.events.iter().filter(is_compared);
        let mut events: Vec<_> = compared.map(|event| format!("{event:?}")).collect();
        events.sort();
        events.join(", ")
    }
}

impl Played for World<'_> {
    type Call = Call;

    /// Makes a call, and returns what it has come to; `None` if there is nothing to make it of.
    fn call(&mut self, call: Call) -> Option<String> {
        match call {
            Call::Connect if self.client.is_some() => None,
            Call::Connect => Some(match self.connect() {
                Ok(stream) => {
                    self.client = Some(stream);
                    "begun".to_owned()
                }
                Err(error) => error,
            }),
            Call::ConnectMore if self.more.len() == MOST_MORE => None,
            Call::ConnectMore => Some(match self.connect() {
                Ok(stream) => {
                    self.more.push(stream);
                    "begun".to_owned()
                }
                Err(error) => error,
            }),
            Call::CloseMore => self.more.pop().map(|_| String::new()),
            Call::FinishMore => Some(shown(self.more.last()?.finish_connect())),
            Call::Accept => self.accept(),
            Call::CloseListener => self.listener.take().map(|_| String::new()),
            Call::Close(End::Client) => self.client.take().map(|_| String::new()),
            Call::Close(End::Server) => self.server.take().map(|_| String::new()),
            Call::Poll(poller) => Some(self.poll(poller)),
            Call::FinishConnect => Some(shown(self.client.as_ref()?.finish_connect())),
            Call::Send(end, len) => Some(shown(self.end(end)?.send(&bytes(len)))),
            // The room that kqueue reports is not that of its model.
            Call::Fill(_) if is_kqueue() => None,
            Call::Fill(end) if self.transport == Transport::Tcp => self.fill_and_drain(end),
            Call::Fill(end) => self.fill(end),
            Call::Recv(end, len) => {
                let mut buffer = vec![0; len];
                let result = self.end(end)?.recv(&mut buffer);
                Some(shown(result.map(|len| (len, sum(&buffer[..len])))))
            }
            Call::Drain(end) => self.drain(end),
            Call::ShutdownWrite(end) => Some(shown(self.end(end)?.shutdown_write())),
            Call::ShutdownBoth(end) => Some(shown(self.end(end)?.shutdown_both())),
            // There it takes effect when the socket is closed.
            Call::Reset(_) if is_kqueue() => None,
            Call::Reset(end) => Some(shown(self.end(end)?.reset())),
            Call::HasInput(end) => Some(shown(self.end(end)?.has_input())),
            Call::InputLen(end) => Some(shown(self.end(end)?.input_len())),
            // Linux may put off the acknowledgement of TCP.
            Call::OutputLen(_) if self.transport == Transport::Tcp => None,
            Call::OutputLen(end) => Some(shown(self.end(end)?.output_len().map(|len| len > 0))),
            Call::HasRoom(end) => Some(shown(self.end(end)?.has_room())),
            Call::TakeError(end) => {
                let error = self.end(end)?.take_error();
                Some(shown(error.map(|error| error.and_then(|error| error.raw_os_error()))))
            }
            Call::PeerAddr(end) => Some(shown(self.end(end)?.peer_addr().map(|peer| match peer {
                SocketAddr::Inet(_) => "TCP".to_owned(),
                SocketAddr::Unix(unix) => name_of(&unix),
            }))),
            Call::Register(..) | Call::Reregister(..) | Call::Deregister(..) => {
                self.change_registration(call)
            }
        }
    }

    fn note(&mut self, call: Call) {
        match call {
            Call::ShutdownWrite(end) | Call::ShutdownBoth(end) => {
                self.has_shut[end as usize] = self.transport == Transport::Tcp;
            }
            Call::Close(end) => {
                self.has_shut[end as usize] = false;
                self.is_registered.iter_mut().for_each(|ends| ends[end as usize] = false);
            }
            Call::Deregister(poller, end) => self.is_registered[poller][end as usize] = false,
            Call::Register(poller, end, interest) | Call::Reregister(poller, end, interest) => {
                let is_level = !interest.is_edge() && !interest.is_one_shot();
                self.is_level[poller][end as usize] = is_level && interest != Interest::HANGUP;
                self.is_registered[poller][end as usize] = true;
            }
            _ => {}
        }
    }
}

/// The path is another one for each world.
fn name_of(address: &unix::SocketAddr) -> String {
    format!("a path: {}", address.as_pathname().is_some())
}

fn token(end: End) -> Token {
    Token(1 + end as u64)
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(7, |sum: u64, &byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
}
