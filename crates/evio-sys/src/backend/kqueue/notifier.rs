//! Waking a thread that waits in kevent(2).

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::Selector;
use crate::interest::Interest;
use crate::token::Token;

/// A socket pair: EVFILT_USER is missing on NetBSD and OpenBSD.
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
