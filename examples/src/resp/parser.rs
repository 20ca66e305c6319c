//! Finding commands in a stream of bytes.

use std::mem;

use memchr::{memchr, memchr2};

use super::ahead::Ahead;
use super::command::{Command, Span};
use super::error::ProtocolError;
use super::length_line::LengthLine;
use super::number::parse_integer;
use super::short::{Front, find_front, short_line};
use super::{MAX_COMMAND_LEN, MAX_LINE_LEN, inline};

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
}

impl Parser {
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
            if next > MAX_COMMAND_LEN {
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
        let length = parse_integer(&input[self.position + 1..end]).and_then(|n| line.checked(n));
        let length = length.ok_or(line.invalid())?;
        Ok(Some((length, end + CRLF.len())))
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
mod tests {
    use std::collections::VecDeque;

    use super::super::MAX_BULK_LEN;
    use super::*;

    #[test]
    fn arguments_that_are_there_are_not_read_again() {
        let input = b"*3\r\n$3\r\nSET\r\n$12\r\nkeykeykeykey\r\n$3\r\nxyz\r\n";
        let mut parser = Parser::default();
        let mut seen = Vec::new();
        for &byte in &input[..input.len() - 1] {
            seen.push(byte);
            assert!(parser.parse(&seen).unwrap().is_none());
            // All but the byte that tells the two forms of a request apart.
            seen.iter_mut().take(parser.position).skip(1).for_each(|byte| *byte = b'!');
        }
        seen.push(b'\n');
        let command = parser.parse(&seen).unwrap().unwrap();
        let lens: Vec<usize> = command.iter_from(0).map(<[u8]>::len).collect();
        assert_eq!((command.wire_len(), lens), (input.len(), vec![3, 12, 3]));
    }

    /// Parses what arrives in pieces of `piece` bytes, with a look at `max` commands before each
    /// step: `max`, and what is found then must be what comes.
    fn parsed(input: &[u8], piece: usize, max: usize) -> Vec<Vec<Vec<u8>>> {
        let arguments =
            |command: Command<'_>| command.iter_from(0).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let mut parser = Parser::default();
        let (mut read, mut arrived) = (0, 0);
        let (mut commands, mut expected) = (Vec::new(), VecDeque::new());
        while arrived < input.len() {
            arrived = (arrived + piece).min(input.len());
            loop {
                let rest = &input[read..arrived];
                let found: VecDeque<_> = parser.parse_ahead(rest, max).map(arguments).collect();
                assert_eq!(parser.parse_ahead(rest, max / 2).len(), found.len().min(max / 2));
                assert!(found.len() <= max && found.iter().zip(&expected).all(|(a, b)| a == b));
                assert!(found.len() >= expected.len(), "what was found once stays");
                expected = found;
                let Some(command) = parser.parse(rest).unwrap() else { break };
                read += command.wire_len();
                commands.push(arguments(command));
                assert!(
                    expected.pop_front().is_none_or(|first| first == commands[commands.len() - 1])
                );
            }
            assert_eq!(expected, VecDeque::new(), "what was found comes");
        }
        commands
    }

    #[test]
    fn a_look_ahead_changes_nothing() {
        let get = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
        let long = format!("*2\r\n$4\r\nECHO\r\n$120\r\n{}\r\n", "v".repeat(120));
        let many = format!("*40\r\n{}", "$1\r\na\r\n".repeat(40));
        let input = format!("{get}{get}ECHO 'a b'\r\n{get}*1\r\n$4\r\nPING\r\n*0\r\n{get}{long}");
        let input = [&*input, &many.repeat(3), get, "PING\r\n", get, "$"].concat();
        let whole = parsed(input.as_bytes(), usize::MAX, 0);
        assert_eq!(whole.len(), 14);
        for max in 0..6 {
            for piece in (1..40).chain([100, 200, input.len()]) {
                assert!(parsed(input.as_bytes(), piece, max) == whole, "{max} in {piece}");
            }
        }
    }

    #[test]
    fn a_line_is_not_searched_again() {
        let lines: [(&[u8], u8); 3] = [(b"PING", b'\n'), (b"*", b'\r'), (b"*1\r\n$", b'\r')];
        for (start, end) in lines {
            let mut parser = Parser::default();
            let mut input = [start, &[b'1'; 1000]].concat();
            assert!(parser.parse(&input).unwrap().is_none());
            // Searched again, the line would seem to end here.
            input[500] = end;
            assert!(parser.parse(&input).unwrap().is_none());
        }
    }

    #[test]
    fn a_mebibyte_may_arrive_byte_by_byte() {
        let value = vec![b'v'; 1024 * 1024];
        let input = [b"*2\r\n$4\r\nECHO\r\n$1048576\r\n", &*value, b"\r\n"].concat();
        let mut parser = Parser::default();
        for end in 0..input.len() {
            assert!(parser.parse(&input[..end]).unwrap().is_none());
        }
        assert_eq!(parser.parse(&input).unwrap().unwrap()[1], value);
    }

    #[test]
    fn arguments_are_slices_of_the_input() {
        let input = b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\nECHO hello\n";
        let mut parser = Parser::default();
        let array = parser.parse(input).unwrap().unwrap();
        assert!(input.as_ptr_range().contains(&array[1].as_ptr()));
        let rest = &input[array.wire_len()..];
        let line = parser.parse(rest).unwrap().unwrap();
        assert!(rest.as_ptr_range().contains(&line[1].as_ptr()));
    }

    #[test]
    fn a_command_is_bounded_in_all() {
        // The bytes between are never looked at, and zeroes cost no memory until they are.
        let mut input = vec![0; MAX_BULK_LEN + 100];
        let head = b"*2\r\n$536870912\r\n";
        let tail = b"\r\n$536870912\r\n";
        input[..head.len()].copy_from_slice(head);
        let end = head.len() + MAX_BULK_LEN;
        input[end..end + tail.len()].copy_from_slice(tail);
        let result = Parser::default().parse(&input).map(|command| command.is_some());
        assert_eq!(result, Err(ProtocolError::TooBigCommand));
    }

    #[test]
    fn the_room_for_a_large_command_is_given_back() {
        let many = [b"*5000\r\n".as_slice(), &b"$1\r\nx\r\n".repeat(5000)].concat();
        let quoted = b"ECHO 'x'\r\n";
        let mut parser = Parser::default();
        for input in [&*many, quoted] {
            assert!(parser.parse(input).unwrap().is_some());
            assert!(parser.parse(b"").unwrap().is_none());
            assert!(parser.spans.capacity() <= KEPT_SPANS);
            assert_eq!(parser.unquoted.capacity(), 0);
        }
        let many = [b"*99\r\n".as_slice(), &b"$1\r\nx\r\n".repeat(99)].concat().repeat(9);
        assert_eq!(parser.parse_ahead(&many, 9).len(), 1);
        assert!(parser.spans.len() <= AHEAD_SPANS + 2 * 99);
    }
}
