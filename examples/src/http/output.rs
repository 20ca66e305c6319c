//! Where replies go.

use std::sync::Arc;

use evio::Conn;

/// What an [`Exchange`](super::Exchange) writes replies to: a connection, or a vector in a test.
pub trait Output {
    /// Appends a copy of `bytes`.
    fn write(&mut self, bytes: &[u8]);

    /// Appends `bytes`, without a copy if the output can.
    fn write_owned(&mut self, bytes: Vec<u8>) {
        self.write(&bytes);
    }

    /// Appends bytes that many replies share, without a copy if the output can.
    fn write_shared(&mut self, bytes: Arc<[u8]>) {
        self.write(&bytes);
    }

    /// Appends bytes that live as long as the program, without a copy if the output can.
    fn write_static(&mut self, bytes: &'static [u8]) {
        self.write(bytes);
    }

    /// Returns whether [`log`](Self::log) is to be called; then each request line is kept until its
    /// reply.
    fn logs(&self) -> bool {
        false
    }

    /// Notes a reply: what was asked (`-` if it was no request), the status code, and the
    /// length of the body.
    fn log(&mut self, request_line: &str, code: u16, length: u64) {
        let _ = (request_line, code, length);
    }
}

impl Output for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Output for Conn<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        Conn::write(self, bytes);
    }

    fn write_owned(&mut self, bytes: Vec<u8>) {
        Conn::write_owned(self, bytes);
    }

    fn write_shared(&mut self, bytes: Arc<[u8]>) {
        Conn::write_shared(self, bytes);
    }

    fn write_static(&mut self, bytes: &'static [u8]) {
        Conn::write_static(self, bytes);
    }
}
