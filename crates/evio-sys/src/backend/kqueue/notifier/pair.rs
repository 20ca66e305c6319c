//! Waking by a pair of sockets.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

#[cfg(not(evio_kqueue))]
use nix::sys::event::KEvent;

use super::super::Selector;
use crate::interest::Interest;
use crate::token::Token;

#[derive(Debug)]
pub(crate) struct Notifier {
    sender: UnixStream,
    receiver: UnixStream,
}

impl Notifier {
    pub(crate) fn new(selector: &Selector, token: Token) -> io::Result<Self> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        selector.register(receiver.as_fd(), token, Interest::READABLE)?;
        Ok(Self { sender, receiver })
    }

    pub(crate) fn notify(&self) -> io::Result<()> {
        loop {
            match (&self.sender).write(&[1]) {
                Ok(_) => return Ok(()),
                // A full pair is readable: the report is under way.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Empties the pair. Calls merge above, so it holds a byte or two.
    pub(crate) fn acknowledge(&self) {
        let mut sink = [0; 64];
        while matches!((&self.receiver).read(&mut sink), Ok(count) if count == sink.len()) {}
    }
}

/// Input of a socket is all that the queue knows of it.
#[cfg(not(evio_kqueue))]
pub(crate) fn is_notification(_event: &KEvent) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::Events;
    use crate::poller::Poller;

    #[test]
    fn a_notification_is_reported_until_it_is_acknowledged() {
        let poller = Poller::new().unwrap();
        let notifier = Notifier::new(poller.selector(), Token(7)).unwrap();
        let mut events = Events::with_capacity(4);
        // More than the pair has room for.
        for _ in 0..100_000 {
            notifier.notify().unwrap();
        }
        poller.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        let event = events.iter().next().unwrap();
        assert!(event.token() == Token(7) && event.is_readable());
        notifier.acknowledge();
        poller.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty(), "an acknowledged notifier is silent");
    }
}
