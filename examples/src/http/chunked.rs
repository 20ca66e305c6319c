//! Decoding the chunked transfer coding, RFC 9112, section 7.1.

use memchr::memchr2;

use super::grammar;
use super::scan::{Found, Scan};
use super::{MAX_CHUNK_OVERHEAD, MAX_FIELDS, Status, Step};

/// Digits that a chunk size needs: those of a 64-bit number. More of them, which are zeros then,
/// count as overhead.
const SIZE_DIGITS: usize = 16;

/// Fields that must stand in a head to have a meaning that all recipients agree on. RFC 9110,
/// section 6.5.1, has a sender leave them out; refusing them is stricter than to drop them.
const FORBIDDEN_TRAILERS: [&str; 3] = ["Content-Length", "Transfer-Encoding", "Host"];

/// The decoder of one body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunked {
    part: Part,
    scan: Scan,
    /// Bytes of data that the body may still have.
    body_left: u64,
    /// Bytes of extensions and trailers that the body may still have.
    overhead_left: usize,
}

/// What comes next in the body.
#[derive(Clone, Copy, Debug)]
enum Part {
    Size,
    /// That many bytes of data, at least one.
    Data(u64),
    /// The line break behind the data.
    DataEnd,
    Trailers,
}

impl Chunked {
    pub(super) fn new(max_body: u64) -> Self {
        Self {
            part: Part::Size,
            scan: Scan::default(),
            body_left: max_body,
            overhead_left: MAX_CHUNK_OVERHEAD,
        }
    }

    /// Takes bytes of the body off the front of `input`.
    ///
    /// # Errors
    ///
    /// 400 for a malformed body, 413 for one that is too long.
    pub(super) fn take<'a>(&mut self, input: &mut &'a [u8]) -> Result<Step<'a>, Status> {
        loop {
            match self.part {
                Part::Size => {
                    let limit = SIZE_DIGITS + self.overhead_left + b"\r\n".len();
                    let found = self.scan.line(input, limit);
                    let Some(line) = self.take_found(found, input)? else {
                        return Ok(Step::NeedMore);
                    };
                    self.start_chunk(line)?;
                }
                Part::Data(_) if input.is_empty() => return Ok(Step::NeedMore),
                Part::Data(left) => {
                    let data = super::parser::take_up_to(left, input);
                    self.part = match left - data.len() as u64 {
                        0 => Part::DataEnd,
                        left => Part::Data(left),
                    };
                    return Ok(Step::Body(data));
                }
                Part::DataEnd => match input {
                    [b'\r', b'\n', rest @ ..] => {
                        *input = rest;
                        self.part = Part::Size;
                    }
                    [] | [b'\r'] => return Ok(Step::NeedMore),
                    _ => return Err(Status::BAD_REQUEST),
                },
                Part::Trailers => {
                    let limit = self.overhead_left + b"\r\n".len();
                    let found = self.scan.section(input, limit);
                    let Some(section) = self.take_found(found, input)? else {
                        return Ok(Step::NeedMore);
                    };
                    check_trailers(section)?;
                    return Ok(Step::End);
                }
            }
        }
    }

    /// Takes what a scan found off the front of `input`.
    fn take_found<'a>(
        &mut self,
        found: Found,
        input: &mut &'a [u8],
    ) -> Result<Option<&'a [u8]>, Status> {
        match found {
            Found::End(end) => {
                let (lines, rest) = input.split_at(end);
                *input = rest;
                self.scan = Scan::default();
                Ok(Some(lines))
            }
            Found::Partial => Ok(None),
            Found::Malformed | Found::TooLong => Err(Status::BAD_REQUEST),
        }
    }

    /// Reads the line before the data of a chunk.
    fn start_chunk(&mut self, line: &[u8]) -> Result<(), Status> {
        let line = &line[..line.len() - b"\r\n".len()];
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extensions) = line.split_at(digits);
        let size = chunk_size(digits).ok_or(Status::BAD_REQUEST)?;
        let overhead = extensions.len() + digits.len().saturating_sub(SIZE_DIGITS);
        self.overhead_left = self.overhead_left.checked_sub(overhead).ok_or(Status::BAD_REQUEST)?;
        check_extensions(extensions).ok_or(Status::BAD_REQUEST)?;
        self.body_left = self.body_left.checked_sub(size).ok_or(Status::CONTENT_TOO_LARGE)?;
        self.part = if size == 0 { Part::Trailers } else { Part::Data(size) };
        Ok(())
    }
}

/// Reads a hexadecimal number below 2^63, which leaves no implementation room to overflow. RFC
/// 9112, section 7.1, allows any number of zeros before it.
fn chunk_size(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |size, &digit| {
        let size = size.checked_mul(16)? | u64::from(char::from(digit).to_digit(16)?);
        (size <= i64::MAX as u64).then_some(size)
    })
}

/// Checks chunk extensions, which are otherwise ignored, RFC 9112, section 7.1.1.
///
/// The blanks that it allows around `;` and `=` for the sake of old senders are passed over. Blanks
/// at the end of the line, where it allows none, are refused: a lenient reading of this line is how
/// a chunk can look longer to one recipient than to another.
fn check_extensions(mut rest: &[u8]) -> Option<()> {
    while !rest.is_empty() {
        rest = skip_token(skip_blanks(skip_blanks(rest).strip_prefix(b";")?))?;
        if let Some(value) = skip_blanks(rest).strip_prefix(b"=") {
            rest = match skip_blanks(value) {
                [b'"', quoted @ ..] => skip_quoted(quoted)?,
                token => skip_token(token)?,
            };
        }
    }
    Some(())
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[blanks..]
}

fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let (token, rest) = bytes.split_at(grammar::token_len(bytes));
    (!token.is_empty()).then_some(rest)
}

/// Skips a quoted string whose opening quote was taken off already.
///
/// No control bytes but tabs can occur in it, because the scan lets none pass.
fn skip_quoted(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let end = memchr2(b'"', b'\\', bytes)?;
        if bytes[end] == b'"' {
            return Some(&bytes[end + 1..]);
        }
        // A backslash stands before the byte that it quotes.
        bytes = bytes.get(end + 2..)?;
    }
}

/// Checks a trailer section, from its first field to the empty line.
///
/// Trailers are dropped, as RFC 9112, section 7.1.2, allows, but not before they are known to be
/// fields, and none that tries to change how the request was read.
fn check_trailers(section: &[u8]) -> Result<(), Status> {
    // Nearly every section is empty, and clearing room for all fields takes a while.
    if section == b"\r\n" {
        return Ok(());
    }
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(section, &mut fields)
    else {
        return Err(Status::BAD_REQUEST);
    };
    let is_forbidden = |name: &str| FORBIDDEN_TRAILERS.iter().any(|f| f.eq_ignore_ascii_case(name));
    if fields.iter().any(|field| is_forbidden(field.name)) {
        return Err(Status::BAD_REQUEST);
    }
    Ok(())
}
