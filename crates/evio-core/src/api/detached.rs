//! A socket that has left its loop.

use std::io::{self, Cursor, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use evio_sys::net::Stream;

/// The socket of a detached connection, in blocking mode.
///
/// Reading gives the input that the handler had [put back](crate::Conn::put_back), then what
/// arrives on the socket. [`Loop::adopt`](crate::Loop::adopt) takes it back into a loop, input and
/// all.
///
/// # Examples
///
/// ```
/// use std::fs::File;
/// use std::io::{self, Write};
/// use std::ops::ControlFlow;
/// # use evio_core as evio;
/// use evio::{Action, Conn, ConnId, Detached, Handler, Loop};
///
/// /// Leaves uploads to threads, which may wait for a disk.
/// struct Uploads;
///
/// impl Handler for Uploads {
///     type Context = ();
///
///     fn context(&mut self, _: &Conn<'_>) {}
///
///     fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
///         conn.put_back(input);
///         Action::Detach
///     }
///
///     fn detached(
///         &mut self,
///         _: &mut Loop<'_>,
///         id: ConnId,
///         _: (),
///         mut upload: Detached,
///     ) -> ControlFlow<()> {
///         std::thread::spawn(move || {
///             let mut file = File::create(format!("upload-{id}"))?;
///             // The input that was put back comes first, then what arrives on the socket.
///             let len = io::copy(&mut upload, &mut file)?;
///             writeln!(upload, "{len} bytes are stored")
///         });
///         ControlFlow::Continue(())
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Detached {
    stream: Stream,
    unread: Cursor<Vec<u8>>,
}

impl Detached {
    pub(crate) fn new(stream: Stream, unread: Vec<u8>) -> Self {
        Self { stream, unread: Cursor::new(unread) }
    }

    /// Takes the parts: the socket, and input that comes before anything read from it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::TcpStream;
    /// # use evio_core as evio;
    /// use evio::Detached;
    ///
    /// /// What a `detached` callback gives to a library that wants a socket of std: that, and the
    /// /// input that is read already.
    /// fn parts(socket: Detached) -> Option<(TcpStream, Vec<u8>)> {
    ///     let (stream, unread) = socket.into_parts();
    ///     // A Unix socket would be a `UnixStream`.
    ///     Some((stream.try_into().ok()?, unread))
    /// }
    /// ```
    #[must_use]
    pub fn into_parts(self) -> (Stream, Vec<u8>) {
        let read = self.unread.position() as usize;
        let mut unread = self.unread.into_inner();
        unread.drain(..read);
        (self.stream, unread)
    }
}

impl From<Stream> for Detached {
    fn from(stream: Stream) -> Self {
        Self::new(stream, Vec::new())
    }
}

impl From<TcpStream> for Detached {
    fn from(stream: TcpStream) -> Self {
        Stream::from(stream).into()
    }
}

impl From<UnixStream> for Detached {
    fn from(stream: UnixStream) -> Self {
        Stream::from(stream).into()
    }
}

impl Read for Detached {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.unread.read(buffer)? {
            0 => self.stream.read(buffer),
            count => Ok(count),
        }
    }
}

impl Write for Detached {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
