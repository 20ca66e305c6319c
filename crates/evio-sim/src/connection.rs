//! A client's end of a connection.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use evio_sys::net::Stream;
use evio_sys::sim::{Direction, Kernel};

/// How much is read at once.
const BUFFER: usize = 4096;

/// A connection that a client has made. Dropped, it is closed: the peer reads the end of the
/// output, or finds a reset if there is input that was not read.
#[derive(Debug)]
pub struct Connection {
    kernel: Kernel,
    stream: Stream,
    local: SocketAddr,
    /// How many bytes have come.
    received: usize,
    /// Read from the socket, and not by the script.
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(kernel: Kernel, stream: Stream, local: SocketAddr) -> Self {
        Self { kernel, stream, local, received: 0, unread: Vec::new() }
    }

    /// Returns the address of this end, which no other client has.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Sends all of `bytes`, as fast as the peer takes them.
    ///
    /// # Errors
    ///
    /// Fails when the connection has ended.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = self.when_ready(|stream| stream.send(bytes)).await?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Reads what is there, and waits for it; empty is the end of the input.
    ///
    /// # Errors
    ///
    /// Fails when the connection was reset.
    ///
    /// # Panics
    ///
    /// Panics when it is not what was sent: then the simulated kernel is at fault.
    pub async fn read(&mut self) -> io::Result<Vec<u8>> {
        if !self.unread.is_empty() {
            return Ok(std::mem::take(&mut self.unread));
        }
        let mut buffer = [0; BUFFER];
        let len = self.when_ready(|stream| stream.recv(&mut buffer)).await?;
        Ok(self.checked(&buffer[..len]))
    }

    /// Reads what is there; `None` if that is nothing.
    fn read_now(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = [0; BUFFER];
        match self.stream.recv(&mut buffer) {
            Ok(len) => Ok(Some(self.checked(&buffer[..len]))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Compares what has come with what was sent.
    fn checked(&mut self, bytes: &[u8]) -> Vec<u8> {
        let checked =
            self.kernel.check_bytes(Direction::ToClient(self.local), self.received, bytes);
        if let Err(mismatch) = checked {
            panic!("a client has read what was not sent: {mismatch}");
        }
        self.received += bytes.len();
        bytes.to_vec()
    }

    /// Reads so many bytes.
    ///
    /// # Errors
    ///
    /// Fails when the input ends before, and when the connection was reset.
    pub async fn read_exact(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            self.read_some(&mut bytes).await?;
        }
        self.unread = bytes.split_off(len);
        Ok(bytes)
    }

    /// Reads up to the end of a line, which is a part of what is returned.
    ///
    /// # Errors
    ///
    /// Fails when the input ends before, when it is not UTF-8, and when the connection was reset.
    pub async fn read_line(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
                break end + 1;
            }
            self.read_some(&mut bytes).await?;
        };
        self.unread = bytes.split_off(end);
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Reads up to the end of the input.
    ///
    /// # Errors
    ///
    /// Fails when the connection was reset.
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let more = self.read().await?;
            if more.is_empty() {
                return Ok(bytes);
            }
            bytes.extend(more);
        }
    }

    /// Sends all of `output`, and reads what comes until that is done and the `time` is over: who
    /// only wrote could wait for a peer that waits for a reader. Returns what was read, and whether
    /// the input has ended.
    ///
    /// # Errors
    ///
    /// Fails when the connection was reset, or has ended before all was sent.
    pub async fn exchange(
        &mut self,
        mut output: &[u8],
        time: Duration,
    ) -> io::Result<(Vec<u8>, bool)> {
        let end = self.kernel.now().saturating_add(time);
        let (mut input, mut has_ended) = (std::mem::take(&mut self.unread), false);
        loop {
            if !output.is_empty() {
                match self.stream.send(output) {
                    Ok(sent) => output = &output[sent..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            let read = if has_ended { None } else { self.read_now()? };
            match read {
                Some(bytes) if bytes.is_empty() => has_ended = true,
                Some(bytes) => input.extend(bytes),
                None if output.is_empty() && self.kernel.now() >= end => {
                    return Ok((input, has_ended));
                }
                None => self.change_or(end).await,
            }
        }
    }

    /// Waits until something happens to the socket, or until `time`.
    async fn change_or(&self, time: Duration) {
        let mut has_waited = false;
        poll_fn(|context| {
            if has_waited {
                return Poll::Ready(());
            }
            has_waited = true;
            self.kernel.on_change(&self.stream, context.waker().clone());
            if self.kernel.now() < time {
                self.kernel.on_time(time, context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Ends the output: the peer reads what was sent, then the end of its input.
    ///
    /// # Errors
    ///
    /// Fails when the connection has ended.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown_write()
    }

    /// Resets the connection.
    pub fn reset(self) {
        let _ = self.stream.reset();
    }

    async fn read_some(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let more = self.read().await?;
        if more.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend(more);
        Ok(())
    }

    /// Calls `call` until it need not wait.
    async fn when_ready<T>(&self, mut call: impl FnMut(&Stream) -> io::Result<T>) -> io::Result<T> {
        poll_fn(|context| match call(&self.stream) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.kernel.on_change(&self.stream, context.waker().clone());
                Poll::Pending
            }
            result => Poll::Ready(result),
        })
        .await
    }
}
