//! What connections have received and nobody has read.
//!
//! [`InputStream`](stream::InputStream) is for handlers; the backlog is for the loop. The folder
//! knows no socket.

pub(crate) mod stream;
