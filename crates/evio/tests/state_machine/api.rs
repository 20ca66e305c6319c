//! The calls of the library whose names are about to change, each in one place.

use evio::Conn;

/// Gives back input that was not used, for the one who gets the detached socket.
pub(crate) fn put_back(conn: &mut Conn<'_>, input: &[u8]) {
    conn.unread(input);
}

/// Returns whether output is still taken.
pub(crate) fn takes_output(conn: &Conn<'_>) -> bool {
    conn.is_open()
}
