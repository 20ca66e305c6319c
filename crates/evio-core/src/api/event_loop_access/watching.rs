//! Descriptors that the loop watches for the program.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use evio_sys::Interest;

use super::Loop;
use crate::types::origin::Tag;
use crate::types::watch_id::WatchId;

impl Loop<'_> {
    /// Watches a descriptor of the program's own, such as a pipe, a timerfd, an inotify or a socket
    /// of another library, and returns its name: [`Handler::ready`](crate::Handler::ready) is
    /// called in each turn in which it is ready for `interest`.
    /// [`Watched::tag`](crate::Watched::tag) gives `tag` back.
    ///
    /// The loop owns the descriptor until [`unwatch`](Self::unwatch), so nobody closes it, and has
    /// the system give its number to another, while it is polled; at the server's end it is closed,
    /// without a callback. To watch what somebody else owns, give the loop a copy
    /// (`as_fd().try_clone_to_owned()`), and end the watch when the owner closes its own. Whether
    /// it blocks is left as it is, for that is shared with all copies. A graceful shutdown does not
    /// wait for it.
    ///
    /// # Errors
    ///
    /// Fails with [`QuotaExceeded`](io::ErrorKind::QuotaExceeded) when the loop watches as many as
    /// `Server::max_watches` of the `evio` crate allows, or
    /// [`Config::max_watches`](crate::Config::max_watches) where this crate is used alone; when the
    /// descriptor cannot be polled, such as that of a regular file; and when the server is ending.
    /// It is closed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Read;
    /// use std::ops::ControlFlow;
    /// use std::os::unix::net::UnixStream;
    /// # use evio_core as evio;
    /// use evio::{Action, Conn, Handler, Interest, Loop, Serving, Tag, Watched};
    ///
    /// /// Ends when it is told so by a socket that is no connection.
    /// struct Told(Option<UnixStream>);
    ///
    /// impl Handler for Told {
    ///     type Context = ();
    ///     fn context(&mut self, _: &Conn<'_>) {}
    ///     fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
    ///         Action::None
    ///     }
    ///     fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
    ///         let socket = self.0.take().expect("serving is called once");
    ///         match event_loop.watch(socket, Interest::READABLE, Tag::default()) {
    ///             Ok(_) => ControlFlow::Continue(()),
    ///             Err(_) => ControlFlow::Break(()),
    ///         }
    ///     }
    ///     fn ready(&mut self, watched: &mut Watched<'_>) -> ControlFlow<()> {
    ///         let mut word = [0; 16];
    ///         match watched.read(&mut word) {
    ///             Ok(len) if word[..len] == *b"go on" => ControlFlow::Continue(()),
    ///             _ => ControlFlow::Break(()),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn watch(
        &mut self,
        descriptor: impl Into<OwnedFd>,
        interest: Interest,
        tag: impl Into<Tag>,
    ) -> io::Result<WatchId> {
        let fd = descriptor.into();
        self.state.check_running()?;
        let number = self.state.watches.add(fd, interest, tag.into(), &self.state.poller)?;
        Ok(WatchId::new(self.state.loop_id, number))
    }

    /// Changes what a descriptor is watched for. With [`Interest::HANGUP`] it is silent but for the
    /// end of a connection.
    ///
    /// # Errors
    ///
    /// Fails with [`NotFound`](io::ErrorKind::NotFound) when this loop does not watch it, and when
    /// the system refuses the interest; then it may be reported no more, and is to be given back.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Interest, Loop, WatchId};
    ///
    /// /// Waits for room in a pipe while there is something to write, and else for its end alone.
    /// fn wait(event_loop: &mut Loop<'_>, pipe: WatchId, output: &[u8]) -> std::io::Result<()> {
    ///     let is_done = output.is_empty();
    ///     event_loop.rewatch(pipe, if is_done { Interest::HANGUP } else { Interest::WRITABLE })
    /// }
    /// ```
    pub fn rewatch(&mut self, id: WatchId, interest: Interest) -> io::Result<()> {
        let number = self.watch_number(id).ok_or(io::ErrorKind::NotFound)?;
        self.state.watches.rearm(number, interest, &self.state.poller)
    }

    /// Ends watching a descriptor and gives it back, unless that has been done already. What was
    /// reported in this turn and not been told yet is not told.
    ///
    /// # Examples
    ///
    /// See [`WatchId`].
    pub fn unwatch(&mut self, id: WatchId) -> Option<OwnedFd> {
        self.state.watches.remove(self.watch_number(id)?, &self.state.poller)
    }

    /// Returns a descriptor that this loop watches.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::fd::OwnedFd;
    /// # use evio_core as evio;
    /// use evio::{Loop, WatchId};
    ///
    /// /// Makes a copy of a descriptor that stays watched.
    /// fn copy(event_loop: &Loop<'_>, watch: WatchId) -> Option<OwnedFd> {
    ///     event_loop.watched(watch)?.try_clone_to_owned().ok()
    /// }
    /// ```
    #[must_use]
    pub fn watched(&self, id: WatchId) -> Option<BorrowedFd<'_>> {
        Some(self.state.watches.get(self.watch_number(id)?)?.fd().as_fd())
    }

    fn watch_number(&self, id: WatchId) -> Option<u64> {
        (id.loop_id() == self.loop_id()).then(|| id.number())
    }
}
