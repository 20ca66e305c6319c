//! Commands that were found before they are asked for.

use std::ops::Range;

/// A queue of commands, filled when it is empty.
///
/// A `VecDeque` would have each command pay for what is not needed: to be filled while it is being
/// emptied.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The commands, with those that were taken.
    found: Vec<Found>,
    /// How many were taken.
    taken: usize,
    /// How many arguments those have in all.
    taken_spans: usize,
}

/// A command that was found ahead. Both numbers are small, for only short commands are found so.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// How many arguments it has.
    spans: u32,
    wire_len: u32,
}

impl Ahead {
    pub(super) fn len(&self) -> usize {
        self.found.len() - self.taken
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.found.clear();
        self.taken = 0;
        self.taken_spans = 0;
    }

    /// Adds a command with so many arguments.
    pub(super) fn push(&mut self, spans: usize, wire_len: usize) {
        self.found.push(Found { spans: spans as u32, wire_len: wire_len as u32 });
    }

    /// Takes the next command: where the spans of its arguments are, and its length.
    // Inlined, as are its callers: every command of a pipeline goes through here.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Option<(Range<usize>, usize)> {
        let &Found { spans, wire_len } = self.found.get(self.taken)?;
        let first = self.taken_spans;
        self.taken += 1;
        self.taken_spans += spans as usize;
        Some((first..self.taken_spans, wire_len as usize))
    }

    /// Returns what will be taken.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Range<usize>, usize)> {
        let mut first = self.taken_spans;
        self.found[self.taken..].iter().map(move |&Found { spans, wire_len }| {
            let range = first..first + spans as usize;
            first = range.end;
            (range, wire_len as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_in_order() {
        let mut ahead = Ahead::default();
        for _ in 0..2 {
            let commands = [(0..2, 20), (2..5, 30), (5..5, 4)];
            for (spans, wire_len) in commands.clone() {
                ahead.push(spans.len(), wire_len);
            }
            for (taken, command) in commands.iter().enumerate() {
                assert_eq!(ahead.len(), commands.len() - taken);
                assert_eq!(ahead.iter().collect::<Vec<_>>(), commands[taken..]);
                assert_eq!(ahead.take().as_ref(), Some(command));
            }
            assert_eq!(ahead.take(), None);
            assert!(ahead.is_empty());
            ahead.clear();
        }
    }
}
