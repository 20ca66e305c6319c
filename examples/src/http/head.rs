//! Reading a request head that may arrive in any number of pieces.

use std::mem::MaybeUninit;

use memchr::memchr;

use super::fields::Fields;
use super::request::check_target;
use super::scan::{Found, Scan, is_clean};
use super::{MAX_BLANK_LINES, MAX_FIELDS, MAX_HEAD, Request, Status};

/// What is known of a head that is not complete yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    scan: Scan,
    /// Empty lines skipped before the request line.
    blank_lines: u8,
    /// Invariant: set only after the request line was found valid.
    request_line_is_valid: bool,
}

impl Head {
    /// Takes a head off the front of `input`, or returns `None` if it is not complete.
    ///
    /// Which error is found depends on the bytes alone and not on how they were split: a fault in
    /// the request line goes first, because that line may arrive long before the rest.
    ///
    /// # Errors
    ///
    /// The status to refuse the request with.
    pub(super) fn take<'a>(
        &mut self,
        input: &mut &'a [u8],
        max_body: u64,
    ) -> Result<Option<Request<'a>>, Status> {
        if self.scan.is_new() {
            if let Some((request, len)) = parse_whole(input, max_body) {
                *input = &input[len..];
                return Ok(Some(request));
            }
        }
        loop {
            let fault = match self.scan.section(input, MAX_HEAD) {
                Found::End(end) if end == b"\r\n".len() => {
                    *input = &input[end..];
                    self.skip_blank_line()?;
                    continue;
                }
                Found::End(end) => {
                    let (head, rest) = input.split_at(end);
                    match parse(head, max_body) {
                        Ok((request, _)) => {
                            *input = rest;
                            return Ok(Some(request));
                        }
                        Err(status) => Some(status),
                    }
                }
                Found::Partial => None,
                Found::Malformed => Some(Status::BAD_REQUEST),
                Found::TooLong if self.scan.first_line(input).is_none() => {
                    Some(Status::URI_TOO_LONG)
                }
                Found::TooLong => Some(Status::HEADER_FIELDS_TOO_LARGE),
            };
            self.check_request_line_once(input)?;
            return fault.map_or(Ok(None), Err);
        }
    }

    fn skip_blank_line(&mut self) -> Result<(), Status> {
        if self.blank_lines == MAX_BLANK_LINES {
            return Err(Status::BAD_REQUEST);
        }
        *self = Self { blank_lines: self.blank_lines + 1, ..Self::default() };
        Ok(())
    }

    /// Checks the request line of an incomplete or faulty head as soon as it is there.
    fn check_request_line_once(&mut self, input: &[u8]) -> Result<(), Status> {
        if self.request_line_is_valid {
            return Ok(());
        }
        if let Some(line) = self.scan.first_line(input) {
            check_request_line(line)?;
            self.request_line_is_valid = true;
        }
        Ok(())
    }
}

fn check_request_line(line: &[u8]) -> Result<(), Status> {
    let mut parsed = httparse::Request::new(&mut []);
    // With no field behind it, a valid request line is an incomplete head.
    let result = parsed.parse(line);
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(Status::BAD_REQUEST);
    };
    match result {
        Ok(_) => check_target(method, target),
        Err(httparse::Error::Version) => {
            // A space follows the method, and another one the target.
            match version(&line[method.len() + target.len() + 2..]) {
                // RFC 9110, section 2.5: a higher minor version is read as the highest known.
                Some((b'1', _)) => check_target(method, target),
                Some(_) => Err(Status::VERSION_NOT_SUPPORTED),
                None => Err(Status::BAD_REQUEST),
            }
        }
        Err(_) => Err(Status::BAD_REQUEST),
    }
}

/// Reads the version that a request line ends in, with its line break, RFC 9112, section 2.3.
fn version(end: &[u8]) -> Option<(u8, u8)> {
    match end.strip_prefix(b"HTTP/")? {
        &[major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9', b'\r', b'\n'] => Some((major, minor)),
        _ => None,
    }
}

/// Parses a head that is there as a whole and has no fault, as nearly all are.
///
/// Of any other, nothing is found out here: that takes the scan.
fn parse_whole(input: &[u8], max_body: u64) -> Option<(Request<'_>, usize)> {
    // Empty lines before a request are for the scan to count.
    if matches!(input.first(), Some(b'\r' | b'\n')) {
        return None;
    }
    let (request, len) = parse(&input[..input.len().min(MAX_HEAD)], max_body).ok()?;
    is_clean(&input[..len]).then_some((request, len))
}

/// Parses the head at the start of `input`, and returns its length too.
///
/// The line breaks and the control bytes in it are judged elsewhere.
fn parse(input: &[u8], max_body: u64) -> Result<(Request<'_>, usize), Status> {
    // Left uninitialised: clearing room for all fields would take longer than parsing a few.
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let len = match parsed.parse_with_uninit_headers(input, &mut fields) {
        Ok(httparse::Status::Complete(len)) => len,
        Err(httparse::Error::TooManyHeaders) => return Err(Status::HEADER_FIELDS_TOO_LARGE),
        Err(httparse::Error::Version) => return parse_newer(input, max_body),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Status::BAD_REQUEST),
    };
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Status::BAD_REQUEST);
    };
    check_target(method, target)?;
    let fields = Fields::collect(parsed.headers)?;
    Ok((Request::new(method, target, minor == 0, &fields, &input[..len], max_body)?, len))
}

/// Parses a head of HTTP/1.2 to HTTP/1.9, which httparse does not take, as one of HTTP/1.1.
#[cold]
fn parse_newer(input: &[u8], max_body: u64) -> Result<(Request<'_>, usize), Status> {
    let line_end = memchr(b'\n', input).ok_or(Status::BAD_REQUEST)? + 1;
    let (line, rest) = input.split_at(line_end);
    check_request_line(line)?;
    let mut parsed = httparse::Request::new(&mut []);
    // It fails at the version, behind the method and the target.
    let _ = parsed.parse(line);
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(Status::BAD_REQUEST);
    };
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let (len, fields) = match httparse::parse_headers(rest, &mut fields) {
        Ok(httparse::Status::Complete((len, fields))) => (line_end + len, fields),
        Err(httparse::Error::TooManyHeaders) => return Err(Status::HEADER_FIELDS_TOO_LARGE),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Status::BAD_REQUEST),
    };
    let fields = Fields::collect(fields)?;
    Ok((Request::new(method, target, false, &fields, &input[..len], max_body)?, len))
}
