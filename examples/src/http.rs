//! HTTP/1.1 as far as the `http-server` example needs it.
//!
//! To build a server, implement [`Service`] and run it in an [`HttpServer`], which is the handler
//! of an event loop. Below that there are no sockets: [`Exchange`] is the state of one connection;
//! it takes whatever bytes have arrived, in pieces of any size, shows the requests to the service,
//! and writes the replies to any [`Output`]. Below it, [`Parser`] turns bytes into [`Step`]s.
//!
//! The profile is the strict one of RFC 9112, lenient where browsers live: whatever two
//! implementations could read in two ways is answered with an error, and an error always ends the
//! connection. Where the code is stricter than the RFC lets it be, it says so at that place. What
//! is deliberately absent: routing, upgrades, proxying, trailers, bodies of unknown length, and
//! compression.
//!
//! Everything a peer can make grow has a limit here. Body bytes are handed on as they arrive and
//! kept only by a service that wants them, and no more of a reply is written than there is room
//! for. So all that is held between two calls is an unfinished head, chunk line or trailer section,
//! each shorter than [`MAX_HEAD`] plus a few bytes, what the service keeps, and output up to the
//! high watermark.

mod access_log;
mod body;
mod chunked;
mod date;
mod exchange;
mod fields;
mod file_reply;
pub mod files;
mod grammar;
mod head;
mod output;
mod page;
mod parser;
mod request;
mod response;
mod scan;
mod server;
mod service;
mod status;
#[cfg(test)]
mod tests;
mod wait;

pub use access_log::AccessLog;
pub use body::{ReplyBody, Shared, Stream};
pub use date::Date;
pub use exchange::{Exchange, Flow, Phase, Progress};
pub use output::Output;
pub use page::Page;
pub use parser::{Parser, Step};
pub use request::{Body, KeptRequest, Persistence, Request};
pub use response::{Reply, Response};
pub use server::{HttpServer, Session};
pub use service::{Answer, Service};
pub use status::Status;
pub use wait::{MIN_BODY_RATE, Timeouts};

/// Longest request head in bytes, from the request line to the empty line inclusive.
///
/// Browsers and proxies stay below 8 KiB, the usual limit of servers; twice that leaves room for
/// large cookies.
pub const MAX_HEAD: usize = 16 * 1024;

/// Most field lines of a head or of a trailer section; common servers allow 100 to 128.
pub const MAX_FIELDS: usize = 100;

/// Longest request target in bytes. RFC 9112, section 3, asks for at least 8000.
pub const MAX_TARGET: usize = 8 * 1024;

/// Most bytes that the chunk extensions and the trailer section of one body may take together.
///
/// Both are read and dropped, so without a limit they are an endless body that no body limit sees.
pub const MAX_CHUNK_OVERHEAD: usize = 16 * 1024;

/// Empty lines that are skipped before a request line.
///
/// RFC 9112, section 2.2, asks for at least one, for the sake of old clients that end a body with
/// an extra one.
pub const MAX_BLANK_LINES: u8 = 4;

/// The body limit of a server that names none: 1 MiB, as in nginx.
pub const DEFAULT_MAX_BODY: u64 = 1024 * 1024;
