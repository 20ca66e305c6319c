//! The loop of the twin, and its table of connections.

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use evio_sys::net::{AcceptError, ListenOptions, Listener, Stream};
use evio_sys::{Event, Events, Interest, Poller, Token};
use evio_twins::Bug;
use evio_twins::protocol::{Command, Options, report};

use crate::conn::Conn;
use crate::mailbox::Mailbox;
use crate::ticker::Ticker;

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
/// Of the connection in the first slot.
const FIRST: u64 = 2;

pub(crate) struct Server {
    bug: Bug,
    options: Options,
    poller: Poller,
    listener: Listener,
    mailbox: Arc<Mailbox>,
    ticker: Ticker,
    /// The table: a place is taken again when its connection has gone.
    slots: Vec<Option<Conn>>,
    /// The slot that each connection had, by its number from 1.
    slot_of: Vec<usize>,
}

impl Server {
    pub(crate) fn bind(bug: Bug, options: Options, begin: Instant) -> io::Result<Self> {
        let listener = Listener::tcp(([127, 0, 0, 1], 0).into(), &ListenOptions::default())?;
        let poller = Poller::new()?;
        poller.register(&listener, LISTENER, Interest::READABLE)?;
        let mailbox = Arc::new(Mailbox::new(bug, &poller, WAKER)?);
        report(format_args!("listening {}", listener.local_addr()?));
        let ticker = Ticker::new(bug, options, begin);
        let (slots, slot_of) = (Vec::new(), Vec::new());
        Ok(Self { bug, options, poller, listener, mailbox, ticker, slots, slot_of })
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        let mut quit = false;
        while !quit {
            self.poller.poll(&mut events, self.ticker.timeout())?;
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    WAKER => {
                        let mailbox = Arc::clone(&self.mailbox);
                        mailbox.drain(|command| match command {
                            Command::Wake(number) => self.wake(number),
                            Command::Send(number, text) => self.send(number, &text),
                            Command::Quit => quit = true,
                        });
                    }
                    Token(token) => self.ready((token - FIRST) as usize, event),
                }
            }
            self.ticker.run();
        }
        for slot in 0..self.slots.len() {
            self.close(slot);
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.open(stream)?,
                Err(AcceptError::Empty) => return Ok(()),
                Err(AcceptError::Connection(_)) => {}
                Err(AcceptError::Descriptors(error)) if self.bug == Bug::ExitOnEmfile => {
                    return Err(error);
                }
                // Until a connection closes.
                Err(_) => {
                    return self.poller.reregister(&self.listener, LISTENER, Interest::HANGUP);
                }
            }
        }
    }

    fn open(&mut self, stream: Stream) -> io::Result<()> {
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.slots.len());
        self.slots.resize_with(self.slots.len().max(slot + 1), || None);
        self.slot_of.push(slot);
        let conn = Conn::new(self.bug, self.slot_of.len(), stream, self.options.lines);
        self.poller.register(&conn.stream, token_of(slot), conn.interest())?;
        report(format_args!("opened {}", conn.number));
        self.slots[slot] = Some(conn);
        Ok(())
    }

    fn ready(&mut self, slot: usize, event: Event) {
        let Some(conn) = &mut self.slots[slot] else { return };
        let number = conn.number;
        if conn.ready(event).is_ok() {
            return self.update_interest(slot);
        }
        self.close(slot);
        if self.bug == Bug::DoubleClosed && event.is_hangup_or_error() {
            report(format_args!("closed {number}"));
        }
    }

    fn close(&mut self, slot: usize) {
        let Some(conn) = self.slots[slot].take() else { return };
        report(format_args!("closed {}", conn.number));
        // At worst the socket is gone from the poller, and the listener is polled, already.
        let _ = self.poller.deregister(&conn.stream);
        let _ = self.poller.reregister(&self.listener, LISTENER, Interest::READABLE);
        if self.bug == Bug::DescriptorLeak {
            mem::forget(conn);
        }
    }

    fn wake(&mut self, number: usize) {
        if let Some(conn) = self.find(number) {
            conn.woken();
            report(format_args!("woken {number}"));
            self.flush(number);
        }
    }

    fn send(&mut self, number: usize, text: &str) {
        if let Some(conn) = self.find(number) {
            conn.write(text.as_bytes());
            self.flush(number);
        }
    }

    /// Looks a connection up by its number; one that has gone is not found.
    fn find(&mut self, number: usize) -> Option<&mut Conn> {
        let slot = self.slot_of[number - 1];
        let conn = self.slots[slot].as_mut()?;
        (conn.number == number || self.bug == Bug::NoGeneration).then_some(conn)
    }

    fn flush(&mut self, number: usize) {
        let slot = self.slot_of[number - 1];
        match self.slots[slot].as_mut().map(Conn::flush) {
            Some(Ok(())) => self.update_interest(slot),
            Some(Err(_)) => self.close(slot),
            None => {}
        }
    }

    fn update_interest(&mut self, slot: usize) {
        let Some(conn) = &self.slots[slot] else { return };
        if self.poller.reregister(&conn.stream, token_of(slot), conn.interest()).is_err() {
            self.close(slot);
        }
    }
}

fn token_of(slot: usize) -> Token {
    Token(FIRST + slot as u64)
}
