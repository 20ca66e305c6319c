//! A client of a server under test.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use evio_sys::net::Stream;

/// Nothing that must come is waited for longer; it is reached by failures only.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A server that takes nothing for this long has stopped to read: one that is merely slow, on a
/// busy machine, takes something now and then.
const STALL: Duration = Duration::from_millis(500);

/// A blocking client with a deadline on everything it does.
#[derive(Debug)]
pub struct Client(TcpStream);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self(stream))
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    ///
    /// Fails when the server does not take them.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    /// Receives exactly `len` bytes.
    ///
    /// # Errors
    ///
    /// Fails when they do not come in time.
    pub fn receive(&self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        (&self.0).read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Receives exactly `len` bytes in a shorter time than others may take.
    ///
    /// # Errors
    ///
    /// Fails when they do not come in time.
    pub fn receive_within(&self, time: Duration, len: usize) -> io::Result<Vec<u8>> {
        self.0.set_read_timeout(Some(time))?;
        let received = self.receive(len);
        self.0.set_read_timeout(Some(DEADLINE))?;
        received
    }

    /// Receives everything up to the end of the connection.
    ///
    /// # Errors
    ///
    /// Fails when the end does not come in time, or is a reset.
    pub fn receive_to_end(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&self.0).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Sends `bytes` and receives them back.
    ///
    /// # Errors
    ///
    /// Fails when something else comes back, or nothing does.
    pub fn echo(&self, bytes: &[u8]) -> io::Result<()> {
        self.send(bytes)?;
        if self.receive(bytes.len())? == bytes {
            return Ok(());
        }
        Err(io::Error::other("the echo differs"))
    }

    /// Sends and does not read, until the server takes nothing more; returns how much it took.
    ///
    /// # Errors
    ///
    /// Fails when the connection does.
    pub fn send_until_stalled(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set_write_timeout(Some(STALL))?;
        let mut sent = 0;
        while sent < bytes.len() {
            match (&self.0).write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.0.set_write_timeout(Some(DEADLINE))?;
        Ok(sent)
    }

    /// Ends the output and goes on reading.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    /// Closes the connection by a reset.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    pub fn reset(self) -> io::Result<()> {
        Stream::from(self.0).reset()
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
