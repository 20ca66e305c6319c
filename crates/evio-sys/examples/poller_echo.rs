//! An echo server on nothing but the poller: `cargo run -p evio-sys --example poller_echo`.

use std::collections::HashMap;
use std::io::{self, ErrorKind};

use evio_sys::net::{ListenOptions, Listener, Stream};
use evio_sys::{Events, Interest, Poller, Token};

const LISTENER: Token = Token(0);

/// A connection and what it has not been sent yet. It is not read from until that is gone.
struct Client(Stream, Vec<u8>);

impl Client {
    /// Reads and sends until the socket has no more of either, and returns what to wait for.
    fn serve(&mut self) -> io::Result<Interest> {
        let Self(stream, unsent) = self;
        let mut buffer = [0; 16 << 10];
        loop {
            while !unsent.is_empty() {
                match stream.send(unsent) {
                    Ok(count) => drop(unsent.drain(..count)),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Interest::WRITABLE),
                    Err(e) => return Err(e),
                }
            }
            match stream.recv(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => unsent.extend_from_slice(&buffer[..count]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Interest::READABLE),
                Err(e) => return Err(e),
            }
        }
    }
}

fn main() -> io::Result<()> {
    let listener = Listener::tcp(([127, 0, 0, 1], 5000).into(), &ListenOptions::default())?;
    eprintln!("listening on tcp://{}", listener.local_addr()?);
    let poller = Poller::new()?;
    poller.register(&listener, LISTENER, Interest::READABLE)?;
    let mut clients: HashMap<Token, Client> = HashMap::new();
    let mut last = LISTENER;
    let mut events = Events::with_capacity(64);
    loop {
        poller.poll(&mut events, None)?;
        for token in events.iter().map(|event| event.token()) {
            if token == LISTENER {
                let Ok((stream, _peer)) = listener.accept() else { continue };
                last = Token(last.0 + 1);
                poller.register(&stream, last, Interest::READABLE)?;
                clients.insert(last, Client(stream, Vec::new()));
            } else if let Some(client) = clients.get_mut(&token) {
                match client.serve() {
                    Ok(interest) => poller.reregister(&client.0, token, interest)?,
                    Err(_) => drop(clients.remove(&token)),
                }
            }
        }
    }
}
