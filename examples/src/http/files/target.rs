//! From a request target to a path beneath the directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// All but the unreserved characters of RFC 3986, section 2.3.
pub(super) const IN_SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What must not stand in a field value, or would end the query. A `%` stays, since the query is
/// encoded already.
const IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'#');

/// What a request target names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The path, relative to the directory; empty for the directory itself.
    pub(super) path: PathBuf,
    /// Whether the target ends in a slash.
    pub(super) names_directory: bool,
    query: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// Reads a target in origin form or absolute form, RFC 9112, section 3.2.
    ///
    /// # Errors
    ///
    /// The status to refuse it with: 400 for what is no path, 404 for names that no file has here.
    pub(super) fn parse(target: &'a [u8]) -> Result<Self, u16> {
        let target = strip_authority(target).ok_or(400u16)?;
        let mut parts = target.splitn(2, |&byte| byte == b'?');
        let path = parts.next().unwrap_or_default();
        if path.contains(&b'#') || !is_well_encoded(path) {
            return Err(400);
        }
        let mut found = Self {
            path: PathBuf::new(),
            names_directory: path.is_empty() || path.ends_with(b"/"),
            query: parts.next(),
        };
        for segment in path.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty()) {
            let name: Vec<u8> = percent_decode(segment).collect();
            let is_well_known = name == b".well-known" && found.path.as_os_str().is_empty();
            if !is_well_known && !is_served(&name) {
                return Err(404);
            }
            found.path.push(OsStr::from_bytes(&name));
        }
        Ok(found)
    }

    /// Returns the reference, relative to this target, of the same target with a slash behind it.
    ///
    /// It begins with `./`, so that neither a colon in the name makes it a URI of another scheme,
    /// nor a slash before it the name of another host (RFC 3986, section 4.2).
    pub(super) fn with_slash(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        let mut reference = format!("./{}/", percent_encode(name.as_bytes(), IN_SEGMENT));
        if let Some(query) = self.query {
            reference.push('?');
            reference.extend(percent_encode(query, IN_QUERY));
        }
        reference
    }
}

/// Tells whether a file or directory of this name can be served.
pub(super) fn is_served(name: &[u8]) -> bool {
    // Browsers and other systems take a backslash for a slash. The dot covers `.` and `..`.
    !name.is_empty()
        && !name.starts_with(b".")
        && !name.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0))
}

/// Removes `http://authority` from a target, and returns none if the rest is no path.
fn strip_authority(target: &[u8]) -> Option<&[u8]> {
    if target.starts_with(b"/") {
        return Some(target);
    }
    let colon = target.iter().position(|&byte| byte == b':')?;
    let (scheme, rest) = target.split_at(colon);
    let is_http = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    let rest = rest.strip_prefix(b"://").filter(|_| is_http)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    Some(&rest[end..])
}

/// Tells whether each `%` has two hexadecimal digits behind it.
fn is_well_encoded(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit))
}
