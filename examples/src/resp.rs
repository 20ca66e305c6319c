//! RESP2 and RESP3, the protocols of redis: requests in, replies out.
//!
//! A [`Parser`] finds the next [`Command`] in the bytes that a connection has received; its
//! arguments are slices of those bytes. A [`Reply`] appends answers to a
//! vector of bytes, in the words of the [`Protocol`] that the client has chosen. What a command
//! means is not known here.
//!
//! Requests come in two forms. The one that clients send is an array of bulk strings
//! (`*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`); the one that people type is a line of words
//! (`GET k\r\n`), whose quoting rules are in [`Parser`]. Both are read as redis reads them, except
//! that a length line and a bulk string must really end in CR LF: redis skips those bytes unseen.
//!
//! # Examples
//!
//! ```
//! use evio_examples::resp::{Parser, Reply};
//!
//! let input = b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\nECHO 'there'\r\nECH";
//! let mut output = Vec::new();
//! let mut reply = Reply::new(&mut output);
//! let mut parser = Parser::default();
//! let mut read = 0;
//! while let Some(command) = parser.parse(&input[read..])? {
//!     reply.bulk(&command[1]);
//!     read += command.wire_len();
//! }
//! assert_eq!(output, b"$2\r\nhi\r\n$5\r\nthere\r\n");
//! assert_eq!(&input[read..], b"ECH");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ahead;
mod command;
mod error;
mod inline;
mod length_line;
mod number;
mod parser;
mod reply;
mod short;

pub use command::{Command, OwnedCommand};
pub use error::ProtocolError;
pub use number::parse_integer;
pub use parser::Parser;
pub use reply::{Protocol, Reply};

/// The longest inline request, and the longest line that announces a length.
///
/// As in redis. Without it a peer that never ends its line would be buffered for ever.
pub const MAX_LINE_LEN: usize = 64 * 1024;

/// The most arguments of one command.
///
/// Redis allowed so many until version 7. An argument costs its peer at least 6 bytes and this
/// side 8 more, so the number also bounds how much a small request can grow.
pub const MAX_ARGUMENTS: usize = 1024 * 1024;

/// The longest argument, redis' `proto-max-bulk-len`.
pub const MAX_BULK_LEN: usize = 512 * 1024 * 1024;

/// The longest command on the wire, redis' `client-query-buffer-limit`.
///
/// A command is buffered until it is whole, so this is what one peer can make a server hold.
pub const MAX_COMMAND_LEN: usize = 1024 * 1024 * 1024;

/// The longest command in a log that a server has written itself, see [`Parser::of_log`]: a key, a
/// field and a value of the longest length, and room to spare.
pub const MAX_LOGGED_LEN: usize = 4 * MAX_BULK_LEN;
