//! The program under test: a loop whose turns the simulation makes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use evio::{Handler, Progress, RunningServer};
use evio_core::RunningLoop;

/// A running loop, whatever its handler is.
pub(crate) trait Process {
    /// Makes a turn that does not wait.
    fn turn(&mut self) -> io::Result<Progress>;

    fn timeout(&self) -> Option<Duration>;

    fn poller(&self) -> BorrowedFd<'_>;
}

impl<M: 'static, H: Handler<M>> Process for RunningLoop<H, M> {
    fn turn(&mut self) -> io::Result<Progress> {
        RunningLoop::turn(self, Some(Duration::ZERO))
    }

    fn timeout(&self) -> Option<Duration> {
        RunningLoop::timeout(self)
    }

    fn poller(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl<M: 'static, H: Handler<M>> Process for RunningServer<H, M> {
    fn turn(&mut self) -> io::Result<Progress> {
        RunningServer::turn(self, Some(Duration::ZERO)).map_err(io::Error::other)
    }

    fn timeout(&self) -> Option<Duration> {
        RunningServer::timeout(self)
    }

    fn poller(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}
