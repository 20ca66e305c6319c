//! The subject of an event: the one place where tokens are made and read.

use evio_sys::Token;

use crate::types::conn_id::ConnKey;

/// The meaning of a token.
///
/// A connection's token is its generation over its index. No connection has generation zero, so
/// the tokens below 2^32 are free for the loop's own sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventTarget {
    Waker,
    Listener(u32),
    Datagram(u32),
    /// A socket whose input ends the server.
    Stop(u32),
    /// A descriptor of the program's own: the last bits of its number.
    Watch(u32),
    Conn(ConnKey),
}

/// The loop's own sources have their kind in the three bits above their slot.
const KIND_SHIFT: u32 = 29;
pub(crate) const SLOT_MASK: u32 = (1 << KIND_SHIFT) - 1;
const WAKER: u32 = 0;
const LISTENER: u32 = 1;
const DATAGRAM: u32 = 2;
const STOP: u32 = 3;
const WATCH: u32 = 4;

impl EventTarget {
    pub(crate) fn token(self) -> Token {
        let (generation, low) = match self {
            Self::Waker => (0, 0),
            Self::Listener(slot) => (0, (LISTENER << KIND_SHIFT) | (slot & SLOT_MASK)),
            Self::Datagram(slot) => (0, (DATAGRAM << KIND_SHIFT) | (slot & SLOT_MASK)),
            Self::Stop(slot) => (0, (STOP << KIND_SHIFT) | (slot & SLOT_MASK)),
            Self::Watch(slot) => (0, (WATCH << KIND_SHIFT) | (slot & SLOT_MASK)),
            Self::Conn(key) => (key.generation, key.index),
        };
        Token((u64::from(generation) << 32) | u64::from(low))
    }
}

impl From<Token> for EventTarget {
    #[inline]
    fn from(Token(bits): Token) -> Self {
        let (generation, low) = ((bits >> 32) as u32, bits as u32);
        match (generation, low >> KIND_SHIFT) {
            (0, WAKER) => Self::Waker,
            (0, LISTENER) => Self::Listener(low & SLOT_MASK),
            (0, DATAGRAM) => Self::Datagram(low & SLOT_MASK),
            (0, STOP) => Self::Stop(low & SLOT_MASK),
            (0, _) => Self::Watch(low & SLOT_MASK),
            (generation, _) => Self::Conn(ConnKey { index: low, generation }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip() {
        let conn = |index, generation| EventTarget::Conn(ConnKey { index, generation });
        let sources = [
            EventTarget::Waker,
            EventTarget::Listener(0),
            EventTarget::Listener(SLOT_MASK),
            EventTarget::Datagram(0),
            EventTarget::Datagram(7),
            EventTarget::Stop(0),
            EventTarget::Stop(SLOT_MASK),
            EventTarget::Watch(0),
            EventTarget::Watch(SLOT_MASK),
            conn(0, 1),
            conn(u32::MAX, 1),
            conn(0, u32::MAX),
            conn(u32::MAX, u32::MAX),
        ];
        for source in sources {
            assert_eq!(EventTarget::from(source.token()), source);
        }
    }
}
