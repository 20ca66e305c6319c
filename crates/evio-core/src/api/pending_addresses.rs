//! Addresses that a dial waits for.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::api::loop_handle::LoopHandle;

/// What a [dial](crate::Loop::dial_name) waits for: another thread resolves the name and gives the
/// addresses. One that is dropped fails the dial.
///
/// # Examples
///
/// ```
/// use std::net::ToSocketAddrs;
/// use std::thread;
/// # use evio_core as evio;
/// use evio::{ConnectOptions, Loop};
///
/// /// Connects to a name; the system's resolver may take its time.
/// fn connect(event_loop: &mut Loop<'_>, name: &'static str) {
///     let (_, addresses) = event_loop.dial_name(name, &ConnectOptions::default());
///     thread::spawn(move || addresses.give(name.to_socket_addrs().map(Iterator::collect)));
/// }
/// ```
#[must_use = "a dial whose addresses are dropped fails"]
pub struct PendingAddresses {
    event_loop: LoopHandle,
    number: u64,
    is_given: bool,
}

impl PendingAddresses {
    pub(crate) fn new(event_loop: LoopHandle, number: u64) -> Self {
        Self { event_loop, number, is_given: false }
    }

    /// Gives the dial its addresses, or says why there are none. A dial that is over ignores it,
    /// and so does a server.
    pub fn give(mut self, addresses: io::Result<Vec<SocketAddr>>) {
        self.is_given = true;
        self.event_loop.give_addresses(self.number, addresses);
    }
}

impl Drop for PendingAddresses {
    fn drop(&mut self) {
        if !self.is_given {
            let error = io::Error::other("nobody has resolved the name");
            self.event_loop.give_addresses(self.number, Err(error));
        }
    }
}

impl fmt::Debug for PendingAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAddresses").finish_non_exhaustive()
    }
}
