//! How a connection came to be.

use crate::types::conn_id::ConnId;

/// How a connection came to be.
///
/// # Examples
///
/// ```
/// use evio_core::{Conn, ConnId, Origin, Tag};
///
/// /// Returns the connection that this one was asked for by, if it was.
/// fn client(conn: &Conn<'_>) -> Option<ConnId> {
///     match conn.origin() {
///         Origin::Connected(Tag::Conn(client)) => Some(client),
///         _ => None,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A peer connected to one of the server's addresses.
    Accepted {
        /// The index of the address, in the order in which the server was given them.
        address_index: u16,
    },
    /// [`Loop::connect`](crate::Loop::connect) was called with this tag.
    Connected(Tag),
    /// [`Loop::adopt`](crate::Loop::adopt) was called with this tag.
    Adopted(Tag),
}

/// The name that a program gives to a connection that it asks for.
///
/// # Examples
///
/// ```
/// use evio_core::Tag;
///
/// assert_eq!(Tag::from(7), Tag::Number(7));
/// assert_eq!(Tag::default(), Tag::Number(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// A number of the program's own, such as the index of a peer.
    Number(u64),
    /// Another connection: that on behalf of which this one was made.
    Conn(ConnId),
}

impl Default for Tag {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl From<u64> for Tag {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<ConnId> for Tag {
    fn from(id: ConnId) -> Self {
        Self::Conn(id)
    }
}

/// [`Origin`] as an entry keeps it: the tag, which few connections have, lies elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginKind {
    /// By the address with this index, whose limits the connection has.
    Accepted(u16),
    Connected,
    Adopted,
}
