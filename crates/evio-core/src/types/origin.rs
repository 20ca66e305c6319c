//! How a connection came to be.

use crate::types::conn_id::ConnId;

/// How a connection came to be.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{Conn, ConnId, Origin};
///
/// /// Returns the connection that this one was asked for by, if it was.
/// fn client(conn: &Conn<'_>) -> Option<ConnId> {
///     match conn.origin() {
///         Origin::Connected(tag) => tag.conn,
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
    /// [`Loop::connect`](crate::Loop::connect), or another method that connects or dials, was
    /// called with this tag.
    Connected(Tag),
    /// [`Loop::adopt`](crate::Loop::adopt) was called with this tag.
    Adopted(Tag),
}

/// What a program gives a thing that it asks for, to know it again: another connection, a number,
/// or both.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{ConnId, Tag};
///
/// assert_eq!(Tag::from(7), Tag { conn: None, number: 7 });
/// assert_eq!(Tag::default(), Tag::from(0));
///
/// /// Names the connection that asks, and the upstream that is asked.
/// fn tag(client: ConnId, upstream: u64) -> Tag {
///     (client, upstream).into()
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// Another connection: that on behalf of which this one was made.
    pub conn: Option<ConnId>,
    /// A number of the program's own, such as the index of a peer.
    pub number: u64,
}

impl From<u64> for Tag {
    fn from(number: u64) -> Self {
        Self { conn: None, number }
    }
}

impl From<ConnId> for Tag {
    fn from(id: ConnId) -> Self {
        Self { conn: Some(id), number: 0 }
    }
}

impl From<(ConnId, u64)> for Tag {
    fn from((id, number): (ConnId, u64)) -> Self {
        Self { conn: Some(id), number }
    }
}

/// [`Origin`] as an entry keeps it: the tag, which few connections have, lies elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginKind {
    /// By the address with this index, whose limits the connection has.
    Accepted(u16),
    Connected,
    /// An attempt of the dial whose number is the tag.
    Dialed,
    Adopted,
}
