//! What connections write in a turn, before any of it is sent.

/// The most of one connection. More is worth chunks of its own.
const MAX_PART: usize = 64 << 10;

/// The most of all connections together: about what a second-level cache holds. A loop keeps up to
/// twice as much.
const MAX_LEN: usize = 1 << 20;

/// What was written since output was last sent, of one connection behind the other's.
///
/// Nearly all output is gone when its turn is over, and needs no place of its own. This is one that
/// the turn before has used, so the processor has it at hand.
#[derive(Debug, Default)]
pub(crate) struct TurnOutput {
    bytes: Vec<u8>,
}

/// Which of it is one connection's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    start: u32,
    len: u32,
}

impl Part {
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

impl TurnOutput {
    /// Adds to the part of a connection, and returns whether it was possible: not when another
    /// connection has written since, nor when it would be too much.
    #[inline]
    pub(crate) fn extend(&mut self, part: &mut Part, bytes: &[u8]) -> bool {
        let end = self.bytes.len();
        if part.len == 0 {
            part.start = end as u32;
        }
        let is_last = part.start as usize + part.len() == end;
        let fits = part.len() + bytes.len() <= MAX_PART && end + bytes.len() <= MAX_LEN;
        let possible = is_last && fits;
        if possible {
            self.bytes.extend_from_slice(bytes);
            part.len += bytes.len() as u32;
        }
        possible
    }

    #[inline]
    pub(crate) fn get(&self, part: Part) -> &[u8] {
        &self.bytes[part.start as usize..][..part.len()]
    }

    /// Makes room for the next turn. No part may be used any more.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_behind_each_other() {
        let mut turn = TurnOutput::default();
        for _ in 0..2 {
            let (mut first, mut second) = (Part::default(), Part::default());
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
        let mut turn = TurnOutput::default();
        let full = vec![0; MAX_PART];
        for _ in 0..MAX_LEN / MAX_PART {
            let mut part = Part::default();
            assert!(turn.extend(&mut part, &full[1..]) && turn.extend(&mut part, b"x"));
            assert!(!turn.extend(&mut part, b"x"));
            assert_eq!(turn.get(part).len(), MAX_PART);
        }
        let mut part = Part::default();
        assert!(!turn.extend(&mut part, b"x"));
        assert_eq!(turn.get(part), b"");
    }
}
