//! A descriptor that is kept for when there are no others.

use std::io;
use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockType};

use super::listener::Listener;
use crate::backend;

/// A descriptor held back, to be given up for a moment when the process has no other left: it lets
/// a connection that cannot be served be accepted and closed, so that its peer is told instead of
/// being left to wait.
///
/// # Examples
///
/// ```
/// use std::io::Read;
/// use evio_sys::net::{ListenOptions, Listener, Reserve};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = Listener::tcp("127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
/// let address = listener.local_addr()?.as_inet().expect("a TCP address");
/// let mut client = std::net::TcpStream::connect(address)?;
/// let mut reserve = Reserve::hold();
/// if !reserve.is_held() {
///     // Another thread may have closed something meanwhile.
///     reserve.refill();
/// }
/// assert!(reserve.turn_away(&listener));
/// assert_eq!(client.read(&mut [0; 1])?, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reserve {
    /// `None` while there is no descriptor to hold back.
    held: Option<Held>,
}

#[cfg(not(feature = "sim"))]
type Held = OwnedFd;

/// A descriptor of the system, or of the simulated kernel.
#[cfg(feature = "sim")]
#[derive(Debug)]
enum Held {
    Real(#[allow(dead_code, reason = "held for its drop")] OwnedFd),
    Simulated(#[allow(dead_code, reason = "held for its drop")] crate::sim::Handle),
}

impl Reserve {
    /// Takes a descriptor, or none if there is none left; [`refill`](Self::refill) tries again.
    #[must_use]
    pub fn hold() -> Self {
        Self { held: descriptor().ok() }
    }

    /// Accepts one connection and closes it; returns whether there was one, and a descriptor to do
    /// it with.
    pub fn turn_away(&mut self, listener: &Listener) -> bool {
        self.held = None;
        let accepted = listener.accept().is_ok();
        self.refill();
        accepted
    }

    /// Returns whether there is a descriptor in reserve.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Takes a descriptor again if it was lost to another thread meanwhile.
    pub fn refill(&mut self) {
        if self.held.is_none() {
            self.held = descriptor().ok();
        }
    }
}

/// A socket that is not connected to anything costs the least of what every system has.
#[cfg(not(feature = "sim"))]
fn descriptor() -> io::Result<Held> {
    backend::open_socket(AddressFamily::Unix, SockType::Stream)
}

#[cfg(feature = "sim")]
fn descriptor() -> io::Result<Held> {
    match crate::sim::current() {
        Some(shared) => Ok(Held::Simulated(crate::sim::Handle::reserve(shared)?)),
        None => Ok(Held::Real(backend::open_socket(AddressFamily::Unix, SockType::Stream)?)),
    }
}
