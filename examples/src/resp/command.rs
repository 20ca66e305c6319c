//! A request, as a view of the bytes it arrived in.

use std::ops::{Index, Range};

/// Where an argument lies: a begin and an end, as small as the longest command allows.
///
/// The spans of a command are written and read once each for every argument of every request;
/// half the size is half the memory touched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Makes the span `start..end`.
    ///
    /// The caller keeps both within [`MAX_LOGGED_LEN`](super::MAX_LOGGED_LEN), which fits.
    pub(super) fn new(start: usize, end: usize) -> Self {
        debug_assert!(end <= super::MAX_LOGGED_LEN);
        Self { start: start as u32, end: end as u32 }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One request: the name of a command and its arguments.
///
/// Index 0 is the name. An empty request, such as an empty line, has no name and wants no reply.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// What the spans refer to: the input itself, or the unescaped copy of a quoted line.
    bytes: &'a [u8],
    spans: &'a [Span],
    wire_len: usize,
}

impl<'a> Command<'a> {
    pub(super) fn new(bytes: &'a [u8], spans: &'a [Span], wire_len: usize) -> Self {
        Self { bytes, spans, wire_len }
    }

    /// Returns the number of arguments, with the name.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Tells whether the request has no name, and so asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Returns how many bytes of the input the request took.
    pub fn wire_len(&self) -> usize {
        self.wire_len
    }

    /// Returns the argument at `index`, if there are so many.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|&span| self.slice(span))
    }

    /// Iterates over the arguments from `first` on.
    ///
    /// # Panics
    ///
    /// Panics if the command has fewer than `first` arguments.
    pub fn iter_from(&self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let command = *self;
        self.spans[first..].iter().map(move |&span| command.slice(span))
    }

    /// Returns the request that the arguments from `first` on would be, of which there is at least
    /// one.
    #[must_use]
    pub fn skip(&self, first: usize) -> Self {
        Self { spans: &self.spans[first..], ..*self }
    }

    fn slice(&self, span: Span) -> &'a [u8] {
        &self.bytes[span.range()]
    }
}

/// A request that outlives the bytes it arrived in.
#[derive(Debug, Clone)]
pub struct OwnedCommand {
    bytes: Box<[u8]>,
    spans: Box<[Span]>,
}

impl OwnedCommand {
    /// Returns a view of the request. It has taken nothing of any input.
    #[must_use]
    pub fn as_command(&self) -> Command<'_> {
        Command::new(&self.bytes, &self.spans, 0)
    }

    /// Returns about how much memory the request takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.spans)
    }
}

impl From<Command<'_>> for OwnedCommand {
    fn from(command: Command<'_>) -> Self {
        let mut bytes = Vec::with_capacity(command.iter_from(0).map(<[u8]>::len).sum());
        let mut spans = Vec::with_capacity(command.len());
        for argument in command.iter_from(0) {
            let start = bytes.len();
            bytes.extend_from_slice(argument);
            spans.push(Span::new(start, bytes.len()));
        }
        Self { bytes: bytes.into(), spans: spans.into() }
    }
}

impl Index<usize> for Command<'_> {
    type Output = [u8];

    fn index(&self, index: usize) -> &[u8] {
        self.slice(self.spans[index])
    }
}
