//! An echo as mio's users write it: edge-triggered, one buffer to read into, and for each
//! connection the bytes that its socket did not take.

use std::io::{self, Read, Write};

use clap::Parser;
use evio_benchmarks::server::{Args, READ_BUFFER, announce};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

const LISTENER: Token = Token(usize::MAX);

/// Events taken from the poll at once: the number in mio's own examples.
const EVENTS: usize = 1024;

struct Connection {
    stream: TcpStream,
    unsent: Vec<u8>,
}

fn main() -> io::Result<()> {
    let mut listener = TcpListener::bind(Args::parse().address())?;
    announce(listener.local_addr())?;

    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections = Slab::new();
    let mut events = Events::with_capacity(EVENTS);
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            let Token(key) = event.token();
            if event.token() == LISTENER {
                accept_all(&listener, &poll, &mut connections)?;
            } else if let Some(connection) = connections.get_mut(key) {
                // A connection that fails is over; the others go on.
                if !connection.echo(event, &mut buffer).unwrap_or(false) {
                    // Closing the stream takes it out of the poll.
                    connections.remove(key);
                }
            }
        }
    }
}

/// Accepts until nobody waits any more.
fn accept_all(
    listener: &TcpListener,
    poll: &Poll,
    connections: &mut Slab<Connection>,
) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        let entry = connections.vacant_entry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(entry.key()), interest)?;
        entry.insert(Connection { stream, unsent: Vec::new() });
    }
}

impl Connection {
    /// Sends back all that came, as far as the socket takes it. Returns whether the connection goes
    /// on.
    fn echo(&mut self, event: &Event, buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            if !self.send_unsent()? {
                return Ok(true);
            }
            let length = match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let sent = self.send(&buffer[..length])?;
            self.unsent.extend_from_slice(&buffer[sent..length]);
            // A short read has emptied the socket: the next bytes are a new edge. Only the end of
            // the stream, if it was part of this one, is not.
            if self.unsent.is_empty() && length < buffer.len() && !event.is_read_closed() {
                return Ok(true);
            }
        }
    }

    /// Sends what the socket did not take before. Returns whether nothing is left.
    fn send_unsent(&mut self) -> io::Result<bool> {
        if !self.unsent.is_empty() {
            let unsent = std::mem::take(&mut self.unsent);
            let sent = self.send(&unsent)?;
            self.unsent.extend_from_slice(&unsent[sent..]);
        }
        Ok(self.unsent.is_empty())
    }

    /// Sends until the socket is full. Returns how much it took.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
}
