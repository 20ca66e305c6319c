//! A client's end of a connection.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::task::Poll;
use std::time::Duration;

use evio_sys::net::{SocketAddr, Stream};
use evio_sys::sim::{Direction, Kernel};

use crate::excuse::Excuse;

/// How much is read at once.
const BUFFER: usize = 4096;

/// A connection that a client has made. Dropped, it is closed: the peer reads the end of the
/// output, or finds a reset if there is input that was not read.
#[derive(Debug)]
pub struct Connection {
    kernel: Kernel,
    stream: Stream,
    input: Direction,
    /// How many bytes have come.
    received: usize,
    /// Read from the socket, and not by the script.
    unread: Vec<u8>,
    /// Told when a call fails, and whether the connection was cut by chance.
    excuse: Excuse,
}

impl Connection {
    pub(crate) fn new(kernel: Kernel, stream: Stream, input: Direction, excuse: Excuse) -> Self {
        Self { kernel, stream, input, received: 0, unread: Vec::new(), excuse }
    }

    /// Returns the address of this end: of TCP one that no other client has, of a Unix socket one
    /// without a name.
    ///
    /// # Errors
    ///
    /// Does not fail.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
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

    /// Sends all of `bytes`, and meanwhile keeps what comes for the next read. So a peer goes on
    /// that stops reading while its replies are not taken.
    ///
    /// # Errors
    ///
    /// Fails when the connection has ended.
    ///
    /// # Panics
    ///
    /// Those of [`read`](Self::read).
    pub async fn write_and_read(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut buffer = [0; BUFFER];
        let mut has_ended = false;
        while !bytes.is_empty() {
            let call = |stream: &Stream| match stream.send(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !has_ended => {
                    stream.recv(&mut buffer).map(|received| (0, Some(received)))
                }
                result => result.map(|sent| (sent, None)),
            };
            let (sent, received) = self.when_ready(call).await?;
            bytes = &bytes[sent..];
            if let Some(len) = received {
                has_ended = self.receive(&buffer[..len])? == 0;
            }
        }
        Ok(())
    }

    /// Reads what is there, and waits for it; empty is the end of the input.
    ///
    /// # Errors
    ///
    /// Fails when the connection was reset. One that was cut by chance fails also if its end looks
    /// like any other: a client could not tell it from an empty reply.
    ///
    /// # Panics
    ///
    /// Panics when it is not what was sent: then the simulated kernel is at fault.
    pub async fn read(&mut self) -> io::Result<Vec<u8>> {
        if self.unread.is_empty() {
            self.fill().await?;
        }
        Ok(mem::take(&mut self.unread))
    }

    /// Reads what is there and adds it to what is unread; returns how much that is.
    async fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; BUFFER];
        let len = self.when_ready(|stream| stream.recv(&mut buffer)).await?;
        self.receive(&buffer[..len])
    }

    /// Reads what is there, and returns how much; `None` if that is nothing.
    fn fill_now(&mut self) -> io::Result<Option<usize>> {
        let mut buffer = [0; BUFFER];
        match self.stream.recv(&mut buffer) {
            Ok(len) => self.receive(&buffer[..len]).map(Some),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => self.excused(Err(error)),
        }
    }

    /// Checks what was received, and adds it to what is unread; returns how much it is.
    fn receive(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(mismatch) = self.kernel.check_bytes(self.input, self.received, bytes) {
            panic!("a client has read what was not sent: {mismatch}");
        }
        self.received += bytes.len();
        if bytes.is_empty() && self.was_cut() {
            return self.excused(Err(io::ErrorKind::ConnectionReset.into()));
        }
        self.unread.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Reads so many bytes.
    ///
    /// # Errors
    ///
    /// Fails when the input ends before, and when the connection was reset.
    pub async fn read_exact(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < len {
            self.fill_some().await?;
        }
        Ok(self.take(len))
    }

    /// Reads up to the end of a line, which is a part of what is returned.
    ///
    /// # Errors
    ///
    /// Fails when the input ends before, when it is not UTF-8, and when the connection was reset.
    pub async fn read_line(&mut self) -> io::Result<String> {
        let end = loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                break end + 1;
            }
            self.fill_some().await?;
        };
        String::from_utf8(self.take(end))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Reads up to the end of the input.
    ///
    /// # Errors
    ///
    /// Fails when the connection was reset.
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.fill().await? > 0 {}
        Ok(mem::take(&mut self.unread))
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
        let mut has_ended = false;
        loop {
            if !output.is_empty() {
                match self.stream.send(output) {
                    Ok(sent) => output = &output[sent..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return self.excused(Err(error)),
                }
            }
            match if has_ended { None } else { self.fill_now()? } {
                Some(len) => has_ended = len == 0,
                None if output.is_empty() && self.kernel.now() >= end => {
                    return Ok((mem::take(&mut self.unread), has_ended));
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
        self.excused(self.stream.shutdown_write())
    }

    /// Resets the connection.
    pub fn reset(self) {
        let _ = self.stream.reset();
    }

    async fn fill_some(&mut self) -> io::Result<()> {
        match self.fill().await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Takes the first bytes of what is unread.
    fn take(&mut self, len: usize) -> Vec<u8> {
        let rest = self.unread.split_off(len);
        mem::replace(&mut self.unread, rest)
    }

    fn was_cut(&self) -> bool {
        self.kernel.was_cut(self.input.connection())
    }

    fn excused<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| self.excuse.note(error, self.was_cut()))
    }

    /// Calls `call` until it need not wait.
    async fn when_ready<T>(&self, mut call: impl FnMut(&Stream) -> io::Result<T>) -> io::Result<T> {
        poll_fn(|context| match call(&self.stream) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.kernel.on_change(&self.stream, context.waker().clone());
                Poll::Pending
            }
            result => Poll::Ready(self.excused(result)),
        })
        .await
    }
}
