//! A broker of MQTT 3.1.1: <https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html>.
//!
//! Packets ([`packet`] and [`encode`]) and [`topics`] know of no network. [`Broker`] is one loop's
//! part of the server, with its callbacks; `session.rs` carries out the packets of a client, and
//! `flow.rs` has publishers wait for those who get their messages, which is what this example is
//! about.
//!
//! The packets have a parser of their own: the crates for that trust the peer in some of what the
//! specification has a server refuse, or are not kept any more.
//!
//! What it leaves out:
//!
//! - A will is short, and a filter has eight levels at most.
//! - Sessions end with their connection, as if each client had asked for a clean one; a client that
//!   has not is told that no session was present.
//! - There is no QoS 2. A subscription to it is granted QoS 1, a will of it is published with QoS
//!   1, and a client that publishes with it is closed.
//! - Everybody is let in, whatever the user name and the password.
//! - Clients that publish to each other at QoS 1, faster than they acknowledge, can come to wait
//!   for each other: what would set them going lies behind what has to wait. The congestion timeout
//!   ends one of them.
//! - Others can have to wait, too, when 256 / loops publishers of their loop flood a slow
//!   subscriber.

mod broker;
mod client;
pub mod encode;
mod flow;
pub mod packet;
mod retained;
mod session;
pub mod topics;

pub use broker::{Broker, Settings};
pub use flow::{Bounds, Message, Owed};
pub use retained::Publication;
