//! What the two hubs have in common: servers of connections and datagrams on one address, where a
//! message may be for everyone.

/// Bytes of a message.
pub const MESSAGE: usize = 64;

/// What a message for everyone begins with. Any other one goes back to its sender.
pub const TO_EVERYONE: u8 = b'b';
