//! Readiness polling over epoll and kqueue, with the non-blocking sockets to poll.
//!
//! This is the lowest layer of evio and the only one that talks to the operating system. It knows
//! no connections, no buffers and no callbacks: a [`Poller`] says which sockets are ready, and the
//! types in [`net`] read from them and write to them without ever blocking. It can be used alone;
//! `examples/poller_echo.rs` is a complete echo server on it. The `evio` crate exports a few of the
//! items here, such as [`Interest`] and [`net::Stream`]; their examples name that crate.
//!
//! # Platform notes
//!
//! Linux is served by epoll, macOS and the BSDs by kqueue. Both are level-triggered here: an event
//! is reported again on the next poll for as long as the socket stays ready, so a caller may stop
//! reading in the middle and come back later. [`Interest::edge`] lets that go, where it costs.
//!
//! # Examples
//!
//! ```
//! use std::io::Write;
//! use std::time::Duration;
//! use evio_sys::net::{Listener, ListenOptions};
//! use evio_sys::{Events, Interest, Poller, Token};
//!
//! # fn main() -> std::io::Result<()> {
//! let listener = Listener::tcp("127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
//! let poller = Poller::new()?;
//! poller.register(&listener, Token(7), Interest::READABLE)?;
//!
//! let address = listener.local_addr()?.as_inet().expect("a TCP listener has an inet address");
//! let mut client = std::net::TcpStream::connect(address)?;
//! client.write_all(b"hello")?;
//!
//! let mut events = Events::with_capacity(16);
//! poller.poll(&mut events, Some(Duration::from_secs(5)))?;
//! let event = events.iter().next().expect("the listener is ready");
//! assert_eq!(event.token(), Token(7));
//! assert!(event.is_readable());
//! let (_stream, peer) = listener.accept()?;
//! assert_eq!(peer, Some(client.local_addr()?));
//! # Ok(())
//! # }
//! ```

mod backend;
pub mod clock;
pub mod descriptor;
mod event;
mod flag;
mod interest;
pub mod names;
pub mod net;
mod poller;
pub mod random;
#[cfg(feature = "sim")]
pub mod sim;
mod source;
pub mod thread;
mod token;
mod waker;

pub use event::{Event, Events, EventsIter};
pub use interest::Interest;
pub use poller::{BACKEND, Poller};
pub use source::Source;
pub use token::Token;
pub use waker::Waker;
