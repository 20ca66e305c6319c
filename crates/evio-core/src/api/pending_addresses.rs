//! Addresses that a dial waits for.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Weak;

use crate::api::loop_handle::LoopHandle;
use crate::dial::state::MAX_GIVEN;

/// What a [dial](crate::Loop::dial_name) waits for: another thread resolves the name and gives the
/// addresses. One that is dropped fails the dial.
///
/// # Examples
///
/// ```
/// use std::net::ToSocketAddrs;
/// use std::{io, thread};
/// # use evio_core as evio;
/// use evio::{ConnectOptions, Loop};
///
/// /// Connects to a name; the system's resolver may take its time.
/// fn connect(event_loop: &mut Loop<'_>, name: &'static str) -> io::Result<()> {
///     let (_, addresses) = event_loop.dial_name(name, &ConnectOptions::default())?;
///     thread::spawn(move || addresses.give(name.to_socket_addrs().map(Iterator::collect)));
///     Ok(())
/// }
/// ```
#[must_use = "a dial whose addresses are dropped fails"]
pub struct PendingAddresses {
    event_loop: LoopHandle,
    number: u64,
    wanted: Weak<()>,
    is_given: bool,
}

impl PendingAddresses {
    pub(crate) fn new(event_loop: LoopHandle, number: u64, wanted: Weak<()>) -> Self {
        Self { event_loop, number, wanted, is_given: false }
    }

    /// Returns whether the dial still waits: one whose time is up, or that was cancelled, does not.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use std::thread;
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::PendingAddresses;
    ///
    /// /// Asks for an address again and again, but for no longer than somebody waits for it.
    /// fn resolve(wanted: PendingAddresses, ask: impl Fn() -> Option<SocketAddr>) {
    ///     while wanted.is_wanted() {
    ///         if let Some(address) = ask() {
    ///             return wanted.give(Ok(vec![address]));
    ///         }
    ///         thread::sleep(Duration::from_millis(200));
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted.strong_count() > 0
    }

    /// Gives the dial its addresses, or says why there are none. It is ignored when the dial is
    /// over, or the loop has ended. Of more than 256 addresses the first are taken.
    pub fn give(mut self, addresses: io::Result<Vec<SocketAddr>>) {
        self.send(addresses);
    }

    fn send(&mut self, addresses: io::Result<Vec<SocketAddr>>) {
        self.is_given = true;
        if self.is_wanted() {
            let addresses = addresses.map(|mut addresses| {
                addresses.truncate(MAX_GIVEN);
                addresses
            });
            self.event_loop.give_addresses(self.number, addresses);
        }
    }
}

impl Drop for PendingAddresses {
    fn drop(&mut self) {
        if !self.is_given {
            self.send(Err(io::Error::other("nobody has resolved the name")));
        }
    }
}

impl fmt::Debug for PendingAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAddresses").field("is_wanted", &self.is_wanted()).finish()
    }
}
