//! The buffer of what connections write in a turn, before any of it is sent.

/// The most of one connection. More is worth chunks of its own.
const MAX_SPAN: usize = 64 << 10;

/// The most of all connections together: about what a second-level cache holds. A loop keeps up to
/// twice as much.
const MAX_LEN: usize = 1 << 20;

/// The bytes that were written since output was last sent, one connection's behind the other's.
///
/// Nearly all output is gone when its turn is over, and needs no place of its own. This is one that
/// the turn before has used, so the processor has it at hand.
#[derive(Debug, Default)]
pub(crate) struct TurnBuffer {
    bytes: Vec<u8>,
}

/// The place of one connection's bytes in a `TurnBuffer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.len as usize
    }

    /// Returns what is left of it without its first `count` bytes.
    #[inline]
    pub(crate) fn after(self, count: usize) -> Self {
        Self { start: self.start + count as u32, len: self.len - count as u32 }
    }
}

impl TurnBuffer {
    /// Adds to the span of a connection, and returns whether it was possible: not when another
    /// connection has written since, nor when it would be too much.
    #[inline]
    pub(crate) fn extend(&mut self, span: &mut Span, bytes: &[u8]) -> bool {
        let end = self.bytes.len();
        if span.len == 0 {
            span.start = end as u32;
        }
        let is_last = span.start as usize + span.len() == end;
        let fits = span.len() + bytes.len() <= MAX_SPAN && end + bytes.len() <= MAX_LEN;
        let possible = is_last && fits;
        if possible {
            self.bytes.extend_from_slice(bytes);
            span.len += bytes.len() as u32;
        }
        possible
    }

    #[inline]
    pub(crate) fn get(&self, span: Span) -> &[u8] {
        &self.bytes[span.start as usize..][..span.len()]
    }

    /// Makes room for the next turn. No span may be used any more.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_lie_behind_each_other() {
        let mut turn = TurnBuffer::default();
        for _ in 0..2 {
            let (mut first, mut second) = (Span::default(), Span::default());
            assert!(turn.extend(&mut first, b"ab"));
            assert!(turn.extend(&mut first, b""));
            assert!(turn.extend(&mut first, b"c"));
            assert!(turn.extend(&mut second, b"d"));
            assert!(!turn.extend(&mut first, b"e"), "there is another one behind it");
            assert!(turn.extend(&mut second, b"e"));
            assert_eq!((turn.get(first), turn.get(second)), (&b"abc"[..], &b"de"[..]));
            turn.clear();
        }
    }

    #[test]
    fn there_is_a_most_of_one_and_of_all() {
        let mut turn = TurnBuffer::default();
        let full = vec![0; MAX_SPAN];
        for _ in 0..MAX_LEN / MAX_SPAN {
            let mut span = Span::default();
            assert!(turn.extend(&mut span, &full[1..]) && turn.extend(&mut span, b"x"));
            assert!(!turn.extend(&mut span, b"x"));
            assert_eq!(turn.get(span).len(), MAX_SPAN);
        }
        let mut span = Span::default();
        assert!(!turn.extend(&mut span, b"x"));
        assert_eq!(turn.get(span), b"");
    }
}
