//! Names of hosts.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::vec;

/// Looks up the addresses of a host, as the system's resolver does, which can take many seconds.
///
/// A simulated kernel has names of its own.
///
/// # Errors
///
/// Fails when there is no such host, and when the resolver cannot find out.
///
/// # Examples
///
/// ```
/// let mut addresses = evio_sys::names::look_up("127.0.0.1", 80)?;
/// assert_eq!(addresses.next(), Some("127.0.0.1:80".parse().unwrap()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[inline]
pub fn look_up(host: &str, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    #[cfg(feature = "sim")]
    if let Some(found) = crate::sim::look_up(host, port) {
        return found.map(Vec::into_iter);
    }
    (host, port).to_socket_addrs()
}

/// Looks up `name`, a host and a port, without a thread that waits for it, where that can be: then
/// `done` is called with `receiver` and what was found. The operating system has nothing of the
/// kind, so that the receiver comes back; a simulated kernel has.
///
/// Hidden from programs, to which it is of no use: it is public because `Resolver` of evio, which
/// else looks names up on a thread of its pool, has to ask the kernel of a simulation itself.
///
/// # Errors
///
/// Gives `receiver` back where somebody has to wait; see [`look_up`].
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
///
/// let (sender, _) = mpsc::channel();
/// let done = |sender: mpsc::Sender<_>, found| _ = sender.send(found);
/// assert!(evio_sys::names::look_up_later("localhost:80", sender, done).is_err());
/// ```
#[doc(hidden)]
#[inline]
pub fn look_up_later<T: Send + 'static>(
    name: &str,
    receiver: T,
    done: fn(T, io::Result<Vec<SocketAddr>>),
) -> Result<(), T> {
    #[cfg(feature = "sim")]
    if crate::sim::is_entered() {
        crate::sim::look_up_later(name, move |found| done(receiver, found));
        return Ok(());
    }
    let _ = (name, done);
    Err(receiver)
}
