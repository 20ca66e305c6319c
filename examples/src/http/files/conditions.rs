//! Conditional requests, RFC 9110, section 13.

use super::FileRequest;
use super::tree::whole_seconds;
use super::validators::{EntityTag, Validators};

/// What the conditions of a request lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The method is performed.
    Met,
    /// 304: the client has the file as it is.
    NotModified,
    /// 412: the file is not what the client believes.
    Failed,
}

/// Evaluates the conditions of a GET or HEAD in the order of RFC 9110, section 13.2.2.
pub(super) fn evaluate(request: &FileRequest<'_>, validators: &Validators) -> Outcome {
    // Steps 1 and 2. A date that cannot be read is no condition, section 13.1.4.
    if !request.if_match.is_empty() {
        if !matches_any(&request.if_match, |tag| validators.matches_strongly(tag)) {
            return Outcome::Failed;
        }
    } else if date(request.if_unmodified_since).is_some_and(|date| validators.modified > date) {
        return Outcome::Failed;
    }
    // Steps 3 and 4: the date counts only where there are no tags, section 13.1.3.
    let is_same = if request.if_none_match.is_empty() {
        date(request.if_modified_since).is_some_and(|date| validators.modified <= date)
    } else {
        matches_any(&request.if_none_match, |tag| validators.matches_weakly(tag))
    };
    if is_same { Outcome::NotModified } else { Outcome::Met }
}

/// Tells whether `Range` may be heeded: step 5 of RFC 9110, section 13.2.2.
///
/// `If-Range` asks whether the client's part belongs to the file as it is now, so both kinds of
/// validators must be strong and the same, section 13.1.5.
pub(super) fn allow_range(request: &FileRequest<'_>, validators: &Validators) -> bool {
    let Some(value) = request.if_range else { return true };
    match EntityTag::parse(value) {
        Some((tag, rest)) => rest.is_empty() && validators.matches_strongly(&tag),
        None => validators.date_is_strong && date(Some(value)) == Some(validators.modified),
    }
}

/// Tells whether one of the listed tags matches. `*` stands for any, and is there alone.
///
/// A list is read up to the first member that is no tag.
fn matches_any(lines: &[&[u8]], matches: impl Fn(&EntityTag<'_>) -> bool) -> bool {
    if lines == [b"*"] {
        return true;
    }
    lines.iter().any(|line| {
        let mut rest = *line;
        loop {
            while let [b',' | b' ' | b'\t', after @ ..] = rest {
                rest = after;
            }
            let Some((tag, after)) = EntityTag::parse(rest) else { return false };
            if !matches!(after.trim_ascii_start(), [] | [b',', ..]) {
                return false;
            }
            if matches(&tag) {
                return true;
            }
            rest = after;
        }
    })
}

/// Reads a date in one of the three formats of RFC 9110, section 5.6.7, in seconds since 1970.
fn date(value: Option<&[u8]>) -> Option<u64> {
    let text = std::str::from_utf8(value?).ok()?;
    httpdate::parse_http_date(text).ok().map(whole_seconds)
}
