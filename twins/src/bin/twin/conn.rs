//! A connection of the twin.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};

use evio_sys::net::Stream;
use evio_sys::{Event, Interest};
use evio_twins::Bug;
use evio_twins::protocol::{MAX_LINE, WOKEN};

/// Unsent output above which nothing is read.
const MAX_UNSENT: usize = 256 << 10;

/// Input taken at once.
const READ_BUFFER: usize = 64 << 10;

pub(crate) struct Conn {
    bug: Bug,
    /// What the reports call it.
    pub(crate) number: usize,
    pub(crate) stream: Stream,
    unsent: VecDeque<u8>,
    /// The beginning of a line, when lines are answered.
    line: Option<Vec<u8>>,
    /// How much of it has been looked through.
    scanned: usize,
    peer_closed: bool,
}

impl Conn {
    pub(crate) fn new(bug: Bug, number: usize, stream: Stream, lines: bool) -> Self {
        let line = lines.then(Vec::new);
        let unsent = VecDeque::new();
        Self { bug, number, stream, unsent, line, scanned: 0, peer_closed: false }
    }

    fn has_room(&self) -> bool {
        self.bug == Bug::UnlimitedOutput || self.unsent.len() < MAX_UNSENT
    }

    pub(crate) fn interest(&self) -> Interest {
        match (self.has_room() && !self.peer_closed, self.unsent.is_empty()) {
            (_, false) if self.bug == Bug::Spin => Interest::READABLE | Interest::WRITABLE,
            (true, true) => Interest::READABLE,
            (true, false) => Interest::READABLE | Interest::WRITABLE,
            (false, _) => Interest::WRITABLE,
        }
    }

    /// Does what an event calls for. An error is the end of the connection.
    pub(crate) fn ready(&mut self, event: Event) -> io::Result<()> {
        if event.is_writable() {
            self.flush()?;
        }
        if (event.is_readable() || event.is_hangup_or_error())
            && self.has_room()
            && !self.peer_closed
        {
            self.receive()?;
        }
        self.flush()?;
        if self.peer_closed && self.unsent.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_BUFFER];
        match self.stream.recv(&mut buffer) {
            Ok(0) => self.peer_closed = true,
            Ok(count) if self.line.is_some() => self.answer_lines(&buffer[..count])?,
            Ok(count) => self.unsent.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn answer_lines(&mut self, input: &[u8]) -> io::Result<()> {
        let Some(line) = &mut self.line else { return Ok(()) };
        line.extend_from_slice(input);
        while let Some(end) = line[self.scanned..].iter().position(|&byte| byte == b'\n') {
            let len = self.scanned + end;
            writeln!(self.unsent, "{len}")?;
            line.drain(..=len);
            self.scanned = 0;
        }
        if self.bug != Bug::QuadraticParse {
            self.scanned = line.len();
        }
        if line.len() > MAX_LINE { Err(ErrorKind::InvalidData.into()) } else { Ok(()) }
    }

    pub(crate) fn woken(&mut self) {
        if self.bug == Bug::LostOutput {
            self.unsent.clear();
        }
        self.write(WOKEN);
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.unsent.extend(bytes);
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            let (front, _) = self.unsent.as_slices();
            let offered = front.len();
            let sent = match self.stream.send(front) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            self.unsent.drain(..sent);
            if sent < offered {
                // Whether the last send takes a part or nothing is the kernel's choice: the bug is
                // in both, and loses so little that the peer does not catch up.
                if self.bug == Bug::ShortWrites {
                    self.unsent.pop_front();
                }
                break;
            }
        }
        Ok(())
    }
}
