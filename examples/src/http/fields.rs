//! The field lines that decide how a request is read and whether the connection goes on.

use super::Status;
use super::grammar;

/// What the fields of one head say. Fields that only concern an application are passed over.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) host: Option<&'a [u8]>,
    pub(super) content_length: Option<u64>,
    pub(super) transfer_encoding: Option<&'a [u8]>,
    pub(super) expect: Option<&'a [u8]>,
    /// Whether `Connection` lists `close`.
    pub(super) close: bool,
    /// Whether `Connection` lists `keep-alive`.
    pub(super) keep_alive: bool,
}

impl<'a> Fields<'a> {
    /// Collects the fields of a head.
    ///
    /// # Errors
    ///
    /// 400 for a doubled or malformed field that must be single and well formed.
    pub(super) fn collect(lines: &[httparse::Header<'a>]) -> Result<Self, Status> {
        let mut fields = Self::default();
        for line in lines {
            fields.add(line.name, line.value)?;
        }
        Ok(fields)
    }

    fn add(&mut self, name: &str, value: &'a [u8]) -> Result<(), Status> {
        // The comparisons look at the lengths first, so other fields cost next to nothing.
        if name.eq_ignore_ascii_case("Host") {
            if !grammar::is_authority(value) {
                return Err(Status::BadRequest);
            }
            set_once(&mut self.host, value)
        } else if name.eq_ignore_ascii_case("Content-Length") {
            set_once(&mut self.content_length, content_length(value)?)
        } else if name.eq_ignore_ascii_case("Transfer-Encoding") {
            set_once(&mut self.transfer_encoding, value)
        } else if name.eq_ignore_ascii_case("Expect") {
            set_once(&mut self.expect, value)
        } else if name.eq_ignore_ascii_case("Connection") {
            for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
            Ok(())
        } else {
            Ok(())
        }
    }
}

fn set_once<T>(slot: &mut Option<T>, value: T) -> Result<(), Status> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Status::BadRequest),
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
        _ => Err(Status::BadRequest),
    }
}
