//! A part of a file, read piece by piece.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The bytes of an open file that are still to be sent.
///
/// The length was promised in the head of the reply; bytes that are appended to the file meanwhile
/// are not sent.
#[derive(Debug)]
pub struct FilePart {
    file: File,
    offset: u64,
    remaining: u64,
}

impl FilePart {
    pub(super) fn new(file: File, offset: u64, remaining: u64) -> Self {
        Self { file, offset, remaining }
    }

    /// Returns how many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Reads the next bytes into the start of `buffer` and returns how many; none when all have
    /// been read, or when the buffer is empty.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read, and with [`UnexpectedEof`](io::ErrorKind::UnexpectedEof)
    /// when it has become shorter than was promised. Both must end the connection: that alone tells
    /// the client that the body is incomplete (RFC 9112, section 8).
    pub fn read_piece(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        loop {
            match self.file.read_at(&mut buffer[..wanted], self.offset) {
                Ok(0) => {
                    let text = "the file has become shorter while it was sent";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
                }
                Ok(len) => {
                    self.offset += len as u64;
                    self.remaining -= len as u64;
                    return Ok(len);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
