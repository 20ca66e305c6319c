//! A small redis: a keyspace and the commands on it, with no network in sight.
//!
//! [`execute`] runs one [`Command`] on the [`View`] of a [`Store`] and appends the reply to an output. It
//! runs one command at a time, so that the caller can stop between two of them when the output
//! grows faster than the peer takes it.
//!
//! The replies, the errors among them, are those of redis 7, within what is implemented.
//!
//! # Examples
//!
//! What a server does with the input of a connection:
//!
//! ```
//! use evio_examples::redis::{Client, Outcome, Store, execute};
//! use evio_examples::resp::{Parser, Reply};
//!
//! let input = b"SET k v\r\nGET k\r\nQUIT\r\nGET k\r\n";
//! let mut output = Vec::new();
//! let (store, mut client) = (Store::default(), Client::new(1));
//! let mut view = store.view();
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
//!     if execute(&mut view, &mut client, command, &mut output) == Outcome::Close {
//!         break;
//!     }
//! }
//! assert_eq!(output, b"+OK\r\n$1\r\nv\r\n+OK\r\n");
//! ```

mod bytes;
mod call;
mod client;
mod commands;
mod connection;
mod hash;
mod hashes;
mod keys;
mod keyspace;
mod list;
mod lists;
mod look_ahead;
mod server;
mod set;
mod sets;
mod sorted_set;
mod sorted_sets;
mod strings;
#[cfg(test)]
mod tests;
mod value;

use crate::resp::{Command, Reply};

use call::Call;
pub use client::Client;
pub use commands::COMMANDS;
pub use keyspace::{DEFAULT_MAX_MEMORY, Store, View};
pub use look_ahead::look_ahead;

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
}

/// Runs `command` and appends its reply to `output`.
pub fn execute(
    store: &mut View<'_>,
    client: &mut Client,
    command: Command<'_>,
    output: &mut Vec<u8>,
) -> Outcome {
    let reply = Reply::new(output);
    let mut call = Call { store, client, command, reply, outcome: Outcome::Continue };
    if let Err(failure) = commands::run(&mut call) {
        call.reply.error(failure.message());
    }
    call.outcome
}
