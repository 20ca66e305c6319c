//! Finding commands in a stream of bytes.

use std::mem;

use memchr::{memchr, memchr2};

use super::ahead::Ahead;
use super::command::{Command, Span};
use super::error::ProtocolError;
use super::length_line::LengthLine;
use super::number::parse_integer;
use super::short::{Front, find_front, short_line};
use super::{MAX_COMMAND_LEN, MAX_LINE_LEN, MAX_LOGGED_LEN, inline};

/// How many spans a parser keeps room for between commands.
///
/// Enough for every everyday command and a look ahead, so that parsing does not allocate, and so
/// few (1 KiB) that many idle connections can each keep them.
const KEPT_SPANS: usize = 128;

/// How many spans end a look ahead: half of the room, which leaves enough for the last command
/// unless that has very many arguments.
const AHEAD_SPANS: usize = KEPT_SPANS / 2;

const CRLF: &[u8] = b"\r\n";

/// Finds commands in the input of one connection, without copying their arguments.
///
/// A command that is not whole yet is remembered by the place reached: the work for it is linear
/// in its length, in however many pieces it arrives.
///
/// An inline request is split at blanks. `"..."` quotes a word, with the escapes `\n`, `\r`,
/// `\t`, `\b`, `\a`, `\xHH` and `\` before any other character for itself; `'...'` quotes a word
/// with no escape but `\'`. A closing quote ends its word. Only a line with a quote is copied.
#[derive(Debug, Default)]
pub struct Parser {
    /// The arguments of the commands found ahead, with those that were returned and those of what
    /// ended the look; or of the last command; or those found so far of an unfinished one.
    spans: Vec<Span>,
    /// The commands that were found ahead, and are to be returned next.
    ahead: Ahead,
    /// The number of arguments that the unfinished command still lacks.
    missing: usize,
    /// Where the next part of the unfinished command begins.
    ///
    /// Invariant: 0 between commands.
    position: usize,
    /// How far the line at `position` has been searched for its end.
    ///
    /// Invariant: 0 between commands, and below `position` once that has moved on to another line.
    searched: usize,
    /// What the arguments lie in if it is not the input: the words of a quoted inline request.
    unquoted: Vec<u8>,
    /// Whether the commands are from a log, and may be longer.
    reads_log: bool,
}

impl Parser {
    /// Makes a parser of a log that a server has written itself. There, a command may have any
    /// number of arguments and [`MAX_LOGGED_LEN`] bytes: logged in other words, one that was just
    /// short enough may have become longer.
    #[must_use]
    pub fn of_log() -> Self {
        Self { reads_log: true, ..Self::default() }
    }

    /// Finds the command at the start of `input`, or returns `None` if it is not whole yet.
    ///
    /// After a command, the next call must be given the input without the
    /// [`wire_len`](Command::wire_len) bytes of it. After `None`, the next call must be given the
    /// same bytes again, with more behind them.
    ///
    /// # Errors
    ///
    /// Fails when the input breaks the protocol or a limit of it. What follows cannot be told
    /// apart any more, so the parser must not be used again and the connection should be closed.
    ///
    /// # Panics
    ///
    /// May panic if the rule about the next call is not kept.
    // Inlined into each of the few loops over commands, for what it returns is large.
    #[inline(always)]
    pub fn parse<'a>(&'a mut self, input: &'a [u8]) -> Result<Option<Command<'a>>, ProtocolError> {
        let (spans, wire_len) = match self.ahead.take() {
            Some(found) => found,
            None => match self.parse_next(input)? {
                Some(wire_len) => (0..self.spans.len(), wire_len),
                None => return Ok(None),
            },
        };
        let bytes = if self.unquoted.is_empty() { input } else { &self.unquoted };
        Ok(Some(Command::new(bytes, &self.spans[spans], wire_len)))
    }

    /// Finds up to `max` commands at the start of `input`, for a look at what is to come.
    ///
    /// They remain to be parsed, which is nearly free then: the next call of either function must
    /// be given the same bytes, and may be given more behind them. The look ends at a command that
    /// is long, inline, wrong or not whole, and when it has found 64 arguments.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio_examples::resp::Parser;
    ///
    /// let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPI";
    /// let mut parser = Parser::default();
    /// let keys: Vec<_> = parser.parse_ahead(input, 16).map(|command| command.get(1)).collect();
    /// assert_eq!(keys, [Some(&b"k"[..])]);
    /// assert!(parser.parse(input)?.is_some_and(|get| get.wire_len() == 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse_ahead<'a>(
        &'a mut self,
        input: &'a [u8],
        max: usize,
    ) -> impl ExactSizeIterator<Item = Command<'a>> {
        if self.ahead.is_empty() && self.is_between_commands() {
            self.forget_last();
            self.find_ahead(input, max);
        }
        let Self { spans, ahead, .. } = &*self;
        let mut rest = input;
        ahead.iter().take(max).map(move |(found, wire_len)| {
            let command = Command::new(rest, &spans[found], wire_len);
            rest = &rest[wire_len..];
            command
        })
    }

    // Not inlined: it runs once for many commands, and would take registers from what each runs.
    #[inline(never)]
    fn find_ahead(&mut self, input: &[u8], max: usize) {
        self.ahead.clear();
        let mut rest = input;
        while self.ahead.len() < max && self.spans.len() < AHEAD_SPANS {
            let first = self.spans.len();
            let Front::Whole(wire_len) = find_front(rest, &mut self.spans) else { break };
            self.ahead.push(self.spans.len() - first, wire_len);
            rest = &rest[wire_len..];
        }
    }

    /// Tells whether nothing of the next command has been looked at.
    fn is_between_commands(&self) -> bool {
        self.position == 0 && self.searched == 0
    }

    /// Makes room for a new command.
    fn forget_last(&mut self) {
        self.spans.clear();
        self.spans.shrink_to(KEPT_SPANS);
        self.unquoted = Vec::new();
    }

    /// Finds the arguments of the command at the start of `input`, and its length if it is whole.
    #[inline(always)]
    fn parse_next(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        if self.is_between_commands() {
            self.forget_last();
            match find_front(input, &mut self.spans) {
                Front::Whole(wire_len) => return Ok(Some(wire_len)),
                Front::Part { missing, position } => {
                    self.missing = missing;
                    self.position = position;
                }
                Front::Nothing => {}
            }
        }
        self.parse_any(input)
    }

    /// Goes on with a command that is long, unfinished, inline or wrong.
    #[inline(never)]
    fn parse_any(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        match input.first() {
            Some(b'*') => self.parse_array(input),
            Some(_) => self.parse_line(input),
            None => Ok(None),
        }
    }

    fn parse_array(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        if self.position == 0 {
            let Some((count, next)) = self.parse_length(input, LengthLine::Arguments)? else {
                return Ok(None);
            };
            self.missing = count;
            self.position = next;
        }
        while self.missing > 0 {
            let Some((len, start)) = self.parse_length(input, LengthLine::Bulk)? else {
                return Ok(None);
            };
            let end = start + len;
            let next = end + CRLF.len();
            if next > MAX_COMMAND_LEN && !(self.reads_log && next <= MAX_LOGGED_LEN) {
                return Err(ProtocolError::TooBigCommand);
            }
            match input.get(end..next) {
                Some(CRLF) => {}
                Some(_) => return Err(ProtocolError::UnterminatedBulk),
                // The length will be read again with the next bytes: less work than storing it.
                None => return Ok(None),
            }
            self.spans.push(Span::new(start, end));
            self.missing -= 1;
            self.position = next;
        }
        self.searched = 0;
        Ok(Some(mem::take(&mut self.position)))
    }

    /// Reads the length line at `position`: the length, and where the line ends.
    fn parse_length(
        &mut self,
        input: &[u8],
        line: LengthLine,
    ) -> Result<Option<(usize, usize)>, ProtocolError> {
        match input.get(self.position) {
            Some(&marker) if marker == line.marker() => {}
            Some(&other) => return Err(ProtocolError::ExpectedBulk(other)),
            None => return Ok(None),
        }
        // Within the longest command, so 32 bits are enough.
        if let Some((length, end)) = short_line(line.marker(), input, self.position as u32) {
            return Ok(Some((length as usize, end as usize)));
        }
        let Some(end) = self.find(b'\r', input, line.endless())? else {
            return Ok(None);
        };
        match input.get(end + 1) {
            Some(b'\n') => {}
            Some(_) => return Err(line.invalid()),
            None => return Ok(None),
        }
        let length = parse_integer(&input[self.position + 1..end])
            .and_then(|n| line.checked(n).or_else(|| self.logged(n)));
        let length = length.ok_or(line.invalid())?;
        Ok(Some((length, end + CRLF.len())))
    }

    /// Returns a length that is too large for a client, if a log may have it.
    #[cold]
    fn logged(&self, length: i64) -> Option<usize> {
        usize::try_from(length).ok().filter(|&length| self.reads_log && length <= MAX_LOGGED_LEN)
    }

    fn parse_line(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let Some(end) = self.find(b'\n', input, ProtocolError::TooBigInline)? else {
            return Ok(None);
        };
        self.searched = 0;
        let line = &input[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if memchr2(b'"', b'\'', line).is_none() {
            inline::split(line, &mut self.spans);
        } else {
            inline::unquote(line, &mut self.unquoted, &mut self.spans)?;
        }
        Ok(Some(end + 1))
    }

    /// Finds the byte that ends the line at `position`, or fails if the line is too long.
    ///
    /// The error depends on the bytes of the line alone, not on the pieces they arrive in.
    fn find(
        &mut self,
        byte: u8,
        input: &[u8],
        too_long: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let from = self.position.max(self.searched);
        let found = memchr(byte, &input[from..]).map(|at| from + at);
        self.searched = found.unwrap_or(input.len());
        if self.searched - self.position > MAX_LINE_LEN {
            return Err(too_long);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
