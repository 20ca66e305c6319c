//! A server, as other threads see it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evio_core::{LoopHandle, SendError};
use parking_lot::Mutex;

/// Reaches a server from any thread, at any time: before it runs, while it does, or afterwards.
///
/// # Examples
///
/// ```
/// use evio::{Events, Server};
///
/// let server = Server::bind(["tcp://127.0.0.1:0"])?;
/// let handle = server.handle();
/// std::thread::spawn(move || handle.shutdown());
/// server.run(Events::new())?;
/// # Ok::<(), evio::Error>(())
/// ```
#[derive(Clone)]
pub struct ServerHandle {
    state: Arc<Mutex<State>>,
}

enum State {
    Bound,
    /// Shut down before it ran: it will end as soon as it does.
    Stopping,
    Running(LoopHandle),
    Ended,
}

impl ServerHandle {
    pub(crate) fn new() -> Self {
        Self { state: Arc::new(Mutex::new(State::Bound)) }
    }

    /// Stops accepting, and closes every connection once what was written to it has been sent, or
    /// the server's shutdown timeout has passed.
    ///
    /// Returns at once; the server's `run` returns when all is over. Calling it again does nothing.
    pub fn shutdown(&self) {
        let mut state = self.state.lock();
        match &*state {
            State::Bound => *state = State::Stopping,
            State::Running(handle) => handle.shutdown(),
            State::Stopping | State::Ended => {}
        }
    }

    /// Stops accepting, has [`Handler::stopping`](crate::Handler::stopping) called for every
    /// connection, and ends the server when they have all come to an end, or after `timeout`.
    ///
    /// Returns at once. Before the server runs this is the same as [`shutdown`](Self::shutdown),
    /// which can also follow it, to wait no longer.
    pub fn shutdown_gracefully(&self, timeout: Duration) {
        let mut state = self.state.lock();
        match &*state {
            State::Bound => *state = State::Stopping,
            State::Running(handle) => handle.shutdown_gracefully(timeout),
            State::Stopping | State::Ended => {}
        }
    }

    /// Appends `bytes` to the output of every open connection. They are shared, not copied.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; some loops may send them all the same.
    pub fn broadcast(&self, bytes: impl Into<Arc<[u8]>>) -> Result<(), SendError> {
        match &*self.state.lock() {
            // Nobody is connected yet.
            State::Bound | State::Stopping => Ok(()),
            State::Running(handle) => handle.broadcast(bytes.into()),
            State::Ended => Err(SendError::Stopped),
        }
    }

    pub(crate) fn started(&self, handle: LoopHandle) {
        let mut state = self.state.lock();
        if matches!(*state, State::Stopping) {
            handle.shutdown();
        }
        *state = State::Running(handle);
    }

    pub(crate) fn ended(&self) {
        *self.state.lock() = State::Ended;
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").finish_non_exhaustive()
    }
}
