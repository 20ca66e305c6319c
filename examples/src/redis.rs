//! A small redis: a keyspace and the commands on it, with no network in sight but in `handler.rs`.
//!
//! A [`Server`] is what all loops share. [`Redis`] is the handler of one loop, which passes what a
//! connection has received to its [`Session`]; that finds the commands. A [`Batch`] runs the
//! commands of one client, one at a time, and appends the replies to an output: so the caller can
//! stop between two of them when the output grows faster than the peer takes it, or when it is time
//! for other clients.
//!
//! The replies, the errors among them, are those of redis 7, within what is implemented.
//!
//! # Examples
//!
//! What a server does with the input of a connection:
//!
//! ```
//! use evio_examples::redis::{Batch, Client, Outcome, Server};
//! use evio_examples::resp::{Parser, Reply};
//!
//! let input = b"SET k v\r\nGET k\r\nQUIT\r\nGET k\r\n";
//! let mut output = Vec::new();
//! let (server, mut client) = (Server::default(), Client::default());
//! let mut batch = Batch::new(&server, usize::MAX);
//! let mut parser = Parser::default();
//! let mut read = 0;
//! loop {
//!     let command = match parser.parse(&input[read..]) {
//!         Ok(Some(command)) => command,
//!         Ok(None) => break,
//!         Err(error) => {
//!             Reply::new(&mut output).protocol_error(&error);
//!             break;
//!         }
//!     };
//!     read += command.wire_len();
//!     if batch.execute(&mut client, command, &mut output) == Outcome::Close {
//!         break;
//!     }
//! }
//! assert_eq!(output, b"+OK\r\n$1\r\nv\r\n+OK\r\n");
//! ```

mod admin;
mod append_only;
mod batch;
mod bytes;
mod call;
mod change_log;
mod channels;
mod client;
mod client_commands;
mod clients;
mod command_info;
mod commands;
mod config;
mod connection;
mod dense;
mod expiry;
mod glob;
mod handler;
mod hashes;
mod info;
mod keys;
mod keyspace;
mod list;
mod list_ranges;
mod lists;
mod long_double;
mod look_ahead;
mod numbers;
mod object;
mod operand;
mod outbox;
mod pubsub;
mod ranks;
mod scan;
mod score;
mod server;
mod session;
mod set_algebra;
mod sets;
mod settings;
mod sorted_set;
mod sorted_set_algebra;
mod sorted_set_ranges;
mod sorted_sets;
mod special;
mod strings;
mod table;
#[cfg(test)]
mod tests;
mod transactions;
mod value;

use std::time::Duration;

pub use append_only::AppendOnly;
pub use batch::Batch;
pub use change_log::{ChangeLog, LogStatus};
pub use channels::Channels;
pub use client::Client;
pub use clients::{Card, Clients, Place};
pub use handler::{ClientSettings, Redis};
pub use keyspace::{DEFAULT_MAX_MEMORY, Store, View};
pub use look_ahead::look_ahead;
pub use server::Server;
pub use session::Session;
pub use settings::parse_memory;
pub use table::COMMANDS;

/// The version of redis whose behaviour is followed, told to clients that choose by it.
const VERSION: &str = "7.0.0";

/// What the connection that sent a command, or the server, has to do after it.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: go on with the next command.
    Continue,
    /// Deliver what has been written, then close the connection. Later commands are not run.
    Close,
    /// Deliver what has been written, then end the server.
    Shutdown,
    /// Wake this connection, then go on with the next command.
    Wake,
    /// Run the same command again in a later turn, before the next one: it has not replied yet.
    Again,
}

/// What a server is told at its start, beside what only the network knows.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How many loops share it.
    pub loops: usize,
    /// About how many bytes the keys and values may use; 0 is no limit.
    pub max_memory: usize,
    /// Whether changes are logged to a file.
    pub appends: bool,
    /// The rest is only told to clients that ask: the port,
    pub port: u16,
    /// how many clients there may be at once,
    pub max_clients: usize,
    /// and how long they may be silent.
    pub idle_timeout: Option<Duration>,
}

impl Server {
    /// Forgets a client whose connection has ended.
    pub fn disconnect(&self, client: &mut Client) {
        connection::unsubscribe_all(client, |kind, name, conn| {
            self.channels.unsubscribe(kind, name, conn);
        });
        client.unwatch(&mut self.store.view());
        self.clients.disconnect(client.card());
    }
}
