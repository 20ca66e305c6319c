//! The field lines that decide how a request is read and whether the connection goes on.

use std::mem;

use super::Status;
use super::grammar;

/// What the fields of one head say. Fields that only concern an application are passed over.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) has_host: bool,
    pub(super) content_length: Option<u64>,
    pub(super) codings: Codings,
    pub(super) expectation: Expectation,
    /// Whether `Connection` lists `close`.
    pub(super) close: bool,
    /// Whether `Connection` lists `keep-alive`.
    pub(super) keep_alive: bool,
}

/// What the lines of `Transfer-Encoding` say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Codings {
    /// There is no such line.
    #[default]
    None,
    /// `chunked` and nothing else.
    Chunked,
    /// `chunked` at the end, and others before it that are not known here.
    UnknownThenChunked,
    /// No `chunked` so far.
    Unknown,
    /// Something that is no coding, or that stands behind `chunked`.
    Malformed,
}

/// What the lines of `Expect` say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Expectation {
    /// Nothing: there is no such line, or an empty one.
    #[default]
    None,
    Continue,
    Unknown,
}

impl Fields {
    /// Collects the fields of a head.
    ///
    /// # Errors
    ///
    /// 400 for a doubled or malformed field that must be single and well formed.
    // It has a second caller, for heads that nobody sends; returning the result to the first one
    // would take two percent of a request.
    #[inline(always)]
    pub(super) fn collect(lines: &[httparse::Header<'_>]) -> Result<Self, Status> {
        let mut fields = Self::default();
        for line in lines {
            fields.add(line.name, line.value)?;
        }
        Ok(fields)
    }

    #[inline(always)]
    fn add(&mut self, name: &str, value: &[u8]) -> Result<(), Status> {
        // The length goes first, so that fields of an application cost next to nothing.
        let is = |field: &str| name.eq_ignore_ascii_case(field);
        match name.len() {
            4 if is("Host") => self.add_host(value),
            14 if is("Content-Length") => self.add_content_length(value),
            6 if is("Expect") => {
                value.split(|&byte| byte == b',').for_each(|element| self.expectation.add(element));
                Ok(())
            }
            10 if is("Connection") => {
                self.add_connection(value);
                Ok(())
            }
            17 if is("Transfer-Encoding") => {
                value.split(|&byte| byte == b',').for_each(|coding| self.codings.add(coding));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// RFC 9112, section 3.2: an empty `Host` is what a client sends that knows no authority, and
    /// section 3.3 takes it for the server's own. A port without a host is refused, though the
    /// grammar has it.
    fn add_host(&mut self, value: &[u8]) -> Result<(), Status> {
        let is_valid = value.is_empty() || grammar::is_authority(value);
        if mem::replace(&mut self.has_host, true) || !is_valid {
            return Err(Status::BAD_REQUEST);
        }
        Ok(())
    }

    /// RFC 9110, section 8.6, lets a recipient take several equal lengths for one; this one refuses
    /// them, since the next server may take the first and the one after it the last.
    fn add_content_length(&mut self, value: &[u8]) -> Result<(), Status> {
        match self.content_length.replace(content_length(value)?) {
            None => Ok(()),
            Some(_) => Err(Status::BAD_REQUEST),
        }
    }

    fn add_connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
}

impl Codings {
    /// Adds the next element of the list, which may be spread over several lines, RFC 9110, section
    /// 5.3.
    ///
    /// An empty element is refused, where section 5.6.1 has it ignored: no sender has a reason for
    /// one here, and recipients that differ about it see different bodies.
    fn add(&mut self, coding: &[u8]) {
        let coding = coding.trim_ascii();
        *self = match *self {
            // RFC 9112, section 6.1: it comes once and last.
            Self::Chunked | Self::UnknownThenChunked | Self::Malformed => Self::Malformed,
            Self::None if coding.eq_ignore_ascii_case(b"chunked") => Self::Chunked,
            Self::Unknown if coding.eq_ignore_ascii_case(b"chunked") => Self::UnknownThenChunked,
            _ if grammar::is_token(coding) => Self::Unknown,
            _ => Self::Malformed,
        }
    }
}

impl Expectation {
    /// Adds the next element of the list; an empty one means nothing, RFC 9110, section 5.6.1.2.
    fn add(&mut self, element: &[u8]) {
        *self = match (*self, element.trim_ascii()) {
            (before, b"") => before,
            (Self::None | Self::Continue, element)
                if element.eq_ignore_ascii_case(b"100-continue") =>
            {
                Self::Continue
            }
            _ => Self::Unknown,
        }
    }
}

/// Reads a decimal number below 2^63, which leaves no implementation room to overflow.
fn content_length(digits: &[u8]) -> Result<u64, Status> {
    let number = digits.iter().try_fold(0u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    });
    match number {
        Some(number) if !digits.is_empty() && number <= i64::MAX as u64 => Ok(number),
        _ => Err(Status::BAD_REQUEST),
    }
}
