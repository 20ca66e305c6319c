//! The entity tag and the date of a file, RFC 9110, section 8.8.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

use super::encoding::Coding;
use super::tree::{OpenFile, whole_seconds};

/// A file that was changed less than this ago may be changed once more without a new time stamp:
/// file systems count in steps of up to a second.
const SETTLED: Duration = Duration::from_secs(1);

/// The last second whose year has four digits, as HTTP dates must have.
const LAST_SECOND: u64 = 253_402_300_799;

/// What tells one state of a representation from another.
#[derive(Clone, Debug)]
pub(super) struct Validators {
    /// The entity tag without `W/`, quotes included.
    opaque_tag: String,
    /// Whether equal tags mean equal bytes, RFC 9110, section 8.8.1.
    pub(super) is_strong: bool,
    /// Whether the date alone means equal bytes, RFC 9110, section 8.8.2.2.
    pub(super) date_is_strong: bool,
    /// The seconds since 1970 of `Last-Modified`.
    pub(super) modified: u64,
}

impl Validators {
    /// Computes the validators of a file in this coding, for a reply dated `now`.
    ///
    /// The tag is made of the inode and the time of its last change, because a file can be replaced
    /// by another of the same length and the same date (`cp -p`, archives with one fixed date), but
    /// that one has another inode or another `st_ctime`. The tag contains the coding, since two
    /// codings must never share one (RFC 9110, section 8.8.3.3).
    ///
    /// As long as the file is not settled its tag is weak, and another one than later: a client
    /// that has seen the file between two changes of one tick does not keep it for good.
    pub(super) fn new(file: &OpenFile, coding: Coding, now: SystemTime) -> Self {
        let changed = file.changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let coding = coding.suffix().unwrap_or_default();
        let is_strong = file.changed + SETTLED <= now;
        let state = if is_strong { "" } else { "-new" };
        let now_seconds = whole_seconds(now);
        let modified = whole_seconds(file.modified);
        Self {
            opaque_tag: format!("\"{:x}-{changed:x}-{:x}{coding}{state}\"", file.inode, file.len),
            is_strong,
            date_is_strong: is_strong && modified < now_seconds,
            // RFC 9110, section 8.8.2.1: not later than the reply itself.
            modified: modified.min(now_seconds).min(LAST_SECOND),
        }
    }

    /// Returns the value of `ETag`.
    pub(super) fn etag(&self) -> String {
        let prefix = if self.is_strong { "" } else { "W/" };
        format!("{prefix}{}", self.opaque_tag)
    }

    /// Returns the value of `Last-Modified`.
    pub(super) fn last_modified(&self) -> String {
        HttpDate::from(UNIX_EPOCH + Duration::from_secs(self.modified)).to_string()
    }

    /// Compares with a tag as `If-None-Match` does, RFC 9110, section 8.8.3.2.
    pub(super) fn matches_weakly(&self, tag: &EntityTag<'_>) -> bool {
        tag.opaque == self.opaque_tag.as_bytes()
    }

    /// Compares with a tag as `If-Match` and `If-Range` do, RFC 9110, section 8.8.3.2.
    pub(super) fn matches_strongly(&self, tag: &EntityTag<'_>) -> bool {
        self.is_strong && !tag.is_weak && self.matches_weakly(tag)
    }
}

/// An entity tag of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntityTag<'a> {
    pub(super) is_weak: bool,
    /// The tag with its quotes.
    pub(super) opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Reads a tag at the start of `text`, RFC 9110, section 8.8.3, and returns it with the rest.
    pub(super) fn parse(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let rest = text.strip_prefix(b"W/");
        let is_weak = rest.is_some();
        let quoted = rest.unwrap_or(text);
        let inner = quoted.strip_prefix(b"\"")?;
        let len = inner.iter().position(|&byte| !matches!(byte, 0x21 | 0x23..=0x7e | 0x80..))?;
        if inner[len] != b'"' {
            return None;
        }
        let (opaque, rest) = quoted.split_at(len + 2);
        Some((Self { is_weak, opaque }, rest))
    }
}
