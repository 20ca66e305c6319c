//! Received bytes that a handler has left unread.
//!
//! [`InputStream`](stream::InputStream) keeps them for it. The folder knows no socket.

pub(crate) mod frame;
pub(crate) mod stream;
