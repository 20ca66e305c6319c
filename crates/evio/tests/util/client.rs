//! A blocking client with a deadline on everything it does.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use evio::SocketAddr;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

use super::DEADLINE;

/// A connection to a server; a shared reference can read and write, so two threads can do both.
#[derive(Debug)]
pub(crate) enum Client {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: &SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    pub(crate) fn try_connect(address: &SocketAddr) -> io::Result<Self> {
        let client = match address {
            SocketAddr::Inet(address) => Self::Tcp(TcpStream::connect(address)?),
            SocketAddr::Unix(address) => Self::Unix(UnixStream::connect_addr(address)?),
        };
        client.set_read_timeout(DEADLINE)?;
        client.set_write_timeout(DEADLINE)?;
        Ok(client)
    }

    pub(crate) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }

    pub(crate) fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_write_timeout(Some(timeout)),
        }
    }

    /// Sends all of `bytes`.
    #[track_caller]
    pub(crate) fn send(&self, bytes: &[u8]) {
        (&mut &*self).write_all(bytes).expect("the server takes the bytes");
    }

    /// Receives exactly `len` bytes.
    #[track_caller]
    pub(crate) fn receive(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        (&mut &*self).read_exact(&mut bytes).expect("the server sends the bytes");
        bytes
    }

    /// Receives everything up to a clean end.
    #[track_caller]
    pub(crate) fn receive_to_end(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        (&mut &*self).read_to_end(&mut bytes).expect("the connection ends cleanly");
        bytes
    }

    /// Receives until nothing comes for as long as the read timeout.
    #[track_caller]
    pub(crate) fn receive_until_silent(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let error = (&mut &*self).read_to_end(&mut bytes).expect_err("the connection goes on");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        bytes
    }

    /// Receives up to the end, of whichever kind, and returns how that was.
    pub(crate) fn receive_to_any_end(&self) -> io::Result<usize> {
        (&mut &*self).read_to_end(&mut Vec::new())
    }

    /// Sends `bytes` and receives them back.
    #[track_caller]
    pub(crate) fn echo(&self, bytes: &[u8]) {
        self.send(bytes);
        assert!(self.receive(bytes.len()) == bytes, "the echo differs");
    }

    /// Ends the output and goes on reading.
    #[track_caller]
    pub(crate) fn finish_sending(&self) {
        self.try_finish_sending().expect("the connection is open");
    }

    /// Ends the output, unless the connection is gone already.
    pub(crate) fn try_finish_sending(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Closes a TCP connection by a reset.
    #[track_caller]
    pub(crate) fn reset(self) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&self, sockopt::Linger, &linger).expect("the socket takes the option");
    }

    /// Sends until nothing more is taken for a while, and returns how much was; a peer that goes
    /// on reading takes all of `bytes`.
    pub(crate) fn send_until_full(&self, bytes: &[u8]) -> usize {
        self.set_write_timeout(Duration::from_millis(200)).expect("the timeout is not zero");
        let mut sent = 0;
        while sent < bytes.len() {
            match (&mut &*self).write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("sending failed: {error}"),
            }
        }
        self.set_write_timeout(DEADLINE).expect("the timeout is not zero");
        sent
    }
}

impl Read for &Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Client::Tcp(stream) => (&mut &*stream).read(buffer),
            Client::Unix(stream) => (&mut &*stream).read(buffer),
        }
    }
}

impl Write for &Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Client::Tcp(stream) => (&mut &*stream).write(bytes),
            Client::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}
