//! Waking a thread that waits in kevent(2): by an event of the program's own where the system has
//! them (`EVFILT_USER`), else by a pair of sockets.
//!
//! The model has such events; there the pair has its own test.

#[cfg(any(target_os = "netbsd", target_os = "openbsd", all(test, evio_kqueue)))]
#[path = "notifier/pair.rs"]
mod pair;
#[cfg(not(any(target_os = "netbsd", target_os = "openbsd")))]
#[path = "notifier/user.rs"]
mod user;

#[cfg(any(target_os = "netbsd", target_os = "openbsd"))]
pub(crate) use pair::{Notifier, is_notification};
#[cfg(not(any(target_os = "netbsd", target_os = "openbsd")))]
pub(crate) use user::{Notifier, is_notification};
